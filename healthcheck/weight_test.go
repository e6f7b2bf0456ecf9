package healthcheck

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestWeight: what each weight makes of configured ones, and that it survives JSON.
func TestWeight(t *testing.T) {
	var got strings.Builder
	for _, w := range []Weight{{}, Weigh(0), Weigh(12), Weigh(1 << 20), Weigh(-1), Percent(0), Percent(1), Percent(75), Percent(250)} {
		fmt.Fprintf(&got, "%q: %d %d %d\n", w, w.Of(0), w.Of(4), w.Of(60000))
		r := Result{Weight: w}
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		var back Result
		if err := json.Unmarshal(text, &back); err != nil || back.Weight != w {
			t.Errorf("%s: %q, %v", text, back.Weight, err)
		}
	}
	want := `"": 0 4 60000
"0": 0 0 0
"12": 12 12 12
"65535": 65535 65535 65535
"0": 0 0 0
"0%": 0 0 0
"1%": 0 1 600
"75%": 0 3 45000
"250%": 0 10 65535
`
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for _, text := range []string{"x", "-1", "70000", "%", "1%%"} {
		if err := new(Weight).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken for a weight", text)
		}
	}
}

// TestWeightRestored: what a server said of its weight survives a restart, and the same
// said again is no change.
func TestWeightRestored(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	drains := Result{At: now, Weight: Weigh(0)}
	before := NewTracker(Policy{Rise: 1, Fall: 1}, now)
	before.Observe(drains)
	state := before.State()
	text, err := json.Marshal(state.Saved())
	if err != nil {
		t.Fatal(err)
	}
	var saved Saved
	if err := json.Unmarshal(text, &saved); err != nil {
		t.Fatal(err)
	}
	after := NewTracker(Policy{Rise: 1, Fall: 1}, now)
	after.Restore(saved)
	if s := after.State(); s.Verdict != Up || s.Weight != Weigh(0) {
		t.Errorf("restored as %v, weight %q, from %s", s.Verdict, s.Weight, text)
	}
	if after.Observe(drains) {
		t.Error("the same again is a change")
	}
	if !after.Observe(Result{At: now}) || after.State().Weight != (Weight{}) {
		t.Errorf("no weight said: %q", after.State().Weight)
	}
}
