package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/lbha/lbha/cmd/internal/admin"
	"github.com/lbha/lbha/cmd/internal/observe"
)

func explainCommand(client func() *admin.Client) *cobra.Command {
	var asJSON bool
	var limit int
	cmd := &cobra.Command{
		Use:   "explain [THING | SERVICE SERVER]",
		Short: "Show the causes that led here, from the journal",
		Long: "explain prints the journal's events, oldest first; with THING only those about it: an instance, a service, SERVICE/SERVER,\n" +
			"reload, table. The journal goes back beyond a restart: its file is journal.jsonl in global.state_dir.\n\n" +
			"With SERVICE and SERVER it tells why that server is as it is: in one line, then what each of its checks has found lately and\n" +
			"how long the answers took, then the events.",
		Example: "  lbha explain web\n  lbha explain www 10.9.0.3:80",
		Args:    cobra.MaximumNArgs(2),

		ValidArgsFunction: complete(client, instanceAndServiceNames, serverNames),

		RunE: func(cmd *cobra.Command, args []string) error {
			if limit < 0 {
				return fmt.Errorf("--lines %d: want 0 or more", limit)
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), actTimeout)
			defer cancel()
			thing := ""
			var story *observe.Story
			switch len(args) {
			case 1:
				thing = args[0]
			case 2:
				var err error
				if story, err = client().Explain(ctx, args[0], args[1]); err != nil {
					return err
				}
				thing = story.Service + "/" + story.Server
			}
			got, err := client().Events(ctx, 0, 0)
			if err != nil {
				return err
			}
			events := got.Events
			if thing != "" {
				events = about(events, thing)
			}
			if len(events) == 0 && thing != "" && story == nil {
				fmt.Fprintf(cmd.ErrOrStderr(), "lbha: no event about %q in the journal; names are those that `lbha status` and `lbha explain` show\n", thing)
			}
			if limit > 0 && len(events) > limit {
				events = events[len(events)-limit:]
			}
			if asJSON && story != nil {
				return printJSON(cmd.OutOrStdout(), struct {
					*observe.Story
					admin.Events
				}{story, admin.Events{Events: events}})
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), admin.Events{Events: events})
			}
			if story != nil {
				if err := printStory(cmd.OutOrStdout(), story); err != nil {
					return err
				}
			}
			for _, e := range events {
				fmt.Fprintln(cmd.OutOrStdout(), line(e))
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().IntVarP(&limit, "lines", "n", 50, "print at most so many of the newest events; 0: all that are kept")
	return cmd
}

func printStory(out io.Writer, s *observe.Story) error {
	fmt.Fprintf(out, "%s %s: %s\n", s.Service, s.Server, s.Line)
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	for _, c := range s.Checks {
		fmt.Fprintf(w, "\nCHECK %s of %s: %s, %d results", c.Type, cmp.Or(c.Target, "this host"), c.State, c.Results)
		if c.Ignored > 0 {
			fmt.Fprintf(w, ", of which %d did not count", c.Ignored)
		}
		fmt.Fprintln(w, "\nTIME\tTOOK\tRESULT\tDETAIL")
		for _, r := range c.Recent {
			late := ""
			if r.Late {
				late = " (we were late: does not count)"
			}
			fmt.Fprintf(w, "%s\t%v\t%s%s\t%s\n", r.Time.Local().Format("15:04:05.000"), r.Latency.Round(10*time.Microsecond), r.Result, late, r.Detail)
		}
		if err := w.Flush(); err != nil {
			return err
		}
		printLatencies(out, c.Latency)
	}
	fmt.Fprintln(out)
	return nil
}

// printLatencies draws a histogram, a line a bucket.
func printLatencies(out io.Writer, l observe.Latencies) {
	const width = 40
	most := uint64(1)
	for _, b := range l.Buckets {
		most = max(most, b.Count)
	}
	for _, b := range l.Buckets {
		bound := "above"
		if b.UpTo > 0 {
			bound = "≤ " + b.UpTo.String()
		}
		bar := strings.Repeat("#", int(max(1, b.Count*width/most)))
		fmt.Fprintf(out, "  %8s  %8d  %s\n", bound, b.Count, bar)
	}
}

// line is an event of the journal for people.
func line(e observe.Event) string {
	mark := " "
	if e.Warn {
		mark = "!"
	}
	return fmt.Sprintf("%s %s %-11s %-22s %s", e.Time.Local().Format("2006-01-02 15:04:05.000"), mark, e.Kind, e.Object, e.Message)
}

// about picks the events of one thing: an object, what belongs to it, or a kind.
func about(events []observe.Event, thing string) []observe.Event {
	picked := []observe.Event{} // not null in JSON
	for _, e := range events {
		if e.Object == thing || strings.HasPrefix(e.Object, thing+"/") || e.Kind == thing {
			picked = append(picked, e)
		}
	}
	return picked
}
