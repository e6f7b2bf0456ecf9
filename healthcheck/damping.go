package healthcheck

import "time"

// Damping keeps a server out that goes up and down all the time. Each of its turns
// moves connections and breaks some; fewer are lost by leaving it out until it has
// found its peace. The zero value damps nothing.
type Damping struct {
	Falls  int           // falls within Window that make a server a flapping one; 0: never
	Window time.Duration //
	Hold   time.Duration // for which a flapping server must be well without a break
}

// fell takes note of a fall.
func (t *Tracker) fell(at time.Time) {
	d := t.policy.Damping
	if d.Falls <= 0 {
		t.falls = nil
		return
	}
	t.falls = append(t.falls, at)
	if more := len(t.falls) - d.Falls; more > 0 {
		t.falls = append(t.falls[:0], t.falls[more:]...)
	}
	t.flapping = len(t.falls) == d.Falls && at.Sub(t.falls[0]) <= d.Window
}

// held reports whether a server that has risen is still to be left out. A policy that
// damps no longer releases it.
func (t *Tracker) held(now time.Time) bool {
	d := t.policy.Damping
	return t.flapping && d.Falls > 0 && now.Sub(t.well) < d.Hold
}
