package healthcheck

import (
	"context"
	"fmt"
	"time"
)

// A PeerVerdict is what another director holds of a check that is ours as well.
type PeerVerdict struct {
	By      string    // who
	Verdict Verdict   // Up or Down
	Since   time.Time // when it was reached, by our clock
	Probed  time.Time // when its last result that counted came, or later than we can tell
	Weight  Weight    // what the server said of itself
	Failure Failure   // why it is down
	Detail  string    // likewise
}

// ReasonPeer is the reason of a verdict that another director had reached.
const ReasonPeer Reason = "peer" // taken over from another director

// Probed returns when the last result of our own came that counted; zero if none of the
// last few did.
func (s *State) Probed() time.Time {
	for back := uint64(1); back <= min(s.Results, recent); back++ {
		if r := s.ring[(s.Results-back)%recent].result(); r.Counts() {
			return r.At
		}
	}
	return time.Time{}
}

// Witnessed reports whether the verdict rests on results of our own: others may be told.
func (s *State) Witnessed() bool {
	probed := s.Probed()
	return s.Verdict != Unknown && !probed.IsZero() && (s.Reason != ReasonPeer || probed.After(s.Cause.At))
}

// TakeOver makes the verdict of another director ours, if it is fresher than what we know
// ourselves, and reports whether that changed anything: the verdict, or the weight of a
// server that is up. Results in a row begin anew then: ours and the other's do not add up.
// It is no fall that damping counts: the server may have been down for long.
//
// A result of ours that is no older than current is as good as any. The other director is
// about to be master no more, and the reason may be that it sees nobody: whose own eyes are
// open trusts them.
func (t *Tracker) TakeOver(v PeerVerdict, current time.Duration, now time.Time) (changed bool) {
	s := t.State()
	known := s.Probed()
	if current > 0 && now.Sub(known) <= current {
		return false
	}
	if s.Reason == ReasonPeer && s.Cause.At.After(known) {
		known = s.Cause.At
	}
	same := v.Verdict == t.verdict && (v.Verdict == Down || v.Weight == t.weight)
	if v.Verdict == Unknown || same || !v.Probed.After(known) {
		return false
	}
	if v.Verdict != t.verdict {
		t.become(v.Verdict, ReasonPeer, noteOf(v.result(now)), v.Since)
	}
	t.BreakRow()
	t.weight = v.Weight
	return true
}

// result is the verdict as a result of ours, at now: "as lb1 saw it 300ms ago: http 503".
func (v *PeerVerdict) result(now time.Time) Result {
	detail := fmt.Sprintf("as %s saw it %v ago", v.By, now.Sub(v.Probed).Round(time.Millisecond))
	if v.Detail != "" {
		detail += ": " + v.Detail
	}
	return Result{Failure: v.Failure, Detail: clip(detail), At: v.Probed, Weight: v.Weight}
}

// handover is a set of verdicts of others on its way to the loop.
type handover struct {
	verdicts map[string]PeerVerdict
	taken    int
	done     chan struct{}
}

// TakeOver takes over verdicts of other directors, by ID of the check, where they are
// fresher than ours (see [Tracker.TakeOver]), and returns how many were. When it returns,
// each shows in its Status; the changes come as all others do. It waits for Run.
func (c *Checker) TakeOver(ctx context.Context, verdicts map[string]PeerVerdict) (taken int, err error) {
	h := &handover{verdicts: verdicts, done: make(chan struct{})}
	select {
	case c.told <- h:
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-c.stopped:
		return 0, ErrStopped
	}
	<-h.done // the loop has it and blocks on nothing
	return h.taken, nil
}

// takeOver takes over the verdict of another director. Only the loop does. While a check
// runs as always, its last result is as good as any.
func (m *member) takeOver(v PeerVerdict, now time.Time) (changed bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	current := time.Duration(0)
	if m.job.pace == Same {
		current = m.check.Spec.Interval + m.check.Spec.Timeout
	}
	return m.tracker.TakeOver(v, current, now)
}

// takeOver does it on the loop. Who was taken at another's word is asked at once: it may
// have been wrong.
func (l *loop) takeOver(h *handover, now time.Time) {
	defer close(h.done)
	for id, v := range h.verdicts {
		m := l.members[id]
		if m == nil {
			continue
		}
		before := m.tracker.verdict
		if !m.takeOver(v, now) {
			continue
		}
		h.taken++
		l.pending = append(l.pending, Change{ID: id, From: before, To: v.Verdict, Reason: ReasonPeer, Cause: v.result(now), At: now})
		l.hurry(m.job, now)
	}
}
