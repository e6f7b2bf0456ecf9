package healthcheck

import "time"

// lagMemory is how long a lateness of ours makes deadlines wider: who was late
// once will be late again, and a probe needs our time, too.
const lagMemory = 5 * time.Second

// noteLateness returns by how much the loop woke too late, and holds it in favour
// of all probes that run: they may have been starved as it was.
func (l *loop) noteLateness(now time.Time) time.Duration {
	if l.planned.IsZero() {
		return 0
	}
	late := max(0, now.Sub(l.planned))
	if late > time.Duration(l.c.stats.lateness.Load()) {
		l.c.stats.lateness.Store(int64(late))
	}
	if left := l.lagLeft(now); late >= left {
		l.lag, l.lagged = late, now
		l.c.stats.lag.Store(int64(late))
	} else {
		l.c.stats.lag.Store(int64(left))
	}
	if late > l.tolerance {
		for _, j := range l.judging {
			j.flight.late = max(j.flight.late, late)
		}
	}
	return late
}

// lagLeft is what is still to be expected of our worst lateness of late.
func (l *loop) lagLeft(now time.Time) time.Duration {
	left := lagMemory - now.Sub(l.lagged)
	if left <= 0 {
		return 0
	}
	return time.Duration(float64(l.lag) * float64(left) / float64(lagMemory))
}

// patience is the time that a probe gets: what its check says and, if we have been
// late ourselves, as much again at most.
func (l *loop) patience(timeout time.Duration, now time.Time) time.Duration {
	lag := l.lagLeft(now)
	if lag < startTick {
		return timeout
	}
	return timeout + min(lag, timeout)
}
