package rehearse

import (
	"encoding/xml"
	"slices"
	"strings"
	"testing"

	"github.com/lbha/lbha/integration/internal/script"
)

// What a place cannot play is left out with its reason, which every report of the others tells.
func TestDivide(t *testing.T) {
	var list []*script.Scenario
	for _, line := range []string{"status d1", "ipvs down", "pause d1 1s"} {
		list = append(list, parse(t, "length 4s\nat 1s "+line+"\nexpect holder is d1 at end"))
	}
	possible, skipped := Divide(Planned(false), list)
	if !slices.Equal(possible, []int{0, 2}) || len(skipped) != 1 {
		t.Fatalf("possible %v, skipped %v", possible, skipped)
	}
	want := "ipvs down: " + ErrShared.Error()
	if skipped[0].Reason != want {
		t.Errorf("skipped because %q, want %q", skipped[0].Reason, want)
	}
	r := &Report{Place: "lab", Results: []*Result{{Name: "good", OK: true}}, Skipped: skipped}
	if !r.OK() {
		t.Error("what is skipped has not failed")
	}
	var b strings.Builder
	if r.Print(&b); !strings.Contains(b.String(), "\nskipped: "+skipped[0].Name+": "+want+"\n") {
		t.Errorf("the table does not say what was skipped:\n%s", b.String())
	}
	text, err := r.JUnit()
	if err != nil {
		t.Fatal(err)
	}
	var suite junitSuite
	if err := xml.Unmarshal(text, &suite); err != nil {
		t.Fatal(err)
	}
	if suite.Tests != 2 || suite.Skipped != 1 || suite.Cases[1].Skipped == nil || suite.Cases[1].Skipped.Message != want {
		t.Errorf("%s", text)
	}
}
