package healthcheck

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestTenThousandChecks: a virtual hour with a twentieth of the servers silent.
// Starts are spread, the rate is exact, no check starves or overlaps itself.
func TestTenThousandChecks(t *testing.T) {
	const checks, minutes, rounds, slot = 10000, 60, 10, 5 * time.Second
	bubble(t, Options{}, func(t *testing.T, c *Checker) {
		var perSlot [(minutes + 1) * time.Minute / slot]int32
		begin := time.Now()
		var peak, now atomic.Int32
		set := make([]Check, checks)
		for i := range set {
			var busy atomic.Bool
			answer := proberFunc(healthy)
			if i%20 == 0 {
				answer = silent
			}
			set[i] = check(fmt.Sprintf("www/10.0.%d.%d:80", i/250, i%250), proberFunc(func(ctx context.Context) Result {
				if !busy.CompareAndSwap(false, true) {
					t.Error("a check overlaps itself")
				}
				defer busy.Store(false)
				if n := now.Add(1); n > peak.Load() {
					peak.Store(n)
				}
				defer now.Add(-1)
				atomic.AddInt32(&perSlot[time.Since(begin)/slot], 1)
				return answer(ctx)
			}))
			set[i].Spec = Spec{Interval: minutes / rounds * time.Minute, Timeout: 2 * time.Second, Policy: Policy{Rise: 1, Fall: 3}}
		}
		mustUpdate(t, c, set...)
		pass(minutes * time.Minute)

		want := uint64(checks * (rounds + 1)) // the first starts do not wait for the grid
		if s := c.Stats(); s.Started < want*94/100 || s.Started > want || s.Skipped+s.Late > 0 || s.Probes != checks {
			t.Errorf("%+v, want %d starts", s, want)
		}
		down := 0
		for _, s := range c.Snapshot() {
			if s.Verdict == Down {
				down++
			}
			if s.Results < rounds-1 {
				t.Errorf("%s starved: %d results", s.ID, s.Results)
			}
		}
		if down != checks/20 {
			t.Errorf("%d down, want %d", down, checks/20)
		}
		even := int32(checks * rounds * slot / (minutes * time.Minute))
		for i, n := range perSlot[len(perSlot)/4 : minutes*time.Minute/slot] {
			if n < even/2 || n > even*3/2 {
				t.Errorf("%d starts in slot %d, want about %d", n, i, even)
			}
		}
		t.Logf("%d probes, %d at once", c.Stats().Started, peak.Load())
	})
}

// TestConcurrencyIsBoundedAndFair: 100 silent servers, 10 probes at once, which
// is a fifth of what the interval asks for. All get their turn.
func TestConcurrencyIsBoundedAndFair(t *testing.T) {
	bubble(t, Options{Concurrency: 10}, func(t *testing.T, c *Checker) {
		var now, peak atomic.Int32
		var set []Check
		for i := range 100 {
			set = append(set, check(fmt.Sprint(i), proberFunc(func(ctx context.Context) Result {
				n := now.Add(1)
				defer now.Add(-1)
				for p := peak.Load(); n > p && !peak.CompareAndSwap(p, n); p = peak.Load() {
				}
				return silent(ctx)
			})))
		}
		mustUpdate(t, c, set...)
		pass(100 * time.Second)
		if peak.Load() != 10 {
			t.Errorf("%d at once, want 10", peak.Load())
		}
		for _, s := range c.Snapshot() {
			if s.Results < 18 || s.Results > 22 || s.Ignored > 0 {
				t.Errorf("%s: %d results (%d ignored), want 20", s.ID, s.Results, s.Ignored)
			}
		}
	})
}

// TestSlowReaderOfChanges blocks nobody and loses nothing.
func TestSlowReaderOfChanges(t *testing.T) {
	var mu sync.Mutex
	results := 0
	o := Options{OnResult: func(string, Result) { mu.Lock(); results++; mu.Unlock() }}
	bubble(t, o, func(t *testing.T, c *Checker) {
		n := 0
		ck := check("a", proberFunc(func(context.Context) Result {
			if n++; n%2 == 0 {
				return Failed(FailureReset, "")
			}
			return Passed("")
		}))
		ck.Spec.Rise, ck.Spec.Fall = 1, 1
		mustUpdate(t, c, ck)
		pass(100 * time.Second)
		batch := <-c.Changes()
		if len(batch) != 100 || results != 100 {
			t.Fatalf("%d changes, %d results", len(batch), results)
		}
		last := Unknown
		for i, ch := range batch {
			if ch.From != last || ch.To == ch.From || i > 0 && !ch.At.After(batch[i-1].At) {
				t.Errorf("change %d: %+v", i, ch)
			}
			last = ch.To
		}
	})
}

// BenchmarkChecker is the scheduler's share of the cost of one probe: checks that
// are always due, of servers that answer at once.
func BenchmarkChecker(b *testing.B) {
	var results atomic.Int64
	all := make(chan struct{})
	c := NewChecker(Options{OnResult: func(string, Result) {
		if results.Add(1) == int64(b.N) {
			close(all)
		}
	}})
	var set []Check
	for i := range 10000 {
		set = append(set, check(fmt.Sprint(i), proberFunc(func(context.Context) Result { return Passed("fine") })))
		set[i].Spec.Interval = time.Microsecond
	}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error)
	go func() { done <- c.Run(ctx) }()
	b.ReportAllocs()
	b.ResetTimer()
	if err := c.Update(ctx, set); err != nil {
		b.Fatal(err)
	}
	<-all
	b.StopTimer()
	cancel()
	<-done
}
