package healthcheck

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"
)

// TestTimeoutOfTheInterval: the silence of a server takes the whole interval, and
// does not halve the rate.
func TestTimeoutOfTheInterval(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, c *Checker) {
		ck := check("a", proberFunc(silent))
		ck.Spec.Timeout = ck.Spec.Interval
		mustUpdate(t, c, ck)
		pass(60 * time.Second)
		if s, _ := c.Status("a"); s.Results < 52 || s.Results > 60 {
			t.Errorf("%d results in 60 s", s.Results)
		}
	})
}

// TestProbeThatIgnoresItsDeadline is a timeout at the deadline, again and again,
// with one goroutine.
func TestProbeThatIgnoresItsDeadline(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, c *Checker) {
		var running atomic.Int32
		ck := check("a", proberFunc(func(context.Context) Result {
			if running.Add(1) > 1 {
				t.Error("overlap")
			}
			time.Sleep(5 * time.Second)
			running.Add(-1)
			return Passed("at last")
		}))
		ck.Spec.Initial = Up
		mustUpdate(t, c, ck, check("b", proberFunc(healthy)))
		pass(1700 * time.Millisecond)
		first, _ := c.Status("a")
		if r := first.Recent()[0]; r.Failure != FailureTimeout || r.Latency != ck.Spec.Timeout {
			t.Errorf("result %v after %v", r, r.Latency)
		}
		if s := c.Stats(); s.Lingering != 1 {
			t.Errorf("%+v", s)
		}
		pass(2500 * time.Millisecond)
		if got, _ := c.Status("a"); got.Verdict != Down || got.Failures < 3 {
			t.Errorf("%v after %d failures", got.Verdict, got.Failures)
		}
		pass(6 * time.Second)
		if s := c.Stats(); s.Lingering > 1 || c.Verdict("b") != Up {
			t.Errorf("%+v, the other is %v", s, c.Verdict("b"))
		}
		mustUpdate(t, c)
		pass(5 * time.Second)
		if s := c.Stats(); s.Lingering != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// TestStall: the director is stopped for 10 s. No silence of that time counts,
// and what was missed is not caught up in a burst.
func TestStall(t *testing.T) {
	const checks = 1000
	var stall atomic.Bool
	o := Options{OnResult: func(string, Result) {
		if stall.CompareAndSwap(true, false) {
			time.Sleep(10 * time.Second) // on the loop's own goroutine
		}
	}}
	bubble(t, o, func(t *testing.T, c *Checker) {
		servers := make([]*server, checks)
		set := make([]Check, checks)
		begin := time.Now()
		var perSecond [60]atomic.Int32
		for i := range set {
			servers[i] = newServer(healthy)
			set[i] = check(fmt.Sprintf("%04d", i), proberFunc(func(ctx context.Context) Result {
				perSecond[int(time.Since(begin)/time.Second)].Add(1)
				return servers[i].Probe(ctx)
			}))
			set[i].Spec.Fall = 1
		}
		mustUpdate(t, c, set...)
		pass(10 * time.Second)
		if n := c.Stats().Late; n != 0 {
			t.Fatalf("%d results late before the stall", n)
		}
		for _, s := range servers { // nobody is heard while we are stopped
			s.set(silent)
		}
		pass(10 * time.Millisecond)
		stall.Store(true)
		pass(9 * time.Second)
		for _, s := range servers {
			s.set(healthy)
		}
		pass(11 * time.Second)
		var failed []string
		for _, s := range c.Snapshot() {
			if s.Verdict != Up {
				failed = append(failed, s.ID)
			}
		}
		if len(failed) > 0 {
			t.Errorf("%d servers went down for our own stall: %v …", len(failed), failed[0])
		}
		s := c.Stats()
		if s.Late == 0 || s.Skipped < checks/2 || s.Lateness < 9*time.Second {
			t.Errorf("%+v", s)
		}
		for second := 20; second < 25; second++ {
			if n := perSecond[second].Load(); n > checks*3/2 {
				t.Errorf("%d starts in second %d", n, second)
			}
		}
	})
}

// TestTimeoutToldLate: a probe that learns of its deadline long after it was
// starved, whatever the loop felt.
func TestTimeoutToldLate(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, c *Checker) {
		ck := check("a", proberFunc(func(ctx context.Context) Result {
			<-ctx.Done()
			time.Sleep(40 * time.Millisecond)
			return Failed(FailureTimeout, "silent")
		}))
		ck.Spec.Timeout, ck.Spec.Fall, ck.Spec.Initial = 50*time.Millisecond, 1, Up
		mustUpdate(t, c, ck)
		pass(2 * time.Second)
		same(t, "a up: initial +0 -0 of 2, 2 ignored, timeout (late): silent after 90ms\n", picture(c))
	})
}

// TestStarvedProbe: one that returns only some time after its deadline was not run,
// and says nothing about the server.
func TestStarvedProbe(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, c *Checker) {
		ck := check("a", proberFunc(func(ctx context.Context) Result {
			<-ctx.Done()
			time.Sleep(judgeGrace + 50*time.Millisecond)
			return Failed(FailureTimeout, "silent")
		}))
		ck.Spec.Fall, ck.Spec.Initial = 1, Up
		mustUpdate(t, c, ck)
		pass(10 * time.Second)
		if s, _ := c.Status("a"); s.Verdict != Up || s.Results < 9 || s.Ignored != s.Results {
			t.Errorf("%v after %d results, %d of which did not count", s.Verdict, s.Results, s.Ignored)
		}
	})
}

// TestAlwaysLate: a loop that can never keep its times still probes.
func TestAlwaysLate(t *testing.T) {
	o := Options{OnResult: func(string, Result) { time.Sleep(400 * time.Millisecond) }}
	bubble(t, o, func(t *testing.T, c *Checker) {
		var set []Check
		for i := range 10 {
			set = append(set, check(fmt.Sprint(i), proberFunc(refusing)))
		}
		mustUpdate(t, c, set...)
		pass(time.Minute)
		for _, s := range c.Snapshot() {
			if s.Verdict != Down {
				t.Errorf("%s is %v after %d results", s.ID, s.Verdict, s.Results)
			}
		}
	})
}
