package track

import "time"

// Window is what was seen of a service of late. It is pure: time is an argument, and must not run backwards.
//
// A director that is master reports the best that it saw within the window, any other the worst. The window is one
// detection time of the service: by its end, the other director has seen what this one saw.
type Window struct {
	seen []sight // changes, newest last; the first may have begun before the window
}

// sight is a share that was seen from a time on.
type sight struct {
	from  time.Time
	share float64
}

// See notes what the share is from now on.
func (w *Window) See(now time.Time, share float64) {
	if n := len(w.seen); n > 0 && w.seen[n-1].share == share {
		return
	}
	w.seen = append(w.seen, sight{now, share})
}

// Known reports whether anything was seen at all.
func (w *Window) Known() bool { return len(w.seen) > 0 }

// Since returns when the share became what it is.
func (w *Window) Since() time.Time { return w.seen[len(w.seen)-1].from }

// Report returns the share to report: the best, for a master, or the worst that was seen within the time before now. If
// it will be another without anything new to be seen, next is when, else it is zero.
func (w *Window) Report(now time.Time, within time.Duration, master bool) (share float64, next time.Time) {
	w.forget(now.Add(-within))
	best := 0
	for i := range w.seen {
		// Of equals the newest: it lasts longest.
		if s := w.seen[i].share; s == w.seen[best].share || s > w.seen[best].share == master {
			best = i
		}
	}
	if best < len(w.seen)-1 {
		// What followed it ended it: from then on it ages.
		next = w.seen[best+1].from.Add(within)
	}
	return w.seen[best].share, next
}

// forget drops what ended at that time or before.
func (w *Window) forget(before time.Time) {
	n := 0
	for n < len(w.seen)-1 && !w.seen[n+1].from.After(before) {
		n++
	}
	w.seen = w.seen[n:]
}
