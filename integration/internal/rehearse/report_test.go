package rehearse

import (
	"encoding/xml"
	"strings"
	"testing"
	"time"

	"github.com/lbha/lbha/integration/internal/load"
	"github.com/lbha/lbha/integration/internal/script"
	"github.com/lbha/lbha/integration/internal/stage"
)

func someResults() *Report {
	return &Report{Place: "lab", Took: 3 * time.Second, Results: []*Result{
		{Name: "good", Title: "all is well", OK: true, Took: time.Second, Run: &stage.Evidence{TCP: load.Summary{Attempts: 10}},
			Findings: []script.Finding{{Demand: "holder is d1 at end", Position: "good.scenario:4:8", OK: true, Measured: "held by d1"}}},
		{Name: "bad", Title: "a < b", Run: &stage.Evidence{},
			Findings: []script.Finding{{Demand: "two holders < 50ms", Position: "bad.scenario:5:8", Measured: "3 & more"}}},
		{Name: "unplayed", Error: "no pair\nat all"},
		{Name: "broken-off", Error: "interrupted", Run: &stage.Evidence{Notes: []string{"taken back at the end"}}},
	}}
}

func TestJUnit(t *testing.T) {
	text, err := someResults().JUnit()
	if err != nil {
		t.Fatal(err)
	}
	var suite junitSuite
	if err := xml.Unmarshal(text, &suite); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if suite.Tests != 4 || suite.Failures != 1 || suite.Errors != 2 || len(suite.Cases) != 4 {
		t.Fatalf("%s", text)
	}
	if c := suite.Cases[0]; c.Failure != nil || c.Error != nil || c.Name != "good" || c.Time != "1.000" {
		t.Errorf("%+v", c)
	}
	if c := suite.Cases[1]; c.Failure == nil || !strings.Contains(c.Failure.Text, "bad.scenario:5:8: FAILED: two holders < 50ms: 3 & more") {
		t.Errorf("%+v", c)
	}
	if c := suite.Cases[2]; c.Error == nil || c.Error.Message != "no pair" {
		t.Errorf("%+v", c)
	}
	if c := suite.Cases[3]; c.Error == nil || c.Out != "note: taken back at the end" {
		t.Errorf("%+v", c)
	}
}

func TestPrint(t *testing.T) {
	var b strings.Builder
	someResults().Print(&b)
	for _, want := range []string{"good        ok ", "FAILED  two holders < 50ms: 3 & more", "FAILED  at all", "note    taken back at the end", "bad         FAILED   -  ", "scenarios: 1 passed, 3 failed\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

// A soak that failed says how to have the failure again, and a process that keeps descriptors is one.
func TestSoakReport(t *testing.T) {
	r := &SoakReport{Rounds: []*Round{{Seed: 1, OK: true}, {Seed: 2, Scenario: "title seed 2\n"}},
		Slopes: []Slope{{Process: "d1 elector", FilesGrew: mostNewFiles}, {Process: "d1 director", FilesGrew: mostNewFiles + 1}}}
	var b strings.Builder
	r.Print(&b)
	for _, want := range []string{"soak --seed 2 --rounds 1", "title seed 2", "FAILED: 9 descriptors more", "soak: 1 passed, 2 failed\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	if r.OK() || strings.Contains(b.String(), "--seed 1 ") {
		t.Error(b.String())
	}
}
