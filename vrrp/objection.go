package vrrp

import "time"

// objection is how a master deals with a stranger that announces its addresses. Clients
// believe the last that they heard, so it answers at once, and what it must not answer at
// once, because the rate is bounded, it answers when the stranger has gone silent.
type objection struct {
	notBefore Instant       // no answer before
	againAt   Instant       // the answer to what could not be answered at once
	againSaid Instant       // the last of those
	silence   time.Duration // how long the stranger must be silent for it
}

const (
	// answerTime is how soon a host answers an announcement that it objects to.
	answerTime = 100 * time.Millisecond
	// mostSilence is the longest that two that object to each other wait.
	mostSilence = time.Minute
)

func (o *objection) reset() { *o = objection{againAt: never, againSaid: never} }

// object answers a stranger that announced an address.
func (m *Machine) object() {
	o, gap := &m.master.objection, max(m.cfg.Interval, assertGap)
	switch {
	case o.againSaid != never && m.now.Sub(o.againSaid) < answerTime:
		// One that objects to our objection: neither shall go on like that for ever.
		o.silence = min(2*o.silence, mostSilence)
	case m.now >= o.notBefore:
		o.silence = gap
	}
	if m.now < o.notBefore {
		o.againAt = m.now.Add(o.silence)
		return
	}
	m.say(o, gap)
}

// objectAgain has the last word: the stranger is silent.
func (m *Machine) objectAgain() {
	o := &m.master.objection
	if !m.master.holds {
		o.againAt = never // what brings the addresses back announces them
		return
	}
	o.againSaid = m.now
	m.say(o, max(m.cfg.Interval, assertGap))
}

func (m *Machine) say(o *objection, gap time.Duration) {
	o.notBefore, o.againAt = m.now.Add(gap), never
	m.announceNow()
}
