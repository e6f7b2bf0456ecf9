package healthcheck

import "time"

// A Schedule says when the probes of one check start. The starts lie on a grid,
// Epoch + Phase + n × Interval + a part of Jitter: they do not drift, however late a
// start or long a probe was. (The Checker gathers the starts of 20 ms.)
type Schedule struct {
	Epoch    time.Time     // the same for all checks
	Phase    time.Duration // 0 <= Phase < Interval; spreads the checks, see [Phase]
	Interval time.Duration
	Fast     time.Duration // between starts while unsettled; 0: Interval
	// Jitter moves each start by up to so much, at most half of Interval: a check is
	// not to keep step with whatever else on the server comes round in its rhythm.
	Jitter time.Duration
}

const (
	// firstSpread bounds how long a new check waits for its first start: nobody
	// wants to wait for the grid of an hourly check to learn that a server is well.
	firstSpread = 2 * time.Second

	// firstShare is what each of the checks that are new together adds to the time
	// over which they are spread: the server that a reload adds is asked at once, and
	// thousands at a start do not come in a burst.
	firstShare = time.Millisecond

	// gridClose is an interval so short that its grid is waited for from the start.
	gridClose = time.Second
)

// Phase returns the place of a check in its interval: a hash of its identity, so
// that checks are spread evenly, and one keeps its place whatever the others do.
func Phase(id string, interval time.Duration) time.Duration {
	h := uint64(14695981039346656037) // FNV-1a …
	for i := range len(id) {
		h = (h ^ uint64(id[i])) * 1099511628211
	}
	return part(h, interval) // … which leaves similar names close by
}

// part is the share of d that a hash stands for, after the finalizer of splitmix64.
func part(h uint64, d time.Duration) time.Duration {
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	h ^= h >> 31
	return time.Duration(float64(h>>11) / (1 << 53) * float64(d))
}

// First returns the first start of one of n checks that are new at now: within the
// interval, within two seconds and, unless the interval is short, n milliseconds.
func (s Schedule) First(now time.Time, n int) time.Time {
	spread := min(time.Duration(n)*firstShare, firstSpread)
	if s.Interval <= max(spread, gridClose) {
		return s.gridAfter(now)
	}
	share := float64(s.Phase) / float64(s.Interval)
	return now.Add(time.Duration(share * float64(spread)))
}

// Next returns the start that follows the one at start, never before now, the
// end of that probe. Starts that passed meanwhile are skipped, unless the last
// of them is less than a quarter of the interval ago: it is made up for at once,
// lest a timeout equal to the interval halve the rate.
//
// While the results contradict the verdict (settled is false), Fast applies.
func (s Schedule) Next(start, now time.Time, settled bool) time.Time {
	// Half an interval at least lies between two starts off the grid.
	next := s.gridAfter(later(now.Add(-s.Interval/4), start.Add(s.Interval/2)))
	if fast := start.Add(s.Fast); !settled && s.Fast > 0 && fast.Before(next) {
		next = fast
	}
	return later(next, now)
}

// Skip returns the first start of the grid after now: where a check goes on whose
// starts were missed because the director stalled. Made up for all at once, they
// would be a burst.
func (s Schedule) Skip(now time.Time) time.Time { return s.gridAfter(now) }

// gridAfter returns the first point of the grid after t.
func (s Schedule) gridAfter(t time.Time) time.Time {
	since := t.Sub(s.Epoch) - s.Phase
	n := since / s.Interval
	if since < 0 {
		n-- // division rounds towards zero
	}
	// Point n is before t but for its jitter, or at t; of n + 1 neither is so.
	if p := s.point(n); p.After(t) {
		return p
	}
	return s.point(n + 1)
}

// point is point n of the grid. Its jitter follows from its number: asked again, it
// is at the same place.
func (s Schedule) point(n time.Duration) time.Time {
	at := s.Epoch.Add(s.Phase + n*s.Interval)
	if s.Jitter > 0 {
		at = at.Add(part(uint64(s.Phase)^uint64(n)*0x9e3779b97f4a7c15, s.Jitter))
	}
	return at
}

func later(t, u time.Time) time.Time {
	if t.After(u) {
		return t
	}
	return u
}
