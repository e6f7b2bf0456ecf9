package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/lbha/lbha/cmd/internal/scan"
)

const (
	minScan = 100 * time.Millisecond
	maxScan = time.Hour
)

// A scanned interface, for JSON.
type scanned struct {
	Interface string   `json:"interface"`
	Free      []string `json:"free"` // ids, and ranges of them
}

func scanCommand() *cobra.Command {
	var iface string
	var asJSON bool
	how := 5 * time.Second
	cmd := &cobra.Command{
		Use:   "scan [-i IFACE] [--for 5s] [--json]",
		Short: "Hear who speaks VRRP on the wire, and which ids are free",
		Long: "scan listens, and lists each virtual router that it hears announced: id, version, priority, interval, who announces it,\n" +
			"to whom, its addresses, and how it is authenticated: none, pass (a password in the clear) or hmac. Then it lists the\n" +
			"ids that nobody was heard with.\n\n" +
			"Only masters speak, at their interval: listen for longer than the longest one. Unicast between others is not heard.\n" +
			"It sends no advert, and needs no daemon; but root, or CAP_NET_RAW.\n\n" +
			"Exit status: 0 it listened, whoever was heard; 1 it could not.",
		Example: "  lbha scan -i eth0 --for 10s",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if how < minScan || how > maxScan {
				return fmt.Errorf("--for: must be %v to %v, not %v", minScan, maxScan, how)
			}
			listener, err := scan.Listen(iface)
			if err != nil {
				return err
			}
			defer listener.Close()
			if len(listener.Interfaces()) == 0 {
				return errors.New("no interface is up that VRRP could be heard on")
			}
			var log scan.Log
			if err := hear(cmd.Context(), cmd.ErrOrStderr(), listener, &log, how); err != nil {
				return err
			}
			var interfaces []scanned
			for _, name := range listener.Interfaces() {
				interfaces = append(interfaces, scanned{name, ranges(log.Free(name))})
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), map[string]any{"speakers": log.Speakers(), "interfaces": interfaces, "lost": log.Lost()})
			}
			return printScan(cmd.OutOrStdout(), &log, interfaces)
		},
	}
	cmd.Flags().StringVarP(&iface, "interface", "i", "", "listen on this one; all that are up, if left out")
	cmd.Flags().DurationVar(&how, "for", how, "how long to listen")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// hear listens for so long, and tells every second on a terminal what it has.
func hear(ctx context.Context, progress io.Writer, l *scan.Listener, log *scan.Log, how time.Duration) error {
	fmt.Fprintf(progress, "listening on %s for %v\n", strings.Join(l.Interfaces(), ", "), how)
	end := time.Now().Add(how)
	for left := how; left > 0 && ctx.Err() == nil; left = time.Until(end) {
		if err := l.Run(log, time.Now().Add(min(left, time.Second))); err != nil {
			return err
		}
		if isTerminal(progress) {
			fmt.Fprintf(progress, "\r%s heard, %v left ", plural(len(log.Speakers()), "speaker"), max(time.Until(end), 0).Round(time.Second))
		}
	}
	if isTerminal(progress) {
		fmt.Fprint(progress, "\r\x1b[K")
	}
	return ctx.Err()
}

func printScan(out io.Writer, log *scan.Log, interfaces []scanned) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	if len(log.Speakers()) > 0 {
		fmt.Fprintln(w, "INTERFACE\tID\tVERSION\tPRIORITY\tINTERVAL\tFROM\tTO\tAUTH\tADDRESSES")
	}
	for _, s := range log.Speakers() {
		to := "group"
		if !s.To.IsMulticast() {
			to = s.To.String()
		}
		addresses := join(s.Addresses)
		if s.Wrong != "" {
			addresses = strings.TrimSpace(addresses + " (nobody takes it: " + s.Wrong.String() + ")")
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%v\t%v\t%s\t%s\t%s\n", s.Interface, s.VRID, s.Version, s.Priority, s.Interval, s.Source, to, s.Auth, addresses)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if n := log.Lost(); n > 0 {
		fmt.Fprintf(out, "and %s of more than %d speakers\n", plural(n, "advert"), scan.MaxSpeakers)
	}
	for _, i := range interfaces {
		free := strings.Join(i.Free, ", ")
		if free == "" {
			free = "none"
		}
		fmt.Fprintf(out, "%s: free ids: %s\n", i.Interface, free)
	}
	return nil
}

func join(all []netip.Addr) string {
	out := make([]string, len(all))
	for i, a := range all {
		out[i] = a.String()
	}
	return strings.Join(out, " ")
}

// ranges writes "7" or "10-20".
func ranges(all [][2]int) []string {
	out := make([]string, 0, len(all))
	for _, r := range all {
		text := strconv.Itoa(r[0])
		if r[1] > r[0] {
			text += "-" + strconv.Itoa(r[1])
		}
		out = append(out, text)
	}
	return slices.Clip(out)
}
