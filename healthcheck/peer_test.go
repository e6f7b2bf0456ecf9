package healthcheck

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// hear drives a tracker with words, a second apart: + and - are results of our own, ? a second without one, and
//
//	up@AGE, down@AGE    the verdict of lb1, on a result of so long ago; up=50@AGE: with a weight
//
// Own results of the last second are current. It returns the state after each word.
func hear(t *testing.T, tr *Tracker, words string) string {
	t.Helper()
	var out strings.Builder
	for i, word := range strings.Fields(words) {
		now := noon.Add(time.Duration(i+1) * time.Second)
		changed := false
		switch word {
		case "+", "-":
			r := Passed("fine")
			if word == "-" {
				r = Failed(FailureRefused, "nobody there")
			}
			r.At = now
			changed = tr.Observe(r)
		case "?":
		default:
			what, ago, ok := strings.Cut(word, "@")
			age, err := time.ParseDuration(ago)
			if !ok || err != nil {
				t.Fatalf("no such word: %s", word)
			}
			v := PeerVerdict{By: "lb1", Verdict: Up, Probed: now.Add(-age), Since: now.Add(-time.Minute)}
			verdict, weight, _ := strings.Cut(what, "=")
			if err := v.Weight.UnmarshalText([]byte(weight)); err != nil {
				t.Fatal(err)
			}
			if verdict == "down" {
				v.Verdict, v.Failure, v.Detail = Down, FailureStatus, "http 503"
			}
			changed = tr.TakeOver(v, time.Second, now)
		}
		s := tr.State()
		fmt.Fprintf(&out, "%-12s %s, %s; row +%d -%d", word, s.Verdict, s.Reason, s.Successes, s.Failures)
		if s.Reason == ReasonPeer {
			fmt.Fprintf(&out, "; %v, since %v", s.Cause, s.Since.Sub(noon))
		}
		if !s.Weight.IsZero() {
			fmt.Fprintf(&out, "; weight %v", s.Weight)
		}
		if s.Flapping {
			fmt.Fprint(&out, "; flapping")
		}
		if s.Witnessed() {
			fmt.Fprint(&out, "; witnessed")
		}
		if changed {
			fmt.Fprint(&out, " *")
		}
		fmt.Fprintln(&out)
	}
	return out.String()
}

func TestTakeOver(t *testing.T) {
	twoThree := Policy{Rise: 2, Fall: 3}
	for _, test := range []struct {
		name   string
		policy Policy
		words  string
		want   string
	}{
		{"what is fresher than ours is ours, and our probes go on from it", twoThree, "+ + ? ? down@300ms - + + ", `
+            unknown, initial; row +1 -0
+            up, passed; row +2 -0; witnessed *
?            up, passed; row +2 -0; witnessed
?            up, passed; row +2 -0; witnessed
down@300ms   down, peer; row +0 -0; status: as lb1 saw it 300ms ago: http 503, since -55s *
-            down, peer; row +0 -1; status: as lb1 saw it 300ms ago: http 503, since -55s; witnessed
+            down, peer; row +1 -0; status: as lb1 saw it 300ms ago: http 503, since -55s; witnessed
+            up, passed; row +2 -0; witnessed *
`},
		{"a server comes in on another's word, and goes by our own", twoThree, "- ? ? up@1s - - -", `
-            down, failed; row +0 -1; witnessed *
?            down, failed; row +0 -1; witnessed
?            down, failed; row +0 -1; witnessed
up@1s        up, peer; row +0 -0; ok: as lb1 saw it 1s ago, since -56s *
-            up, peer; row +0 -1; ok: as lb1 saw it 1s ago, since -56s; witnessed
-            up, peer; row +0 -2; ok: as lb1 saw it 1s ago, since -56s; witnessed
-            down, failed; row +0 -3; witnessed *
`},
		{"what is older than ours is not", twoThree, "+ + ? ? down@3s down@5s", `
+            unknown, initial; row +1 -0
+            up, passed; row +2 -0; witnessed *
?            up, passed; row +2 -0; witnessed
?            up, passed; row +2 -0; witnessed
down@3s      up, passed; row +2 -0; witnessed
down@5s      up, passed; row +2 -0; witnessed
`},
		{"nor is anything while ours is current", twoThree, "+ + down@100ms ? down@100ms", `
+            unknown, initial; row +1 -0
+            up, passed; row +2 -0; witnessed *
down@100ms   up, passed; row +2 -0; witnessed
?            up, passed; row +2 -0; witnessed
down@100ms   down, peer; row +0 -0; status: as lb1 saw it 100ms ago: http 503, since -55s *
`},
		{"who knows nothing believes it", twoThree, "down@1h + +", `
down@1h      down, peer; row +0 -0; status: as lb1 saw it 1h0m0s ago: http 503, since -59s *
+            down, peer; row +1 -0; status: as lb1 saw it 1h0m0s ago: http 503, since -59s; witnessed
+            up, passed; row +2 -0; witnessed *
`},
		{"of two, the fresher stays", twoThree, "down@300ms up@2s up@200ms", `
down@300ms   down, peer; row +0 -0; status: as lb1 saw it 300ms ago: http 503, since -59s *
up@2s        down, peer; row +0 -0; status: as lb1 saw it 300ms ago: http 503, since -59s
up@200ms     up, peer; row +0 -0; ok: as lb1 saw it 200ms ago, since -57s *
`},
		{"one that says the same changes nothing", twoThree, "+ + ? ? up@100ms - ? up@100ms", `
+            unknown, initial; row +1 -0
+            up, passed; row +2 -0; witnessed *
?            up, passed; row +2 -0; witnessed
?            up, passed; row +2 -0; witnessed
up@100ms     up, passed; row +2 -0; witnessed
-            up, passed; row +0 -1; witnessed
?            up, passed; row +0 -1; witnessed
up@100ms     up, passed; row +0 -1; witnessed
`},
		{"unless the server said another weight of itself", twoThree, "+ + ? ? up=0@100ms +", `
+            unknown, initial; row +1 -0
+            up, passed; row +2 -0; witnessed *
?            up, passed; row +2 -0; witnessed
?            up, passed; row +2 -0; witnessed
up=0@100ms   up, passed; row +0 -0; weight 0; witnessed *
+            up, passed; row +1 -0; witnessed *
`},
		{"it is no fall that damping counts", Policy{Rise: 1, Fall: 1, Damping: Damping{Falls: 2, Window: time.Hour, Hold: time.Hour}}, "+ - + ? ? down@1s + ? ? down@1s + -", `
+            up, passed; row +1 -0; witnessed *
-            down, failed; row +0 -1; witnessed *
+            up, passed; row +1 -0; witnessed *
?            up, passed; row +1 -0; witnessed
?            up, passed; row +1 -0; witnessed
down@1s      down, peer; row +0 -0; status: as lb1 saw it 1s ago: http 503, since -54s *
+            up, passed; row +1 -0; witnessed *
?            up, passed; row +1 -0; witnessed
?            up, passed; row +1 -0; witnessed
down@1s      down, peer; row +0 -0; status: as lb1 saw it 1s ago: http 503, since -50s *
+            up, passed; row +1 -0; witnessed *
-            down, failed; row +0 -1; flapping; witnessed *
`},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := hear(t, NewTracker(test.policy, noon), test.words); "\n"+got != test.want {
				t.Errorf("got\n%s\nwant%s", got, test.want)
			}
		})
	}
}

// TestTakeOverOfAChecker: a standby that does not check becomes master. What its peer knew shows at once, is told as a
// change, and is looked at with its own eyes soon.
func TestTakeOverOfAChecker(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, c *Checker) {
		well, dead := newServer(healthy), newServer(healthy)
		var set []Check
		for i, srv := range []*server{well, dead} {
			ck, _ := paced("www", fmt.Sprint(i), srv)
			ck.Spec.Interval = 30 * time.Second
			set = append(set, ck)
		}
		c.SetPaces(map[string]Pace{"www": Off})
		mustUpdate(t, c, set...)
		pass(time.Hour)
		<-c.Changes()
		dead.set(refusing)
		told := make(map[string]PeerVerdict)
		for _, ck := range set { // it is wrong about the first
			told[ck.ID] = PeerVerdict{By: "lb1", Verdict: Down, Probed: time.Now().Add(-time.Second), Since: time.Now().Add(-time.Minute), Failure: FailureTimeout}
		}
		told["nobody"] = PeerVerdict{By: "lb1", Verdict: Down}
		if n, err := c.TakeOver(t.Context(), told); n != 2 || err != nil {
			t.Fatalf("TakeOver = %d, %v; want 2", n, err)
		}
		for _, s := range c.Snapshot() {
			if got := fmt.Sprintf("%v, %s, %v", s.Verdict, s.Reason, s.Cause); got != "down, peer, timeout: as lb1 saw it 1s ago" {
				t.Errorf("%s: %s", s.ID, got)
			}
		}
		if changes := <-c.Changes(); len(changes) != 2 || changes[0].To != Down || changes[0].Reason != ReasonPeer {
			t.Errorf("changes %+v", changes)
		}
		c.SetPaces(nil)
		pass(hurry + 3*hurryInterval)
		for i, want := range []Verdict{Up, Down} {
			if got := c.Verdict(set[i].ID); got != want {
				t.Errorf("soon, %s is %v, want %v", set[i].ID, got, want)
			}
		}
		if n, err := c.TakeOver(t.Context(), told); n != 0 || err != nil {
			t.Errorf("what is older is taken over: %d, %v", n, err)
		}
	})
}

// TestNoFlappingByWordOfMouth: whatever peers say and whenever, a verdict of theirs is moved by as many results of ours in
// a row as any other, and what is no fresher than what we know moves nothing.
func TestNoFlappingByWordOfMouth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Policy{Rise: rapid.IntRange(1, 3).Draw(t, "rise"), Fall: rapid.IntRange(1, 3).Draw(t, "fall")}
		tr := NewTracker(p, noon)
		now := noon
		newest := time.Time{} // result that the verdict may rest on
		up, down := 0, 0      // own results in a row since the last word that was taken
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(1, 3000).Draw(t, "ms")) * time.Millisecond)
			before := tr.State()
			if rapid.Bool().Draw(t, "told") {
				v := PeerVerdict{By: "lb1", Verdict: Up, Since: now.Add(-time.Hour), Probed: now.Add(-time.Duration(rapid.IntRange(0, 9000).Draw(t, "age")) * time.Millisecond)}
				if rapid.Bool().Draw(t, "down") {
					v.Verdict, v.Failure = Down, FailureRefused
				}
				current := time.Duration(rapid.IntRange(0, 2).Draw(t, "current")) * time.Second
				if !tr.TakeOver(v, current, now) {
					if after := tr.State(); after.Verdict != before.Verdict || after.Successes != before.Successes || after.Failures != before.Failures {
						t.Fatalf("not taken, and yet %+v became %+v", before, after)
					}
					continue
				}
				if !v.Probed.After(newest) {
					t.Fatalf("a word of %v is taken, ours is of %v", v.Probed, newest)
				}
				newest, up, down = v.Probed, 0, 0
				if s := tr.State(); s.Verdict != v.Verdict || s.Witnessed() {
					t.Fatalf("taken: %+v", s)
				}
				continue
			}
			r := Passed("fine")
			if rapid.Bool().Draw(t, "fails") {
				r = Failed(FailureRefused, "nobody there")
				up, down = 0, down+1
			} else {
				up, down = up+1, 0
			}
			r.At = now
			newest = now
			tr.Observe(r)
			switch after := tr.State(); {
			case after.Verdict == before.Verdict, before.Verdict == Unknown:
			case after.Verdict == Up && up < p.Rise, after.Verdict == Down && down < p.Fall:
				t.Fatalf("%v after %d and %d results in a row, with rise %d and fall %d", after.Verdict, up, down, p.Rise, p.Fall)
			}
		}
	})
}
