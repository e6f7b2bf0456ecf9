package bench

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/lbha/lbha/integration/internal/checkbench"
	"github.com/lbha/lbha/integration/internal/interop"
	"github.com/lbha/lbha/integration/internal/suite"
)

// Section is some series that belong together, measured in one world.
type Section struct {
	suite.Where
	Name   string             `json:"name"`
	About  string             `json:"about"`
	Series []Series           `json:"series,omitempty"`
	Busy   []*interop.Busy    `json:"busy,omitempty"`
	Checks *checkbench.Report `json:"checks,omitempty"`
}

// OK reports whether everything is as wanted.
func (s *Section) OK() bool {
	for i := range s.Series {
		if !s.Series[i].OK() {
			return false
		}
	}
	for _, b := range s.Busy {
		if !b.OK() {
			return false
		}
	}
	if s.Checks != nil {
		return s.Checks.OK()
	}
	return len(s.Series)+len(s.Busy) > 0
}

// Report is what a bench found.
type Report struct {
	Sections []Section `json:"sections"`
}

// PlayedIn notes where the sections were measured.
func (r *Report) PlayedIn(world, kernel string) {
	for i := range r.Sections {
		r.Sections[i].PlayedIn(world, kernel)
	}
}

// OK reports whether every section is as wanted.
func (r *Report) OK() bool {
	for i := range r.Sections {
		if !r.Sections[i].OK() {
			return false
		}
	}
	return len(r.Sections) > 0
}

// Print writes a table for each section.
func (r *Report) Print(out io.Writer) {
	for i := range r.Sections {
		s := &r.Sections[i]
		if i > 0 {
			fmt.Fprintln(out)
		}
		fmt.Fprintf(out, "%s: %s; kernel %s (%s)\n", s.Name, s.About, s.Kernel, s.World)
		if len(s.Series) > 0 {
			w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "  what\tunit\truns\tlbha median (min–max)\tkeepalived median (min–max)\tratio\twant")
			for j := range s.Series {
				row := &s.Series[j]
				fmt.Fprintf(w, "  %s\t%s\t%d\t%v\t%v\t%.3f\t%s\n", row.What, row.Unit, len(row.LBHA), figure(row.LBHA), figure(row.Keepalived), row.Ratio(), row.verdict())
			}
			w.Flush()
		}
		for _, b := range s.Busy {
			fmt.Fprint(out, "  ")
			b.Print(out)
		}
		if s.Checks != nil {
			s.Checks.Print(out)
		}
	}
}
