package vrrp

import "time"

// objection is how a master deals with a stranger that announces its addresses. Clients
// believe the last that they heard, so it answers at once, as often as the rate, which is
// bounded, allows, and again when the stranger has gone silent: an answer may be lost, or
// be overtaken on its way by what it answers.
type objection struct {
	heard     Instant       // the stranger, last
	notBefore Instant       // no answer at once before
	againAt   Instant       // the last word is due
	againSaid Instant       // the last word was said
	silence   time.Duration // how long the stranger must be silent for it
}

const (
	// answerTime is how soon a host answers an announcement that it objects to.
	answerTime = 100 * time.Millisecond
	// mostSilence is the longest that two that object to each other wait.
	mostSilence = time.Minute
)

func (o *objection) reset() { *o = objection{heard: never, againAt: never, againSaid: never} }

// object answers a stranger that announced an address.
func (m *Machine) object() {
	o, gap := &m.master.objection, max(m.cfg.Interval, assertGap)
	switch {
	case o.againSaid != never && m.now.Sub(o.againSaid) < answerTime:
		// One that objects to our objection: neither shall go on like that for ever.
		o.silence = min(2*o.silence, mostSilence)
	case o.heard == never || m.now.Sub(o.heard) > 2*o.silence:
		o.silence = gap
	}
	o.heard, o.againAt = m.now, m.now.Add(o.silence)
	if m.now >= o.notBefore {
		o.notBefore = m.now.Add(gap)
		m.announceNow()
	}
}

// announced is told of every announcement of the schedule: when the stranger has been
// silent for a while, that is the last word, too.
func (o *objection) announced(now Instant) {
	if o.heard != never && now.Sub(o.heard) >= answerTime {
		o.againAt = never
	}
}

// objectAgain has the last word: the stranger is silent.
func (m *Machine) objectAgain() {
	o := &m.master.objection
	o.againAt = never
	if !m.master.holds {
		return // what brings the addresses back announces them
	}
	o.againSaid, o.notBefore = m.now, m.now.Add(max(m.cfg.Interval, assertGap))
	m.announceNow()
}
