package healthcheck

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestScheduleNext(t *testing.T) {
	const ms = time.Millisecond
	grid := Schedule{Epoch: noon, Phase: 300 * ms, Interval: 1000 * ms} // 0.3 s, 1.3 s, 2.3 s, …
	fast := grid
	fast.Fast = 200 * ms
	for _, test := range []struct {
		name       string
		s          Schedule
		start, now time.Duration // after the epoch
		settled    bool
		want       time.Duration
	}{
		{"on the grid", grid, 300 * ms, 301 * ms, true, 1300 * ms},
		{"a late start does not shift the grid", grid, 700 * ms, 701 * ms, true, 1300 * ms},
		{"two starts are half an interval apart", grid, 900 * ms, 901 * ms, true, 2300 * ms},
		{"a probe over two intervals skips", grid, 300 * ms, 2700 * ms, true, 3300 * ms},
		{"a start missed by little is made up for", grid, 300 * ms, 1301 * ms, true, 1301 * ms},
		{"and the grid goes on", grid, 1301 * ms, 1302 * ms, true, 2300 * ms},
		{"settled: no hurry", fast, 300 * ms, 301 * ms, true, 1300 * ms},
		{"unsettled", fast, 300 * ms, 301 * ms, false, 500 * ms},
		{"unsettled, after a long probe", fast, 300 * ms, 900 * ms, false, 900 * ms},
		{"unsettled, the grid comes first", Schedule{noon, 300 * ms, 1000 * ms, 5 * time.Second, 0}, 300 * ms, 301 * ms, false, 1300 * ms},
		{"unsettled without fast", grid, 300 * ms, 301 * ms, false, 1300 * ms},
		{"before the epoch", grid, -5000 * ms, -4900 * ms, true, -3700 * ms},
	} {
		if got := test.s.Next(noon.Add(test.start), noon.Add(test.now), test.settled).Sub(noon); got != test.want {
			t.Errorf("%s: next start at %v, want %v", test.name, got, test.want)
		}
	}
	if got := grid.Skip(noon.Add(7301 * ms)).Sub(noon); got != 8300*ms {
		t.Errorf("skipped to %v", got)
	}
}

// TestScheduleFirst: who is new alone is asked at once; thousands are spread.
func TestScheduleFirst(t *testing.T) {
	const ms = time.Millisecond
	for _, test := range []struct {
		interval time.Duration
		n        int
		want     time.Duration // of a check whose place is at nine tenths of the interval
	}{
		{10 * time.Second, 1, 900 * time.Microsecond},
		{10 * time.Second, 100, 90 * ms},
		{10 * time.Second, 10000, 1800 * ms},
		{2 * time.Second, 1, 900 * time.Microsecond},
		{2 * time.Second, 10000, 1800 * ms}, // on the grid
		{time.Second, 1, 900 * ms},
		{100 * ms, 1, 90 * ms},
	} {
		s := Schedule{Epoch: noon, Phase: test.interval / 10 * 9, Interval: test.interval}
		if got := s.First(noon, test.n).Sub(noon); got != test.want {
			t.Errorf("interval %v, one of %d: first start after %v, want %v", test.interval, test.n, got, test.want)
		}
	}
}

// TestScheduleInvariants: the next start is never in the past; probes of any
// length leave the grid as it is; the gap is bounded by the interval.
func TestScheduleInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		duration := func(name string, lo, hi time.Duration) time.Duration {
			return time.Duration(rapid.Int64Range(int64(lo), int64(hi)).Draw(t, name))
		}
		s := Schedule{Epoch: noon, Interval: duration("interval", time.Millisecond, time.Hour)}
		s.Phase = Phase(rapid.String().Draw(t, "id"), s.Interval)
		s.Fast = duration("fast", 0, s.Interval)
		if s.Phase < 0 || s.Phase >= s.Interval {
			t.Fatalf("phase %v of interval %v", s.Phase, s.Interval)
		}
		n := rapid.IntRange(1, 10000).Draw(t, "new")
		start := s.First(noon, n)
		if wait := start.Sub(noon); wait < 0 || wait > min(s.Interval, firstSpread, max(gridClose, time.Duration(n)*firstShare)) {
			t.Fatalf("first start after %v", wait)
		}
		for range 20 {
			now := start.Add(duration("length", 0, 3*s.Interval))
			settled := rapid.Bool().Draw(t, "settled")
			next := s.Next(start, now, settled)
			if next.Before(now) || next.Sub(now) > 3*s.Interval/2 {
				t.Fatalf("start %v, end %v, next %v", start.Sub(noon), now.Sub(noon), next.Sub(noon))
			}
			onGrid := (next.Sub(noon)-s.Phase)%s.Interval == 0
			if settled && !onGrid && !next.Equal(now) {
				t.Fatalf("next %v is off the grid", next.Sub(noon))
			}
			start = next
		}
	})
}

// TestJitter: each start is moved by its own part, the same whenever it is asked for;
// the rate is that of the interval, and no two starts come closer than they may.
func TestJitter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		interval := time.Duration(rapid.Int64Range(int64(10*time.Millisecond), int64(time.Hour)).Draw(t, "interval"))
		s := Schedule{Epoch: noon, Interval: interval, Jitter: time.Duration(rapid.Int64Range(1000, int64(interval/2)).Draw(t, "jitter"))}
		s.Phase = Phase(rapid.String().Draw(t, "id"), interval)
		const starts = 50
		at, moved := s.gridAfter(noon.Add(-time.Duration(rapid.Int64Range(0, int64(5*interval)).Draw(t, "before")))), make(map[time.Duration]bool)
		first := at
		for range starts {
			if again := s.gridAfter(at.Add(-1)); !again.Equal(at) {
				t.Fatalf("the start at %v is at %v when asked again", at.Sub(noon), again.Sub(noon))
			}
			next := s.Next(at, at, true)
			if gap := next.Sub(at); gap < interval-s.Jitter || gap > interval+s.Jitter {
				t.Fatalf("starts are %v apart: interval %v, jitter %v", gap, interval, s.Jitter)
			}
			moved[next.Sub(noon.Add(s.Phase))%interval] = true
			at = next
		}
		if off := at.Sub(first) - starts*interval; off > s.Jitter || off < -s.Jitter {
			t.Fatalf("after %d starts the schedule is off by %v", starts, off)
		}
		if len(moved) < starts/2 {
			t.Fatalf("%d different places among %d starts", len(moved), starts)
		}
	})
}

// TestPhaseSpreads: names as they come in configurations, over 100 slots.
func TestPhaseSpreads(t *testing.T) {
	const checks, slots = 10000, 100
	var count [slots]int
	for i := range checks {
		id := fmt.Sprintf("www%d/10.9.%d.%d:80/http", i/10, i/250, i%250)
		phase := Phase(id, time.Second)
		count[phase*slots/time.Second]++
		if again := Phase(id, 10*time.Second); again/10 != phase && again/10+1 != phase {
			t.Fatalf("%s: phase %v of 1s but %v of 10s", id, phase, again)
		}
	}
	for slot, n := range count {
		if n < checks/slots/2 || n > checks/slots*2 {
			t.Errorf("slot %d has %d of %d checks", slot, n, checks)
		}
	}
}
