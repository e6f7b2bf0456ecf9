package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/lbha/lbha/cmd/internal/admin"
	"github.com/lbha/lbha/cmd/internal/observe"
)

const readTimeout = 10 * time.Second

func statusCommand(client func() *admin.Client) *cobra.Command {
	var asJSON, watch bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show instances, services and servers, and why they are as they are",
		Long:  "status shows one snapshot of the running daemon. Reading it has no side effect.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for {
				ctx, cancel := context.WithTimeout(cmd.Context(), readTimeout)
				st, err := client().Status(ctx)
				cancel()
				if err != nil {
					return err
				}
				if asJSON {
					err = printJSON(cmd.OutOrStdout(), st)
				} else {
					if watch {
						clearScreen(cmd.OutOrStdout())
					}
					err = printStatus(cmd.OutOrStdout(), st, painter(cmd.OutOrStdout()))
				}
				if err != nil || !watch {
					return err
				}
				select {
				case <-time.After(time.Second):
				case <-cmd.Context().Done():
					return nil
				}
			}
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "print again every second until interrupted")
	return cmd
}

// paint colours a word by what it means to an operator; it is the identity where the output is no terminal.
type paint func(text string, good bool) string

func painter(w io.Writer) paint {
	if !isTerminal(w) || os.Getenv("NO_COLOR") != "" {
		return func(text string, _ bool) string { return text }
	}
	return colour
}

// colour is the paint of a terminal.
func colour(text string, good bool) string {
	if good {
		return "\x1b[32m" + text + "\x1b[0m"
	}
	return "\x1b[31m" + text + "\x1b[0m"
}

// plain is a word without colour that stands in one column with coloured ones: codes that change nothing make it as long as it
// takes for tabwriter, which counts bytes, to align it with them.
func (p paint) plain(text string) string {
	if p("", true) == "" {
		return text
	}
	return "\x1b[39m" + text + "\x1b[0m"
}

// printStatus prints a part for everything that the daemon has; what it has not is left out.
func printStatus(out io.Writer, st *observe.Status, p paint) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintf(w, "%s  lbha %s  configuration %.12s of %s, %s ago\n", st.Name, st.Version, st.Config.Hash, st.Config.Path, age(st.Time, st.Config.Loaded))

	if tr := st.Config.Trial; tr != nil {
		printTrial(w, tr)
	}
	printInstances(w, st, p)
	printPeers(w, st)
	printExchange(w, st, p)
	printTracks(w, st, p)
	printNotify(w, st)
	printServices(w, st, p)
	printDrains(w, st)
	printReload(w, st)
	printStanding(w, st, p)
	printGround(w, st, p)
	return w.Flush()
}

func printInstances(w io.Writer, st *observe.Status, p paint) {
	if len(st.Instances) == 0 {
		return
	}
	fmt.Fprintf(w, "\nINSTANCE\tGROUP\tINTERFACE\tVRID\tPRIORITY\t%s\tFOR\tMASTER\tHELD\tREASON\n", p.plain("STATE"))
	for _, in := range st.Instances {
		master := in.Master
		if in.State == "master" {
			master = "this director"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%s\t%s\t%s\t%s\t%s\n", in.Name, dash(in.Group), in.Interface, in.VRID, in.Priority,
			p(in.State, in.State == "master" || in.State == "backup"), age(st.Time, in.Since), dash(master), dash(strings.Join(in.Held, " ")), in.Reason+ledOut(in))
	}
}

// ledOut tells that an operator has ordered a hand-over, until when it is not the configured priority that counts.
func ledOut(in observe.Instance) string {
	switch {
	case !in.HandOver:
		return ""
	case in.State == "master":
		return "; ordered to hand over: it stays until a backup takes over"
	}
	return "; ordered to stay out, until lbha failover --lift"
}

func printServices(w io.Writer, st *observe.Status, p paint) {
	for _, s := range st.Services {
		pace := ""
		if s.Pace != "same" {
			pace = "\tchecks " + s.Pace + " on a standby"
		}
		fmt.Fprintf(w, "\nSERVICE %s\t%s\t%s\t%s%s\n", s.Name, p.plain(strings.Join(s.Addresses, " ")), s.Scheduler, s.Forward, pace)
		fmt.Fprintf(w, "SERVER\t%s\tFOR\tTABLE\tWEIGHT\tACTIVE\tINACTIVE\tLAST CHECK\tREASON\n", p.plain("STATE"))
		for _, r := range s.Servers {
			weight := fmt.Sprint(r.Weight)
			if r.Weight != r.Wanted {
				weight = fmt.Sprintf("%d of %d", r.Weight, r.Wanted)
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t%s\t%s\n", r.Address, p(r.State, r.State == "up"), age(st.Time, r.Since),
				r.Placement, weight, r.Active, r.Inactive, lastCheck(st.Time, r), ordered(r)+r.Reason)
		}
	}
}

func printDrains(w io.Writer, st *observe.Status) {
	if len(st.Draining) == 0 {
		return
	}
	fmt.Fprintln(w, "\nDRAINING\tSERVER\tFOR\tUNTIL\tACTIVE\tINACTIVE\tPERSISTENT")
	for _, d := range st.Draining {
		until := "-"
		if !d.Until.IsZero() {
			until = d.Until.Format(time.DateTime)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%d\n", d.Service, d.Server, age(st.Time, d.Since), until, d.Active, d.Inactive, d.Persistent)
	}
}

func printReload(w io.Writer, st *observe.Status) {
	r := st.Config.Reload
	if r == nil {
		return
	}
	outcome := "applied"
	switch {
	case r.Applied && !r.OK:
		outcome = "applied, but " + r.Error
	case !r.OK:
		outcome = "refused: " + r.Error
	}
	if r.Reverted != "" {
		outcome += "; it took the one before back: " + r.Reverted
	}
	fmt.Fprintf(w, "\nLast reload %s ago: %s\n", age(st.Time, r.Time), outcome)
}

// printStanding prints the findings that hold now.
func printStanding(w io.Writer, st *observe.Status, p paint) {
	if len(st.Findings) == 0 {
		return
	}
	fmt.Fprintln(w, "\nFINDINGS")
	for _, f := range st.Findings {
		since := ""
		if !f.Since.IsZero() {
			since = fmt.Sprintf("; since %s, %s ago", f.Since.Format(time.DateTime), age(st.Time, f.Since))
		}
		fmt.Fprintf(w, "%s\t%s\t%s%s\n", f.Object, p(f.Reason, false), f.Message, since)
	}
}

func printGround(w io.Writer, st *observe.Status, p paint) {
	if len(st.Ground) == 0 {
		return
	}
	fmt.Fprintln(w, "\nGROUND")
	for _, g := range st.Ground {
		fmt.Fprintf(w, "%s\t%s\t%s\n", g.Object, p(g.Reason, false), g.Message)
		if g.Fix != "" {
			fmt.Fprintf(w, "\t%s\tfix: %s\n", p.plain(""), g.Fix)
		}
	}
}

// silentAfter is how many of its intervals a peer has said nothing when it is no master any more, unless adverts are lost.
const silentAfter = 4

// printPeers prints the other directors that the instances hear, latest first. When they were heard is told by the VRRP
// process, each second: to count on until now would show them a second older than they are.
func printPeers(w io.Writer, st *observe.Status) {
	at := st.Elector.At
	header := "\nINSTANCE\tPEER\tPRIORITY\tVERSION\tINTERVAL\tHEARD, AT " + at.Format("15:04:05.000") + "\n"
	for _, in := range st.Instances {
		for _, p := range slices.Backward(in.Peers) {
			fmt.Fprint(w, header)
			header = ""
			silent := ""
			if in.State == "master" && at.Sub(p.Heard) > silentAfter*p.Interval {
				silent = ": a backup is silent, up or not"
			}
			fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\t%s ago%s\n", in.Name, p.Address, p.Priority, p.Version, p.Interval, age(at, p.Heard), silent)
		}
	}
}

// printTracks prints what the instances track.
func printTracks(w io.Writer, st *observe.Status, p paint) {
	header := "\nINSTANCE\tTRACKS\t" + p.plain("STATE") + "\tFOR\tADJUSTS\tREASON\n"
	for _, in := range st.Instances {
		for _, t := range in.Tracks {
			fmt.Fprint(w, header)
			header = ""
			adjusts := fmt.Sprintf("%+d", t.Adjust)
			switch {
			case t.Fault:
				adjusts = "FAULT"
			case t.Adjust == 0:
				adjusts = "-"
			}
			reason := t.Reason
			if t.Trouble != "" {
				reason += "; " + t.Trouble
			}
			fmt.Fprintf(w, "%s\t%s %s\t%s\t%s\t%s\t%s\n", in.Name, t.Kind, t.Target, p(t.State, t.State != "bad"), age(st.Time, t.Since), adjusts, reason)
		}
	}
}

// printNotify prints how it goes with telling of transitions.
func printNotify(w io.Writer, st *observe.Status) {
	header := "\nINSTANCE\tTELLS BY\tWAITING\tTOLD\tFAILED\tLEFT OUT\tLAST\n"
	row := func(in, by string, waiting int, told, failed, lost uint64, last string) {
		fmt.Fprint(w, header)
		header = ""
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d\t%s\n", in, by, waiting, told, failed, lost, dash(last))
	}
	for _, in := range st.Instances {
		n := in.Notify
		if n == nil {
			continue
		}
		last := n.Last
		if n.Running > 0 {
			last = "running for " + n.Running.Truncate(100*time.Millisecond).String()
		}
		if n.Command {
			row(in.Name, "command", n.Waiting, n.Ran-n.Failed, n.Failed+n.NotRun, n.Dropped, last)
		}
		if n.Stream {
			row(in.Name, "stream", n.Unread, n.Lines, 0, n.Lost, n.Trouble)
		}
	}
}

// ordered puts an operator's order before the reason of the checks.
func ordered(r observe.Server) string {
	if r.Order == "" {
		return ""
	}
	return "ordered " + r.Order + "; "
}

func lastCheck(now time.Time, r observe.Server) string {
	if r.LastCheck.IsZero() {
		return "-"
	}
	return fmt.Sprintf("%s ago, %s", age(now, r.LastCheck), r.Detail)
}

// age is how long ago t was, in the precision that people read.
func age(now, t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	d := now.Sub(t)
	switch {
	case d < time.Second:
		return d.Truncate(time.Millisecond).String()
	case d < time.Minute:
		return d.Truncate(100 * time.Millisecond).String()
	case d < 24*time.Hour:
		text := d.Truncate(time.Second).String()
		if cut, ok := strings.CutSuffix(text, "m0s"); ok {
			return cut + "m"
		}
		return text
	}
	return fmt.Sprintf("%dd%dh", int(d.Hours())/24, int(d.Hours())%24)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
