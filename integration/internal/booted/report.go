package booted

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/lbha/lbha/integration/internal/suite"
)

// Trial is one thing that was tried, and what was seen.
type Trial struct {
	Name string   `json:"name"`
	Seen []string `json:"seen"` // as it was demanded
	Not  []string `json:"not"`  // demanded, and not seen
	// Again is what came of earlier tries, each of which had to be repeated.
	Again []string `json:"again,omitempty"`
}

// OK reports whether all was as it must be.
func (t *Trial) OK() bool { return len(t.Not) == 0 && len(t.Seen) > 0 }

// Report is what became of all trials.
type Report struct {
	suite.Where
	Systemd string   `json:"systemd"`
	Boot    string   `json:"boot"` // how long it took
	Trials  []*Trial `json:"trials"`
}

// Count returns how many trials passed and failed.
func (r *Report) Count() (passed, failed int) {
	return suite.Count(r.Trials, (*Trial).OK)
}

// Outcomes says of each trial whether it passed.
func (r *Report) Outcomes() map[string]bool {
	return suite.Outcomes(r.Trials, func(t *Trial) (string, bool) { return t.Name, t.OK() })
}

// OK reports whether everything passed, and anything was tried.
func (r *Report) OK() bool {
	passed, failed := r.Count()
	return failed == 0 && passed > 0
}

// Print writes a line for each trial and what was seen below it.
func (r *Report) Print(out io.Writer) {
	fmt.Fprintf(out, "lbha under %s; kernel %s (%s); booted in %s\n\n", r.Systemd, r.Kernel, r.World, r.Boot)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, t := range r.Trials {
		fmt.Fprintf(w, "%s\t%s\n", t.Name, suite.Verdict(t.OK()))
		for _, s := range t.Again {
			fmt.Fprintf(w, "\t  tried before: %s\n", s)
		}
		for _, s := range t.Seen {
			fmt.Fprintf(w, "\t  %s\n", s)
		}
		for _, s := range t.Not {
			fmt.Fprintf(w, "\tNOT %s\n", s)
		}
	}
	w.Flush()
	passed, failed := r.Count()
	fmt.Fprintf(out, "\nsystemd: %d passed, %d failed\n", passed, failed)
}
