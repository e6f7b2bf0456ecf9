package healthcheck

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// script drives a tracker with one letter a result, a second apart: + success,
// - failure, l local, x canceled, t timeout, T timeout while we were late. It
// returns the state after each, on a line: letter, verdict, since, row, ignored.
func script(t *Tracker, letters string) string {
	var out strings.Builder
	for i, letter := range letters {
		r := map[rune]Result{
			'+': Passed("fine"),
			'-': Failed(FailureRefused, "nobody there"),
			'l': Failed(FailureLocal, "no descriptors"),
			'x': Failed(FailureCanceled, "given up"),
			't': Failed(FailureTimeout, "silent"),
			'T': {Failure: FailureTimeout, Late: true},
		}[letter]
		r.At = noon.Add(time.Duration(i+1) * time.Second)
		mark := ""
		if t.Observe(r) {
			mark = " *"
		}
		s := t.State()
		fmt.Fprintf(&out, "%c %s since +%v: %s; row +%d -%d, ignored %d%s\n", letter, s.Verdict,
			s.Since.Sub(noon), s.Reason, s.Successes, s.Failures, s.Ignored, mark)
	}
	return out.String()
}

func TestTracker(t *testing.T) {
	for _, test := range []struct {
		name    string
		make    func() *Tracker
		letters string
		want    string
	}{
		{"rise and fall", func() *Tracker { return NewTracker(Policy{Rise: 2, Fall: 3}, noon) }, "+++--+---++", `
+ unknown since +0s: initial; row +1 -0, ignored 0
+ up since +2s: passed; row +2 -0, ignored 0 *
+ up since +2s: passed; row +3 -0, ignored 0
- up since +2s: passed; row +0 -1, ignored 0
- up since +2s: passed; row +0 -2, ignored 0
+ up since +2s: passed; row +1 -0, ignored 0
- up since +2s: passed; row +0 -1, ignored 0
- up since +2s: passed; row +0 -2, ignored 0
- down since +9s: failed; row +0 -3, ignored 0 *
+ down since +9s: failed; row +1 -0, ignored 0
+ up since +11s: passed; row +2 -0, ignored 0 *
`},
		{"the first failure of an unknown server decides", func() *Tracker { return NewTracker(Policy{Rise: 1, Fall: 3}, noon) }, "l-+", `
l unknown since +0s: initial; row +0 -0, ignored 1
- down since +2s: failed; row +0 -1, ignored 1 *
+ up since +3s: passed; row +1 -0, ignored 1 *
`},
		{"failures that are ours neither count nor break a row", func() *Tracker {
			return NewTracker(Policy{Rise: 2, Fall: 3, Initial: Up}, noon)
		}, "-l-Tx-", `
- up since +0s: initial; row +0 -1, ignored 0
l up since +0s: initial; row +0 -1, ignored 1
- up since +0s: initial; row +0 -2, ignored 1
T up since +0s: initial; row +0 -2, ignored 2
x up since +0s: initial; row +0 -2, ignored 3
- down since +6s: failed; row +0 -3, ignored 3 *
`},
		{"a flapping server changes nothing", func() *Tracker {
			return NewTracker(Policy{Rise: 2, Fall: 2, Initial: Up}, noon)
		}, "-+-+t+", `
- up since +0s: initial; row +0 -1, ignored 0
+ up since +0s: initial; row +1 -0, ignored 0
- up since +0s: initial; row +0 -1, ignored 0
+ up since +0s: initial; row +1 -0, ignored 0
t up since +0s: initial; row +0 -1, ignored 0
+ up since +0s: initial; row +1 -0, ignored 0
`},
		{"adopted: up until it fails", func() *Tracker {
			tr := NewTracker(Policy{Rise: 2, Fall: 2}, noon)
			tr.Adopt(noon)
			return tr
		}, "-+--", `
- up since +0s: adopted; row +0 -1, ignored 0
+ up since +0s: adopted; row +1 -0, ignored 0
- up since +0s: adopted; row +0 -1, ignored 0
- down since +4s: failed; row +0 -2, ignored 0 *
`},
		{"restored down: down until it has risen", func() *Tracker {
			tr := NewTracker(Policy{Rise: 2, Fall: 2, Initial: Up}, noon)
			tr.Restore(Saved{Verdict: Down, Since: noon.Add(-time.Minute)})
			return tr
		}, "-++", `
- down since +-1m0s: restored; row +0 -1, ignored 0
+ down since +-1m0s: restored; row +1 -0, ignored 0
+ up since +3s: passed; row +2 -0, ignored 0 *
`},
		{"restored unknown: nothing", func() *Tracker {
			tr := NewTracker(Policy{Rise: 1, Fall: 1, Initial: Up}, noon)
			tr.Restore(Saved{})
			return tr
		}, "+", `
+ up since +0s: initial; row +1 -0, ignored 0
`},
		{"another policy is measured from the next result on", func() *Tracker {
			tr := NewTracker(Policy{Rise: 1, Fall: 9, Initial: Up}, noon)
			script(tr, "---")
			tr.SetPolicy(Policy{Rise: 1, Fall: 4})
			return tr
		}, "-", `
- down since +1s: failed; row +0 -4, ignored 0 *
`},
		{"another probe starts a new row", func() *Tracker {
			tr := NewTracker(Policy{Rise: 1, Fall: 2, Initial: Up}, noon)
			script(tr, "-")
			tr.BreakRow()
			return tr
		}, "--", `
- up since +0s: initial; row +0 -1, ignored 0
- down since +2s: failed; row +0 -2, ignored 0 *
`},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want[1:], script(test.make(), test.letters)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestTrackerInvariants: up means that the last Rise results that count were
// successes or that fewer than Fall in a row failed since; a server leaves only
// after Fall real failures in a row.
func TestTrackerInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Policy{Rise: rapid.IntRange(1, 5).Draw(t, "rise"), Fall: rapid.IntRange(1, 5).Draw(t, "fall")}
		p.Initial = rapid.SampledFrom([]Verdict{Up, Down}).Draw(t, "initial")
		tr := NewTracker(p, noon)
		was := tr.State().Verdict
		counts := "" // the results that count
		for _, letter := range rapid.SliceOfN(rapid.RuneFrom([]rune("+-lxT")), 1, 60).Draw(t, "results") {
			script(tr, string(letter))
			if letter == '+' || letter == '-' {
				counts += string(letter)
			}
			now := tr.State().Verdict
			fell := strings.HasSuffix(counts, strings.Repeat("-", p.Fall))
			rose := strings.HasSuffix(counts, strings.Repeat("+", p.Rise))
			switch {
			case was == Up && (now == Down) != fell:
				t.Fatalf("up, then %q: %v", counts, now)
			case was != Up && (now == Up) != rose:
				t.Fatalf("%v, then %q: %v", was, counts, now)
			case now == Unknown && strings.Contains(counts, "-"):
				t.Fatalf("still unknown after %q", counts)
			}
			was = now
		}
	})
}

// TestSavedSurvivesJSON: what a restart restores is what was saved.
func TestSavedSurvivesJSON(t *testing.T) {
	tr := NewTracker(Policy{Rise: 1, Fall: 1}, noon)
	script(tr, "+-")
	state := tr.State()
	text, err := json.Marshal(state.Saved())
	if err != nil {
		t.Fatal(err)
	}
	want := `{"verdict":"down","since":"2026-01-01T12:00:02Z","cause":{"failure":"refused","detail":"nobody there","at":"2026-01-01T12:00:02Z","latency":0},"before":{"detail":"fine","at":"2026-01-01T12:00:01Z","latency":0}}`
	if string(text) != want {
		t.Errorf("saved %s\nwant  %s", text, want)
	}
	var saved Saved
	if err := json.Unmarshal(text, &saved); err != nil {
		t.Fatal(err)
	}
	again := NewTracker(Policy{Rise: 1, Fall: 1}, noon.Add(time.Hour))
	again.Restore(saved)
	got := again.State()
	if diff := cmp.Diff(state.Saved(), got.Saved(), cmpopts.EquateComparable(Weight{})); diff != "" || got.Reason != ReasonRestored {
		t.Errorf("reason %s (-want +got)\n%s", got.Reason, diff)
	}
}

func TestRecentAreTheLastFiveOldestFirst(t *testing.T) {
	tr := NewTracker(Policy{Rise: 1, Fall: 1}, noon)
	for _, want := range []string{"", "+", "+-", "+-l", "+-l+", "+-l+-", "-l+--", "l+--+"} {
		var got strings.Builder
		s := tr.State()
		for _, r := range s.Recent() {
			got.WriteString(map[Failure]string{"": "+", FailureRefused: "-", FailureLocal: "l"}[r.Failure])
		}
		if got.String() != want {
			t.Errorf("recent %q, want %q", got.String(), want)
		}
		if n := s.Results; n < 7 {
			script(tr, "+-l+--+"[n:n+1])
		}
	}
}

func TestNeed(t *testing.T) {
	for _, test := range []struct {
		need   Need
		checks string // u up, d down, ? unknown
		want   Verdict
	}{
		{All, "", Up}, {Any, "", Up},
		{All, "uu", Up}, {All, "ud", Down}, {All, "u?", Unknown}, {All, "?d", Down}, {All, "??", Unknown},
		{Any, "uu", Up}, {Any, "ud", Up}, {Any, "u?", Up}, {Any, "?d", Unknown}, {Any, "dd", Down},
		{2, "uud", Up}, {2, "u?d", Unknown}, {2, "udd", Down}, {2, "??d", Unknown}, {2, "?dd", Down},
		{9, "uu", Up}, {9, "ud", Down},
	} {
		var checks []Verdict
		for _, letter := range test.checks {
			checks = append(checks, map[rune]Verdict{'u': Up, 'd': Down, '?': Unknown}[letter])
		}
		if got := test.need.Verdict(checks...); got != test.want {
			t.Errorf("%v of %q is %v, want %v", test.need, test.checks, got, test.want)
		}
	}
	for text, want := range map[string]Need{"all": All, "any": Any, "1": Any, "3": 3} {
		var n Need
		if err := n.UnmarshalText([]byte(text)); err != nil || n != want {
			t.Errorf("%q is %v, %v", text, n, err)
		}
	}
	for _, text := range []string{"", "0", "-1", "some", "1.5"} {
		if n := new(Need); n.UnmarshalText([]byte(text)) == nil {
			t.Errorf("%q was taken as %v", text, *n)
		}
	}
}

func TestGrace(t *testing.T) {
	p := Policy{Rise: 1, Fall: 2, Initial: Up, Grace: 4 * time.Second}
	want := `
- up since +0s: initial; row +0 -0, ignored 1
- up since +0s: initial; row +0 -0, ignored 2
+ up since +0s: initial; row +1 -0, ignored 2
- up since +0s: initial; row +0 -1, ignored 2
- down since +5s: failed; row +0 -2, ignored 2 *
`
	if diff := cmp.Diff(want[1:], script(NewTracker(p, noon), "--+--")); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	p.Initial = Down
	want = `
- unknown since +0s: initial; row +0 -0, ignored 1
+ up since +2s: passed; row +1 -0, ignored 1 *
`
	if diff := cmp.Diff(want[1:], script(NewTracker(p, noon), "-+")); diff != "" {
		t.Errorf("a server that is not in use (-want +got)\n%s", diff)
	}
}

// TestDamping: the third fall in ten seconds keeps the server out until it has been
// well for four seconds; falls that lie further apart do not.
func TestDamping(t *testing.T) {
	p := Policy{Rise: 1, Fall: 1, Initial: Up, Damping: Damping{Falls: 3, Window: 10 * time.Second, Hold: 4 * time.Second}}
	verdicts := func(letters string) string {
		tr, out := NewTracker(p, noon), ""
		for line := range strings.Lines(script(tr, letters)) {
			out += map[string]string{"up": "u", "down": "d"}[strings.Fields(line)[1]]
		}
		return out
	}
	for _, test := range []struct{ letters, want string }{
		{"-+-+-+++++++", "dududddddu" + "uu"},
		{"-+-+-+++-+++++", "dududdddddddd" + "u"},                         // a failure breaks the hold
		{"-+++++-+++++-+", "duuuuuduuuuudu"},                              // the window is over
		{"-+-+-+++++-+++++", "dudud" + "dddd" + "u" + "d" + "dddd" + "u"}, // soon again: held again
	} {
		if got := verdicts(test.letters); got != test.want {
			t.Errorf("%s\ngot  %s\nwant %s", test.letters, got, test.want)
		}
	}
	tr := NewTracker(p, noon)
	script(tr, "-+-+-+")
	if s := tr.State(); !s.Flapping || !tr.Settled() || !s.Well.Equal(noon.Add(6*time.Second)) {
		t.Errorf("flapping %v, settled %v, well since %v", s.Flapping, tr.Settled(), s.Well.Sub(noon))
	}
	tr.SetPolicy(Policy{Rise: 1, Fall: 1})
	if script(tr, "+"); tr.State().Verdict != Up {
		t.Error("a policy without damping does not release the server")
	}
}

// TestWeightOfAServer: the last success says it, and a change of it is told while the
// server is up.
func TestWeightOfAServer(t *testing.T) {
	tr := NewTracker(Policy{Rise: 2, Fall: 2}, noon)
	for i, step := range []struct {
		r       Result
		changed bool
		want    string
	}{
		{Result{Weight: Percent(50)}, false, "50%"}, // not up yet
		{Result{Weight: Percent(50)}, true, "50%"},
		{Result{Weight: Percent(50)}, false, "50%"},
		{Result{Weight: Percent(20)}, true, "20%"},
		{Failed(FailureTimeout, "silent"), false, "20%"},
		{Result{}, true, ""},
	} {
		step.r.At = noon.Add(time.Duration(i) * time.Second)
		changed := tr.Observe(step.r)
		if got := tr.State().Weight.String(); changed != step.changed || got != step.want {
			t.Errorf("step %d: changed %v, weight %q; want %v, %q", i, changed, got, step.changed, step.want)
		}
	}
}

// TestBefore: how it was until the verdict changed.
func TestBefore(t *testing.T) {
	tr := NewTracker(Policy{Rise: 2, Fall: 3}, noon)
	at := func() string {
		s := tr.State()
		return fmt.Sprintf("%v, before %v at %v", s.Verdict, s.Before, s.Before.At.Sub(noon))
	}
	script(tr, "++")
	if s := tr.State(); s.Before != (Result{}) {
		t.Errorf("there was nothing before the first verdict: %v", s.Before)
	}
	script(tr, "+++---")
	if got, want := at(), "down, before ok: fine at 3s"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	script(tr, "+-++")
	if got, want := at(), "up, before refused: nobody there at 2s"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
