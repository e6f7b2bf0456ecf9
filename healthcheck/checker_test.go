package healthcheck

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestVerdictsInTime(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, c *Checker) {
		srv := newServer(healthy)
		mustUpdate(t, c, check("a", srv), check("b", proberFunc(silent)), check("c", proberFunc(refusing)))
		pass(10 * time.Second)
		same(t, `
a up: passed +10 -0 of 10
b down: failed +0 -10 of 10, timeout: silent after 500ms
c down: failed +0 -10 of 10, refused: nobody there after 0s
`, picture(c))
		srv.set(silent)
		died := time.Now()
		var changes []Change
		for len(changes) == 0 || changes[len(changes)-1].To != Down || changes[len(changes)-1].ID != "a" {
			changes = append(changes, <-c.Changes()...)
		}
		limit := everySecond.Interval + 2*everySecond.Interval + everySecond.Timeout
		if took := time.Since(died); took > limit {
			t.Errorf("out after %v, want at most %v", took, limit)
		}
		var order strings.Builder
		for _, ch := range changes {
			fmt.Fprintf(&order, "%s %v-%v %s %v\n", ch.ID, ch.From, ch.To, ch.Reason, ch.Cause.Failure)
		}
		if got := order.String(); !strings.HasSuffix(got, "a up-down failed timeout\n") || strings.Count(got, "\n") != 4 {
			t.Errorf("changes\n%s", got)
		}
	})
}

func TestIdenticalProbesRunOnce(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, c *Checker) {
		var asked atomic.Int32
		srv := proberFunc(func(ctx context.Context) Result { asked.Add(1); return refusing(ctx) })
		shared := func(id string, fall int) Check {
			ck := check(id, srv)
			ck.ProbeKey, ck.Spec.Fall, ck.Spec.Initial = "tcp 10.0.0.1:80", fall, Up
			return ck
		}
		slow := shared("d", 1)
		slow.Spec.Interval = time.Minute
		mustUpdate(t, c, shared("a", 1), shared("b", 3), shared("c", 100), slow)
		pass(5 * time.Second)
		same(t, `
a down: failed +0 -5 of 5, refused: nobody there after 0s
b down: failed +0 -5 of 5, refused: nobody there after 0s
c up: initial +0 -5 of 5, refused: nobody there after 0s
d down: failed +0 -1 of 1, refused: nobody there after 0s
`, picture(c))
		if n := asked.Load(); n != 6 || c.Stats().Probes != 2 {
			t.Errorf("asked %d times, %+v", n, c.Stats())
		}
		mustUpdate(t, c, shared("c", 100)) // the others leave, the probe goes on
		pass(5 * time.Second)
		same(t, "c up: initial +0 -10 of 10, refused: nobody there after 0s\n", picture(c))
	})
}

// TestUpdateKeepsState: what an update does not concern it does not disturb.
func TestUpdateKeepsState(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, c *Checker) {
		var starts []time.Duration
		begin := time.Now()
		a := check("a", proberFunc(func(ctx context.Context) Result {
			starts = append(starts, time.Since(begin))
			return healthy(ctx)
		}))
		b := check("b", proberFunc(healthy))
		b.ProbeKey = "http 10.0.0.2:80 /"
		mustUpdate(t, c, a, b)
		for range 40 { // a reload each 250 ms, each with another neighbour
			pass(250 * time.Millisecond)
			mustUpdate(t, c, a, b, check(fmt.Sprint("other", time.Now()), proberFunc(silent)))
		}
		mustUpdate(t, c, a, b)
		for i := 1; i < len(starts); i++ {
			if gap := starts[i] - starts[i-1]; gap != time.Second {
				t.Errorf("gap of %v between starts %d and %d", gap, i-1, i)
			}
		}
		same(t, "a up: passed +10 -0 of 10\nb up: passed +10 -0 of 10\n", picture(c))

		a.Spec.Interval = 2 * time.Second                                  // other timing: the row goes on
		b.ProbeKey, b.Prober = "http 10.0.0.2:80 /x", proberFunc(refusing) // other probe: another row
		mustUpdate(t, c, a, b)
		same(t, "a up: passed +10 -0 of 10\nb up: passed +0 -0 of 10\n", picture(c))
		pass(2 * time.Second)
		same(t, "a up: passed +11 -0 of 11\nb up: passed +0 -2 of 12, refused: nobody there after 0s\n", picture(c))
		pass(2 * time.Second)
		same(t, "a up: passed +12 -0 of 12\nb down: failed +0 -4 of 14, refused: nobody there after 0s\n", picture(c))

		b.ProbeKey, b.Prober = "http 10.0.0.2:80 /y", proberFunc(healthy) // one that failed comes back
		mustUpdate(t, c, a, b)
		pass(2 * time.Second)
		same(t, "a up: passed +13 -0 of 13\nb up: passed +2 -0 of 16\n", picture(c))

		b.Spec.Fall = 0
		if err := c.Update(t.Context(), []Check{b}); err == nil {
			t.Error("invalid update accepted")
		}
		if err := c.Update(t.Context(), []Check{a, a}); err == nil {
			t.Error("double ID accepted")
		}
		pass(time.Second)
		if got := c.Stats().Checks; got != 2 {
			t.Errorf("%d checks after refused updates", got)
		}
		mustUpdate(t, c)
		same(t, "", picture(c))
		if s := c.Stats(); s.Checks+s.Probes+s.Running != 0 {
			t.Errorf("after the empty update: %+v", s)
		}
		if c.Verdict("a") != Unknown {
			t.Error("a verdict on a check that is gone")
		}
	})
}

// Who adds a server waits for it to serve: its first probe does not wait for the end of a span of starts.
func TestAFewNewChecksStartAtOnce(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, c *Checker) {
		slow := func(id string) Check {
			s := check(id, proberFunc(healthy))
			s.Spec.Interval = 10 * time.Second
			return s
		}
		set := []Check{slow("old")}
		mustUpdate(t, c, set...)
		for n := range 20 { // whenever in a span
			pass(time.Second + time.Duration(n)*time.Millisecond)
			set = append(slices.Clone(set), slow(fmt.Sprint("new", n)))
			mustUpdate(t, c, set...)
			pass(time.Millisecond) // in which it answers
			if st, _ := c.Status(set[len(set)-1].ID); st.Results != 1 {
				t.Errorf("%d ms into a span: %d results", n, st.Results)
			}
		}
	})
}

func TestWhereAChecksStarts(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, c *Checker) {
		adopted, saved, initial := check("adopted", proberFunc(silent)), check("saved", proberFunc(silent)), check("up", proberFunc(silent))
		adopted.Adopted = true
		saved.Saved, saved.Adopted = &Saved{Verdict: Down, Since: time.Now()}, true
		initial.Spec.Initial = Up
		nothing := check("nothing", proberFunc(silent))
		nothing.Saved = &Saved{}
		mustUpdate(t, c, adopted, saved, initial, nothing)
		same(t, `
adopted up: adopted +0 -0 of 0
nothing unknown: initial +0 -0 of 0
saved down: restored +0 -0 of 0
up up: initial +0 -0 of 0
`, picture(c))
		select {
		case <-c.Ready():
			t.Error("ready before the first results")
		default:
		}
		pass(1500 * time.Millisecond)
		<-c.Ready()
		same(t, `
adopted up: adopted +0 -1 of 1, timeout: silent after 500ms
nothing down: failed +0 -1 of 1, timeout: silent after 500ms
saved down: restored +0 -1 of 1, timeout: silent after 500ms
up up: initial +0 -1 of 1, timeout: silent after 500ms
`, picture(c))
		if got := c.Saved()["adopted"].Verdict; got != Up {
			t.Errorf("saved as %v", got)
		}
		// Already known: where it started is of no interest any more.
		saved.Saved = &Saved{Verdict: Up}
		mustUpdate(t, c, saved)
		if got := c.Verdict("saved"); got != Down {
			t.Errorf("an update with a saved verdict made a known check %v", got)
		}
	})
}

// TestFastInterval: a verdict in doubt is settled faster; one that is settled,
// up or down, is not.
func TestFastInterval(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, c *Checker) {
		srv := newServer(healthy)
		ck := check("a", srv)
		ck.Spec.Interval, ck.Spec.FastInterval = 10*time.Second, 200*time.Millisecond
		mustUpdate(t, c, ck)
		pass(3 * time.Second)
		same(t, "a up: passed +2 -0 of 2\n", picture(c)) // 0.2 s after the first
		pass(30 * time.Second)
		same(t, "a up: passed +5 -0 of 5\n", picture(c))
		srv.set(refusing)
		pass(10 * time.Second)
		same(t, "a down: failed +0 -3 of 8, refused: nobody there after 0s\n", picture(c))
		srv.set(func(context.Context) Result { return Failed(FailureLocal, "no ports") })
		pass(20 * time.Second)
		same(t, "a down: failed +0 -3 of 10, 2 ignored, local: no ports after 0s\n", picture(c))
	})
}

func TestSnapshotIsOrdered(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, c *Checker) {
		mustUpdate(t, c, check("c", proberFunc(healthy)), check("a", proberFunc(healthy)), check("b", proberFunc(healthy)))
		var ids []string
		for _, s := range c.Snapshot() {
			ids = append(ids, s.ID)
		}
		if !slices.Equal(ids, []string{"a", "b", "c"}) {
			t.Errorf("order %v", ids)
		}
	})
}
