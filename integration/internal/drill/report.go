package drill

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/lbha/lbha/integration/internal/load"
	"github.com/lbha/lbha/integration/internal/suite"
)

// OK reports whether every scenario showed what it must, and there was one.
func (r *Report) OK() bool {
	passed, failed := r.Count()
	return failed == 0 && passed > 0
}

// Count returns how many scenarios passed and failed.
func (r *Report) Count() (passed, failed int) {
	return suite.Count(r.Results, func(result Result) bool { return result.OK })
}

// Outcomes says of each scenario whether it passed.
func (r *Report) Outcomes() map[string]bool {
	return suite.Outcomes(r.Results, func(result Result) (string, bool) { return result.Name, result.OK })
}

// judge applies the expectations and sums up.
func (r *Result) judge(expect, figures []Expectation, c *Case) {
	r.OK = r.Error == ""
	apply := func(list []Expectation, figure bool) {
		for _, e := range list {
			ok, measured := e.Judge(c)
			r.Findings = append(r.Findings, Finding{e.Name, ok, measured, figure})
			r.OK = r.OK && ok
		}
	}
	apply(expect, false)
	apply(figures, true)
	r.Masters = c.Run.Masters()
	for _, host := range directors {
		for _, change := range c.Run.Changes(host) {
			r.Table = append(r.Table, fmt.Sprintf("%s %s s: %s", host, c.Run.Clock(change.At), change.Rule))
		}
	}
}

// judgeRest adds how the pair came to rest after the scenario; an error: it did not.
func (r *Result) judgeRest(err error, took time.Duration) {
	f := Finding{Name: "d1 alone is master again, both tables whole, all requests answered", OK: err == nil, Measured: "after " + ms(took)}
	if err != nil {
		f.Measured = err.Error()
	}
	r.Findings = append(r.Findings, f)
	r.OK = r.OK && f.OK
}

// line is a scenario's outcome in a line, for progress.
func (r *Result) line() string {
	if r.Run == nil {
		return "FAILED: " + r.Error
	}
	return fmt.Sprintf("%s: lost %d requests and %d datagrams, longest gap %s (quiet %s); %s", suite.Verdict(r.OK),
		r.Run.TCP.Lost, r.Run.UDP.Lost, ms(r.Run.TCP.Gap.Long), ms(r.Quiet.TCP.Gap.Long), r.Masters)
}

// Print writes the table and then, for each scenario, what was demanded and what was measured.
func (r *Report) Print(out io.Writer) {
	fmt.Fprintf(out, "d1 %s, d2 %s, interval 1 s, priorities 150/100, direct routing; kernel %s (%s); %.0f s\n\n", r.Director, r.Peer, r.Kernel, r.World, r.Took.Seconds())
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "scenario\tverdict\tlost connections\trequests\tdatagrams\tgap tcp ms\t(quiet)\tgap udp ms\t(quiet)\tVIP held by, s\ttable")
	for _, result := range r.Results {
		if result.Run == nil {
			fmt.Fprintf(w, "%s\t%s\t\t\t\t\t\t\t\t%s\t\n", result.Name, suite.Verdict(result.OK), result.Error)
			continue
		}
		run, quiet := result.Run, result.Quiet
		fmt.Fprintf(w, "%s\t%s\t%d/%d\t%d\t%d/%d\t%s\t(%s)\t%s\t(%s)\t%s\t%s\n", result.Name, suite.Verdict(result.OK),
			run.TCP.Unconnected, run.TCP.Attempts, run.TCP.Lost-run.TCP.Unconnected, run.UDP.Lost, run.UDP.Attempts,
			bare(run.TCP), bare(quiet.TCP), bare(run.UDP), bare(quiet.UDP), result.Masters, result.changes())
	}
	w.Flush()
	for _, result := range r.Results {
		fmt.Fprintf(out, "\n%s: %s\n", result.Name, result.Title)
		if result.Error != "" {
			fmt.Fprintf(out, "  FAILED  %s\n", result.Error)
		}
		for _, why := range result.Again {
			fmt.Fprintf(out, "  note    played before: %s\n", why)
		}
		for _, f := range result.Findings {
			fmt.Fprintf(out, "  %-6s  %s: %s\n", suite.Verdict(f.OK), f.Name, f.Measured)
		}
		if result.Run != nil {
			fmt.Fprintf(out, "          adverts: %s\n", result.Run.Advertisers())
		}
		for _, change := range result.Table {
			fmt.Fprintf(out, "          %s\n", change)
		}
	}
	passed, failed := r.Count()
	fmt.Fprintf(out, "\ndrill: %d passed, %d failed\n", passed, failed)
}

// changes is the table's history in a few words.
func (r *Result) changes() string {
	if len(r.Table) == 0 {
		return "unchanged"
	}
	var came, went int
	for _, change := range r.Table {
		if strings.Contains(change, ": + ") {
			came++
		} else {
			went++
		}
	}
	return fmt.Sprintf("+%d −%d rules", came, went)
}

// bare is a client's longest gap in milliseconds.
func bare(s load.Summary) string {
	return fmt.Sprintf("%.1f", float64(s.Gap.Long)/float64(time.Millisecond))
}
