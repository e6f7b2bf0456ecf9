package healthcheck

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// predicted is how often servers are removed, by arithmetic: each of n results in a row
// is lost with probability p; the chain of fall losses takes a server out, and that of
// rise successes brings it back.
func predicted(servers, n int, p float64, rise, fall int) float64 {
	up, down := make([]float64, fall), make([]float64, rise) // probability, by length of the row
	up[0] = 1
	removals := 0.0
	for range n {
		nextUp, nextDown := make([]float64, fall), make([]float64, rise)
		for row, q := range up {
			nextUp[0] += q * (1 - p)
			if row+1 == fall {
				removals += q * p
				nextDown[0] += q * p
			} else {
				nextUp[row+1] += q * p
			}
		}
		for row, q := range down {
			nextDown[0] += q * p
			if row+1 == rise {
				nextUp[0] += q * (1 - p)
			} else {
				nextDown[row+1] += q * (1 - p)
			}
		}
		up, down = nextUp, nextDown
	}
	return removals * float64(servers)
}

// TestRemovalsByLoss: a virtual hour of 10,000 servers that are all well, asked every
// two seconds through a network that loses probes at random. The removals are those
// that arithmetic predicts, within four standard deviations: neither does a loss count
// twice, nor is one forgotten.
func TestRemovalsByLoss(t *testing.T) {
	servers := 10000
	if raceEnabled {
		servers /= 10
	}
	const rounds, rise, fall = 1800, 2, 3
	for _, loss := range []float64{0.01, 0.05} {
		random := rand.New(rand.NewPCG(1, uint64(loss*1000)))
		removals := 0
		for range servers {
			tr := NewTracker(Policy{Rise: rise, Fall: fall, Initial: Up}, noon)
			for n := range rounds {
				r := Result{At: noon.Add(time.Duration(n) * 2 * time.Second)}
				if random.Float64() < loss {
					r.Failure = FailureTimeout
				}
				if tr.Observe(r) && tr.verdict == Down {
					removals++
				}
			}
		}
		want := predicted(servers, rounds, loss, rise, fall)
		tolerance := 4 * math.Sqrt(want) // they are as good as independent: a Poisson distribution
		t.Logf("%.0f %% loss: %d removals, predicted %.1f ± %.1f", 100*loss, removals, want, tolerance)
		if math.Abs(float64(removals)-want) > tolerance {
			t.Errorf("%.0f %% loss: %d removals, predicted %.1f ± %.1f", 100*loss, removals, want, tolerance)
		}
	}
}

// TestLossAsSeen: the same hour through the whole Checker. Each server loses what its
// own dice say, so the removals are known exactly, server by server.
func TestLossAsSeen(t *testing.T) {
	servers := 2000
	if raceEnabled {
		servers /= 10
	}
	const loss = 0.05
	spec := Spec{Interval: time.Minute, Timeout: time.Second, Policy: Policy{Rise: 2, Fall: 3, Initial: Up}}
	bubble(t, Options{}, func(t *testing.T, c *Checker) {
		set := make([]Check, servers)
		want := make(map[string]int, servers) // removals; each written by one probe at a time
		counts := make([]int, servers)
		for i := range set {
			random := rand.New(rand.NewPCG(2, uint64(i)))
			lost, kept, out := 0, 0, false
			set[i] = check(fmt.Sprintf("%05d", i), proberFunc(func(ctx context.Context) Result {
				if random.Float64() < loss {
					if lost, kept = lost+1, 0; lost == spec.Fall && !out {
						out = true
						counts[i]++
					}
					return silent(ctx)
				}
				if lost, kept = 0, kept+1; kept >= spec.Rise {
					out = false
				}
				return healthy(ctx)
			}))
			set[i].Spec = spec
		}
		mustUpdate(t, c, set...)
		got := make(map[string]int, servers)
		removals, predictable := 0, 0
		stop := make(chan struct{})
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				select {
				case changes := <-c.Changes():
					for _, ch := range changes {
						if ch.To == Down {
							got[ch.ID]++
							removals++
						}
					}
				case <-stop:
					return
				}
			}
		}()
		pass(time.Hour)
		mustUpdate(t, c) // no probe is half done
		pass(2 * time.Second)
		close(stop)
		<-done
		for i := range set {
			if counts[i] > 0 {
				want[set[i].ID] = counts[i]
				predictable += counts[i]
			}
		}
		t.Logf("%d probes, %d removals, predicted %d", c.Stats().Started, removals, predictable)
		if predictable < servers/1000 {
			t.Errorf("%d removals among %d servers test nothing", predictable, servers)
		}
		for id, n := range want {
			if d := got[id] - n; d < -1 || d > 0 { // the last probe may have been given up by the last update
				t.Errorf("%s: removed %d times, want %d", id, got[id], n)
			}
		}
		for id, n := range got {
			if want[id] < n {
				t.Errorf("%s: removed %d times, want %d", id, n, want[id])
			}
		}
	})
}

// A stopped world is a process that does not run for a while: neither its loop nor its
// probes. What came meanwhile, and whose deadline passed meanwhile, they learn at its
// end, and the worst of it: that the deadline has passed.
type stoppedWorld struct{ until atomic.Int64 }

func (w *stoppedWorld) wait() {
	for left := time.Until(time.Unix(0, w.until.Load())); left > 0; left = time.Until(time.Unix(0, w.until.Load())) {
		time.Sleep(left)
	}
}

// TestNoRemovalByStalls: an hour in which the director is stalled for two seconds at
// random, once a minute. No server is removed, though the silence falls on each.
func TestNoRemovalByStalls(t *testing.T) {
	const brake = "brake"
	servers := 10000
	if raceEnabled {
		servers /= 10
	}
	var w stoppedWorld
	random := rand.New(rand.NewPCG(3, 3))
	o := Options{OnResult: func(id string, _ Result) {
		if id == brake {
			w.wait() // on the loop's own goroutine
		}
	}}
	bubble(t, o, func(t *testing.T, c *Checker) {
		set := make([]Check, 0, servers+1)
		var timeouts atomic.Int64
		for i := range servers {
			ck := check(fmt.Sprintf("%05d", i), proberFunc(func(ctx context.Context) Result {
				time.Sleep(20 * time.Millisecond)
				if w.wait(); ctx.Err() != nil {
					timeouts.Add(1)
					return Failed(FailureTimeout, "silent")
				}
				return Passed("fine")
			}))
			ck.Spec = Spec{Interval: 40 * time.Second, Timeout: time.Second, Policy: Policy{Rise: 2, Fall: 1, Initial: Up}}
			set = append(set, ck)
		}
		stalls := 0
		ck := check(brake, proberFunc(func(ctx context.Context) Result {
			select {
			case <-time.After(time.Duration(random.Float64() * float64(2*time.Minute))):
				stalls++
				w.until.Store(time.Now().Add(2 * time.Second).UnixNano())
			case <-ctx.Done():
			}
			return Passed("fine")
		}))
		ck.Spec.Timeout = 24 * time.Hour
		mustUpdate(t, c, append(set, ck)...)
		pass(time.Hour)
		s := c.Stats()
		t.Logf("%d stalls, %d timeouts in them, %d did not count; %d probes, %d starts skipped", stalls, timeouts.Load(), s.Late, s.Started, s.Skipped)
		if stalls < 30 || timeouts.Load() == 0 || s.Late == 0 {
			t.Error("the stalls stalled nothing")
		}
		for _, s := range c.Snapshot() {
			if s.ID != brake && s.Reason != ReasonInitial {
				t.Errorf("%s: %v, %v", s.ID, s.Verdict, s.Reason)
			}
		}
	})
}

// TestSoak: a virtual day of servers that answer, are silent, ignore deadlines, come and
// go. Goroutines and memory at its end are those of its first hour.
func TestSoak(t *testing.T) {
	servers := 100
	if raceEnabled {
		servers /= 4
	}
	bubble(t, Options{}, func(t *testing.T, c *Checker) {
		set := make([]Check, servers)
		for i := range set {
			answer := []proberFunc{healthy, healthy, silent, refusing, func(context.Context) Result {
				time.Sleep(7 * time.Second)
				return Passed("at last")
			}}[i%5]
			set[i] = check(fmt.Sprintf("%03d", i), answer)
			set[i].Group = fmt.Sprint(i % 3)
			set[i].Spec.Interval, set[i].Spec.FastInterval, set[i].Spec.Jitter = 20*time.Second, 2*time.Second, time.Second
			set[i].Spec.Damping = Damping{Falls: 2, Window: time.Minute, Hold: time.Minute}
		}
		type rest struct{ goroutines, objects int }
		measure := func() rest {
			mustUpdate(t, c) // at rest: no probes
			pass(10 * time.Second)
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			r := rest{runtime.NumGoroutine(), int(m.HeapObjects)}
			mustUpdate(t, c, set...)
			return r
		}
		var first rest
		for hour := range 25 {
			switch hour {
			case 1:
				first = measure()
			case 24:
				if last := measure(); last.goroutines != first.goroutines || last.objects > first.objects+2000 {
					t.Errorf("%+v after a day, %+v after an hour", last, first)
				}
			}
			c.SetPaces(map[string]Pace{"1": Pace(hour % 3), "2": Pace((hour + 1) % 3)})
			mustUpdate(t, c, set[:servers-hour]...)
			for drained := false; !drained; {
				select {
				case <-c.Changes():
				default:
					drained = true
				}
			}
			pass(time.Hour)
		}
		t.Logf("%+v", c.Stats())
		measure()
		mustUpdate(t, c)
		pass(10 * time.Second)
	})
}
