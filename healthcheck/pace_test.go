package healthcheck

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

// paced is a server that counts how often it is asked.
func paced(group, id string, s *server) (Check, *atomic.Int32) {
	var asked atomic.Int32
	ck := check(id, proberFunc(func(ctx context.Context) Result { asked.Add(1); return s.Probe(ctx) }))
	ck.Group = group
	return ck, &asked
}

func TestPaces(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, c *Checker) {
		srv := newServer(healthy)
		same, sameAsked := paced("same", "same", srv)
		slower, slowerAsked := paced("slower", "slower", srv)
		off, offAsked := paced("off", "off", srv)
		c.SetPaces(map[string]Pace{"slower": Slower, "off": Off})
		mustUpdate(t, c, same, slower, off)
		pass(10 * time.Second) // all know a verdict
		for _, n := range []*atomic.Int32{sameAsked, slowerAsked, offAsked} {
			n.Store(0)
		}
		pass(100 * time.Second)
		if a, b, o := sameAsked.Load(), slowerAsked.Load(), offAsked.Load(); a < 99 || a > 101 || b < 24 || b > 26 || o != 0 {
			t.Errorf("in 100 s asked %d, %d and %d times, want 100, 25 and none", a, b, o)
		}
		for _, id := range []string{"same", "slower", "off"} {
			if c.Verdict(id) != Up {
				t.Errorf("%s is %v", id, c.Verdict(id))
			}
		}
		c.SetPaces(nil)
		offAsked.Store(0)
		slowerAsked.Store(0)
		pass(100 * time.Second)
		if b, o := slowerAsked.Load(), offAsked.Load(); b < 99 || b > 102 || o < 99 || o > 102 {
			t.Errorf("as always again: asked %d and %d times in 100 s", b, o)
		}
	})
}

// TestFreshVerdictsOnPromotion: 200 servers of a standby that does not check, a part of
// which died meanwhile. Half a second and a few quick probes after it has become
// master, exactly the dead are out; one lost probe takes nobody out.
func TestFreshVerdictsOnPromotion(t *testing.T) {
	const servers = 200
	bubble(t, Options{}, func(t *testing.T, c *Checker) {
		var set []Check
		var all []*server
		for i := range servers {
			srv := newServer(healthy)
			all = append(all, srv)
			ck, _ := paced("www", fmt.Sprintf("%03d", i), srv)
			ck.Spec.Interval = 30 * time.Second
			set = append(set, ck)
		}
		c.SetPaces(map[string]Pace{"www": Off})
		mustUpdate(t, c, set...)
		pass(5 * time.Minute)
		var dead []string
		for i, srv := range all {
			switch i % 4 {
			case 0:
				srv.set(refusing)
				dead = append(dead, set[i].ID)
			case 1:
				var lost atomic.Bool
				srv.set(func(ctx context.Context) Result {
					if lost.CompareAndSwap(false, true) {
						return silent(ctx)
					}
					return healthy(ctx)
				})
			}
		}
		pass(time.Hour)
		for _, s := range c.Snapshot() {
			if s.Verdict != Up {
				t.Fatalf("%s is %v while nobody checks", s.ID, s.Verdict)
			}
		}
		started := c.Stats().Started
		c.SetPaces(map[string]Pace{"www": Same})
		pass(hurry + 3*hurryInterval)
		var out []string
		for _, s := range c.Snapshot() {
			if s.Verdict == Down {
				out = append(out, s.ID)
			}
		}
		if !slices.Equal(out, dead) {
			t.Errorf("%d are out, want the %d dead: %v", len(out), len(dead), out)
		}
		pass(4 * time.Second)
		if n := c.Stats().Started - started; n > servers*5/2 {
			t.Errorf("%d probes to be sure of %d servers", n, servers)
		}
	})
}

// TestOffLearnsBeforeItRests: a standby that never checks has to know at least once,
// and a check that joins one that rests wakes it.
func TestOffLearnsBeforeItRests(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, c *Checker) {
		c.SetPaces(map[string]Pace{"www": Off})
		a, asked := paced("www", "a", newServer(healthy))
		a.ProbeKey = "one"
		mustUpdate(t, c, a)
		pass(time.Minute)
		if n := asked.Load(); c.Verdict("a") != Up || n != int32(a.Spec.Rise) {
			t.Fatalf("%v after %d probes", c.Verdict("a"), n)
		}
		b := a
		b.ID = "b"
		mustUpdate(t, c, a, b)
		pass(time.Minute)
		if n := asked.Load(); c.Verdict("b") != Up || n != 2*int32(a.Spec.Rise) {
			t.Fatalf("the new one is %v after %d probes", c.Verdict("b"), n)
		}
		mustUpdate(t, c) // a check that rests can be taken out
		if s := c.Stats(); s.Probes != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// TestLagWidensDeadlines: a director that has been late gives its probes so much more
// time for a while.
func TestLagWidensDeadlines(t *testing.T) {
	var stall atomic.Int64
	o := Options{OnResult: func(string, Result) { time.Sleep(time.Duration(stall.Swap(0))) }}
	bubble(t, o, func(t *testing.T, c *Checker) {
		var given atomic.Int64
		ck := check("a", proberFunc(func(ctx context.Context) Result {
			deadline, _ := ctx.Deadline()
			given.Store(int64(time.Until(deadline)))
			return healthy(ctx)
		}))
		// The loop wakes only for what it has to do: another check keeps it awake.
		busy := check("b", proberFunc(healthy))
		busy.Spec.Interval, busy.Spec.Timeout = 20*time.Millisecond, 20*time.Millisecond
		mustUpdate(t, c, ck, busy)
		pass(5 * time.Second)
		if got := time.Duration(given.Load()); got != ck.Spec.Timeout {
			t.Fatalf("a probe is given %v, not its timeout", got)
		}
		stall.Store(int64(300 * time.Millisecond))
		pass(1500 * time.Millisecond)
		if got := time.Duration(given.Load()); got < ck.Spec.Timeout+150*time.Millisecond || got > ck.Spec.Timeout+300*time.Millisecond {
			t.Errorf("after a lateness of 300 ms a probe is given %v", got)
		}
		if lag := c.Stats().Lag; lag < 150*time.Millisecond || lag > 300*time.Millisecond {
			t.Errorf("lag %v", lag)
		}
		stall.Store(int64(10 * time.Second))
		pass(12 * time.Second)
		if got := time.Duration(given.Load()); got < ck.Spec.Timeout*3/2 || got > 2*ck.Spec.Timeout {
			t.Errorf("after a lateness of 10 s a probe is given %v: at most twice its timeout", got)
		}
		pass(lagMemory + 2*time.Second)
		if got := time.Duration(given.Load()); got != ck.Spec.Timeout || c.Stats().Lag != 0 {
			t.Errorf("when that is long ago a probe is given %v, lag %v", got, c.Stats().Lag)
		}
	})
}
