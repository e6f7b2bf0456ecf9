package interop

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/lbha/lbha/integration/internal/suite"
)

// Finding is one demand on a cell.
type Finding struct {
	What     string `json:"what"`
	OK       bool   `json:"ok"`
	Measured string `json:"measured"`
}

// Result is the outcome of one cell.
type Result struct {
	Cell     Cell          `json:"cell"`
	Kill     time.Duration `json:"kill,omitempty"`      // last advert of the killed master to the first of its successor
	Resign   time.Duration `json:"resign,omitempty"`    // priority 0 to the first advert of the successor
	HandOver time.Duration `json:"hand_over,omitempty"` // longest time without any advert while lbha stops
	Deeds    []Deed        `json:"deeds"`
	Findings []Finding     `json:"findings"`
	Story    string        `json:"story"`          // who was master when
	Logs     []string      `json:"logs,omitempty"` // of a cell that failed
	Stall    time.Duration `json:"stall"`          // longest time in which the lab itself stood still
	Again    int           `json:"again"`          // how often it was played before, without a verdict
}

// OK reports whether everything was as it must be.
func (r *Result) OK() bool {
	for _, f := range r.Findings {
		if !f.OK {
			return false
		}
	}
	return len(r.Findings) > 0
}

// Report is the outcome of the matrix and of what is played with it.
type Report struct {
	suite.Where
	Cells []*Result `json:"cells"`
	// Pairs beside a forger: lbha, and keepalived for comparison.
	Trickles []*Trickle `json:"trickles,omitempty"`
	Busy     *Busy      `json:"busy,omitempty"`
}

// Count returns how many cells passed and failed; each pair of one daemon is one too.
func (r *Report) Count() (passed, failed int) {
	count := func(ok bool) {
		if ok {
			passed++
		} else {
			failed++
		}
	}
	for _, c := range r.Cells {
		count(c.OK())
	}
	for _, t := range r.Trickles {
		count(t.OK())
	}
	if r.Busy != nil {
		count(r.Busy.OK())
	}
	return passed, failed
}

// Outcomes sums up the cells, the pairs beside a forger, and the pair beside busy processors.
func (r *Report) Outcomes() map[string]bool {
	outcomes := make(map[string]bool)
	all := func(name string, ok bool) {
		met, known := outcomes[name]
		outcomes[name] = ok && (met || !known)
	}
	for _, c := range r.Cells {
		all("every cell", c.OK())
	}
	for _, t := range r.Trickles {
		all("a forger beside a pair", t.OK())
	}
	if r.Busy != nil {
		all("a pair at 10 ms beside busy processors", r.Busy.OK())
	}
	return outcomes
}

// OK reports whether everything passed, and anything was played.
func (r *Report) OK() bool {
	passed, failed := r.Count()
	return failed == 0 && passed > 0
}

// Print writes the matrix, then who was master when, then what failed.
func (r *Report) Print(out io.Writer) {
	fmt.Fprintf(out, "lbha beside other daemons, in ms; kernel %s (%s); priorities 200 and 100; v2 at 1 s, v3 at 100 ms\n\n", r.Kernel, r.World)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "cell (master > backup)\tkill (protocol)\tpriority 0 (protocol)\thand-over silence\tdemands\tverdict")
	for _, c := range r.Cells {
		router := c.Cell.timing(prioritySecond)
		passed := 0
		for _, f := range c.Findings {
			if f.OK {
				passed++
			}
		}
		fmt.Fprintf(w, "%s\t%s (%s)\t%s (%s)\t%s\t%d of %d\t%s\n", c.Cell, ms(c.Kill), ms(router.MasterDown()), ms(c.Resign), ms(router.Skew()),
			dash(c.HandOver), passed, len(c.Findings), suite.Verdict(c.OK()))
	}
	w.Flush()
	fmt.Fprintln(out, "\nwho was master when, in seconds, by what the switch heard:")
	for _, c := range r.Cells {
		fmt.Fprintf(out, "  %s: %s\n", c.Cell, c.Story)
	}
	for _, c := range r.Cells {
		if c.Again > 0 {
			fmt.Fprintf(out, "\n%s was played %d times: it failed while the lab stood still, or by a time alone, of which the median counts\n", c.Cell, c.Again+1)
		}
		if c.OK() {
			continue
		}
		fmt.Fprintf(out, "\n%s: %s (the lab stood still for %s ms at most)\n", c.Cell, suite.Verdict(false), ms(c.Stall))
		for _, f := range c.Findings {
			fmt.Fprintf(out, "  %-6s %s: %s\n", suite.Verdict(f.OK), f.What, f.Measured)
		}
		for _, log := range c.Logs {
			fmt.Fprintln(out, log)
		}
	}
	if len(r.Trickles) > 0 {
		fmt.Fprintln(out)
	}
	for _, t := range r.Trickles {
		t.Print(out)
	}
	if r.Busy != nil {
		fmt.Fprintln(out)
		r.Busy.Print(out)
	}
}

func dash(d time.Duration) string {
	if d == 0 {
		return "–"
	}
	return ms(d)
}

// ms renders a duration as a number of milliseconds.
func ms(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d)/float64(time.Millisecond)) }
