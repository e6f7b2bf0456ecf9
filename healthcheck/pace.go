package healthcheck

import (
	"slices"
	"time"
)

// Pace says how often a check runs whose server this director does not send traffic to.
type Pace uint8

// The paces.
const (
	Same   Pace = iota // as always
	Slower             // a quarter as often
	Off                // not at all, once there is a verdict
)

// slower is by what the interval grows at [Slower].
const slower = 4

// hurry bounds the time in which all checks start anew that were slower or off: what
// they know is old, and from now on it matters.
const hurry = 500 * time.Millisecond

// hurryInterval is between the starts of such a check while its results contradict its
// verdict.
const hurryInterval = 100 * time.Millisecond

var paceNames = []string{Same: "same", Slower: "slower", Off: "off"}

// String returns "same", "slower" or "off".
func (p Pace) String() string { return paceNames[p] }

// MarshalText returns the name.
func (p Pace) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText accepts the name.
func (p *Pace) UnmarshalText(text []byte) error {
	i := slices.Index(paceNames, string(text))
	if i < 0 {
		return unknown("pace", string(text), paceNames)
	}
	*p = Pace(i)
	return nil
}

// paceOf is the pace of a job: that of the fastest of its members. Without a verdict
// there is no rest.
func (l *loop) paceOf(j *job) Pace {
	pace := Off
	for _, m := range j.members {
		p := l.paces[m.check.Group]
		if p == Off && !m.tracker.Settled() {
			p = Same
		}
		pace = min(pace, p)
	}
	return pace
}

// plan chooses the next start of a job that has just had a result; none, if it rests.
func (l *loop) plan(j *job, now time.Time, settled bool) {
	j.pace, j.hurried = l.paceOf(j), j.hurried && !settled
	s := l.schedule(j)
	switch {
	case j.pace == Off:
		return
	case j.pace == Slower:
		s.Interval *= slower
	case j.hurried && (s.Fast == 0 || s.Fast > hurryInterval):
		s.Fast = hurryInterval
	}
	l.startAt(j, s.Next(j.started, now, settled))
}

// hasten starts the jobs anew whose pace has become a faster one. Those that slow down
// do so with their next result.
func (l *loop) hasten(now time.Time) {
	for _, j := range l.jobs {
		was := j.pace
		if j.pace = l.paceOf(j); j.pace >= was {
			j.pace = was
			continue
		}
		l.hurry(j, now)
	}
}

// hurry starts a job anew, soon, and lets it go on in quick succession until it is sure.
func (l *loop) hurry(j *job, now time.Time) {
	j.hurried = true
	if j.queue == &l.judging {
		return // it is being asked
	}
	if j.queue != nil {
		j.queue.remove(j)
	}
	within := min(hurry, j.key.timing.interval)
	l.startAt(j, now.Add(time.Duration(float64(j.phase)/float64(j.key.timing.interval)*float64(within))))
}
