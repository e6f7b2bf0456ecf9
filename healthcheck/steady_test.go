package healthcheck

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// TestStartsAreSteady: checks that are quick and slow, whose answers wake the loop all the time, start in step with
// their interval, each for itself: starts are gathered, but always the same ones.
func TestStartsAreSteady(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, c *Checker) {
		const checks, interval = 100, time.Second
		starts := make([][]time.Time, checks)
		var set []Check
		for n := range checks {
			ck := check(fmt.Sprint("www/", n), proberFunc(func(context.Context) Result {
				starts[n] = append(starts[n], time.Now())
				time.Sleep(time.Duration(1+7*(n+len(starts[n]))%97) * time.Millisecond)
				return Passed("fine")
			}))
			set = append(set, ck)
		}
		mustUpdate(t, c, set...)
		pass(10 * time.Second)
		for n, at := range starts {
			if len(at) < 9 {
				t.Fatalf("check %d started %d times", n, len(at))
			}
			for i := 1; i < len(at); i++ {
				if gap := at[i].Sub(at[i-1]); gap != interval {
					t.Errorf("check %d: start %d came after %v", n, i, gap)
				}
			}
		}
	})
}

// TestNote: what a Tracker remembers of a result is the result, to the microsecond.
func TestNote(t *testing.T) {
	at := time.Unix(1700000000, 123456789)
	for _, r := range []Result{
		{},
		{At: at, Latency: 1234 * time.Microsecond, Detail: "fine"},
		{At: at, Failure: FailureTimeout, Late: true, Detail: "timeout in connect after 1s", Latency: time.Hour},
		{At: at, Weight: Weigh(0)},
		{At: at, Weight: Weigh(MaxWeight)},
		{At: at, Weight: Percent(75)},
	} {
		if got := noteOf(r).result(); got != r {
			t.Errorf("got %+v, want %+v", got, r)
		}
	}
	for _, f := range Failures() {
		if got := noteOf(Failed(f, "")).result().Failure; got != f {
			t.Errorf("%s became %s", f, got)
		}
	}
	if got := noteOf(Result{Failure: "of another version", Latency: 2 * time.Hour}).result(); got.Failure != FailureProtocol || got.Latency < time.Hour {
		t.Errorf("got %+v", got)
	}
}
