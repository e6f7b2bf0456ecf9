package rehearse

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/lbha/lbha/integration/internal/load"
	"github.com/lbha/lbha/integration/internal/suite"
)

// Report is the outcome of some scenarios.
type Report struct {
	suite.Where
	Place   string        `json:"place"`
	Took    time.Duration `json:"took"`
	Results []*Result     `json:"results"`
	Skipped []Skip        `json:"skipped,omitempty"`
}

// Count returns how many scenarios passed and failed.
func (r *Report) Count() (passed, failed int) {
	return suite.Count(r.Results, func(result *Result) bool { return result.OK })
}

// OK reports whether every scenario showed what it must, and there was one.
func (r *Report) OK() bool {
	passed, failed := r.Count()
	return failed == 0 && passed > 0
}

// Outcomes says of each scenario whether it passed.
func (r *Report) Outcomes() map[string]bool {
	return suite.Outcomes(r.Results, func(result *Result) (string, bool) { return result.Name, result.OK })
}

// Print writes a table, and then what was demanded of each scenario and what was measured.
func (r *Report) Print(out io.Writer) {
	fmt.Fprintf(out, "scenarios in %s; kernel %s (%s); %.0f s\n\n", r.Place, r.Kernel, r.World, r.Took.Seconds())
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "scenario\tverdict\trequests lost\tdatagrams lost\tlongest gap ms\tVIP held by, s")
	for _, result := range r.Results {
		run := result.Run
		if run == nil || result.Error != "" {
			fmt.Fprintf(w, "%s\t%s\t\t\t\t%s\n", result.Name, suite.Verdict(result.OK), firstLine(result.Error))
			continue
		}
		gap := "-" // nobody asked, which is not the same as an answer each time
		if run.TCP.Attempts > 0 {
			gap = fmt.Sprintf("%.1f", float64(run.TCP.Gap.Long)/float64(time.Millisecond))
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", result.Name, suite.Verdict(result.OK), lost(run.TCP), lost(run.UDP), gap, result.Masters)
	}
	w.Flush()
	for _, result := range r.Results {
		fmt.Fprintf(out, "\n%s: %s\n", result.Name, result.Title)
		for line := range strings.Lines(result.Error) {
			fmt.Fprintf(out, "  FAILED  %s\n", strings.TrimSpace(line))
		}
		for _, note := range result.notes() {
			fmt.Fprintf(out, "  note    %s\n", note)
		}
		for _, f := range result.Findings {
			fmt.Fprintf(out, "  %-6s  %s: %s\n", suite.Verdict(f.OK), f.Demand, f.Measured)
		}
	}
	passed, failed := r.Count()
	fmt.Fprintf(out, "\nscenarios: %d passed, %d failed\n", passed, failed)
	for _, s := range r.Skipped {
		fmt.Fprintf(out, "skipped: %s: %s\n", s.Name, s.Reason)
	}
}

// lost is how many of a client's requests were not answered.
func lost(s load.Summary) string {
	if s.Attempts == 0 {
		return "-"
	}
	return fmt.Sprintf("%d/%d", s.Lost, s.Attempts)
}

// notes tell of plays before this one, and what was noted of this one.
func (r *Result) notes() (notes []string) {
	for _, why := range r.Again {
		notes = append(notes, "played before: "+why)
	}
	if r.Run != nil {
		notes = append(notes, r.Run.Notes...)
	}
	return notes
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}

// The elements of a JUnit report that build servers read.
type (
	junitSuite struct {
		XMLName  xml.Name    `xml:"testsuite"`
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Time     string      `xml:"time,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		Time    string        `xml:"time,attr"`
		Failure *junitProblem `xml:"failure"`
		Error   *junitProblem `xml:"error"`
		Skipped *junitProblem `xml:"skipped"`
		Out     string        `xml:"system-out,omitempty"`
	}
	junitProblem struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// JUnit renders the report as a suite of JUnit: a failure is a demand that was not met, an error a scenario that could not be played.
func (r *Report) JUnit() ([]byte, error) {
	list := junitSuite{Name: "lbha scenarios in " + r.Place, Tests: len(r.Results), Time: seconds(r.Took)}
	for _, result := range r.Results {
		c := junitCase{Class: "scenarios." + r.Place, Name: result.Name, Time: seconds(result.Took)}
		var failed, all []string
		for _, f := range result.Findings {
			line := fmt.Sprintf("%s: %s: %s: %s", f.Position, suite.Verdict(f.OK), f.Demand, f.Measured)
			all = append(all, line)
			if !f.OK {
				failed = append(failed, line)
			}
		}
		for _, note := range result.notes() {
			all = append(all, "note: "+note)
		}
		switch {
		case result.Error != "":
			list.Errors++
			c.Error = &junitProblem{firstLine(result.Error), result.Error}
		case !result.OK:
			list.Failures++
			c.Failure = &junitProblem{fmt.Sprintf("%d demands not met", len(failed)), strings.Join(failed, "\n")}
		}
		c.Out = strings.Join(all, "\n")
		list.Cases = append(list.Cases, c)
	}
	for _, s := range r.Skipped {
		list.Tests++
		list.Skipped++
		list.Cases = append(list.Cases, junitCase{Class: "scenarios." + r.Place, Name: s.Name, Time: seconds(0), Skipped: &junitProblem{Message: s.Reason}})
	}
	text, err := xml.MarshalIndent(list, "", "  ")
	if err != nil {
		return nil, err
	}
	return append([]byte(xml.Header), append(text, '\n')...), nil
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }

// Line is a scenario's outcome in a line.
func (r *Result) Line() string {
	if r.Run == nil || r.Error != "" {
		return "FAILED: " + firstLine(r.Error)
	}
	line := suite.Verdict(r.OK) + ": " + r.Masters
	if r.Run.TCP.Attempts > 0 {
		line = fmt.Sprintf("%s: lost %d requests and %d datagrams; %s", suite.Verdict(r.OK), r.Run.TCP.Lost, r.Run.UDP.Lost, r.Masters)
	}
	for _, f := range r.Findings {
		if !f.OK {
			line += "; not met: " + f.Demand + ": " + f.Measured
		}
	}
	return line
}
