package lvs

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/lbha/lbha/integration/internal/suite"
)

// Finding is one demand and what was measured.
type Finding struct {
	Part     string `json:"part"`
	Name     string `json:"name"`
	OK       bool   `json:"ok"`
	Measured string `json:"measured"`
}

// Report is the outcome of a run.
type Report struct {
	suite.Where
	Took     time.Duration `json:"took"`
	Findings []Finding     `json:"findings"`
}

// OK reports whether every demand was met, and there was one.
func (r *Report) OK() bool {
	passed, failed := r.Count()
	return failed == 0 && passed > 0
}

// Count returns how many demands were met and not met.
func (r *Report) Count() (passed, failed int) {
	return suite.Count(r.Findings, func(f Finding) bool { return f.OK })
}

// Outcomes says of each part, by the first word of its title, whether all of its demands were met.
func (r *Report) Outcomes() map[string]bool {
	return suite.Outcomes(r.Findings, func(f Finding) (string, bool) {
		name, _, _ := strings.Cut(strings.Fields(f.Part)[0], ":")
		return name, f.OK
	})
}

// Print writes what was demanded and measured, part by part.
func (r *Report) Print(out io.Writer) {
	fmt.Fprintf(out, "forwarding: kernel %s (%s); %.0f s\n", r.Kernel, r.World, r.Took.Seconds())
	part := ""
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, f := range r.Findings {
		if f.Part != part {
			part = f.Part
			w.Flush() // columns are a part's own
			fmt.Fprintf(out, "\n%s\n", part)
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\n", suite.Verdict(f.OK), f.Name, f.Measured)
	}
	w.Flush()
	passed, failed := r.Count()
	fmt.Fprintf(out, "\nforwarding: %d passed, %d failed\n", passed, failed)
}
