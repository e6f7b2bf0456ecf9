package vrrp

import (
	"net/netip"
	"time"
)

// fault is what outlives single states about not being able to serve.
type fault struct {
	settled   bool    // served once since Started: the start-up delay is over
	failures  int     // claims or sends that failed, without a success between
	retryAt   Instant // after such a failure: not before
	settleAt  Instant // after flapping: not before
	relapsed  bool    // while it settles: there is a cause again
	preemptAt Instant // after such a failure: no preemption before
	leftAt    Instant // Fault was left last; never: not yet
}

// Bounds of the retry after a failed claim or send. To try where nobody serves is
// cheap. To preempt a healthy master with what may fail again is not: the clients
// pay for it, so that waits longer.
const (
	retryMin        = time.Second
	retryMax        = 8 * time.Second
	preemptRetryMin = 30 * time.Second
	preemptRetryMax = 8 * time.Minute
)

// backOff returns the pause after so many failures in a row: it doubles.
func backOff(failures int, least, most time.Duration) time.Duration {
	return min(least<<min(failures-1, 16), most)
}

// cause returns why the circumstances forbid to serve, or "": our own, or those
// of another member of the group.
func (m *Machine) cause() (Reason, string) {
	if reason, detail := m.ownCause(); reason != "" || m.group.fault == "" {
		return reason, detail
	}
	return ReasonGroupFault, m.group.fault
}

// ownCause is the cause without the group's.
func (m *Machine) ownCause() (Reason, string) {
	switch {
	case !m.linkUp:
		return ReasonLinkDown, ""
	case !m.source.IsValid():
		return ReasonNoSourceAddress, ""
	case m.trackFault != "":
		return ReasonTrackFault, m.trackFault
	}
	return "", ""
}

// faultOver returns when Fault can be left without another event, or has another
// reason, or never.
func (m *Machine) faultOver() Instant {
	if reason, _ := m.cause(); reason != "" && !m.settling() {
		return never
	}
	return m.fault.over()
}

// settling reports whether a fault that flaps is waited out. Until then what comes and
// goes is neither told nor counted: a flapping link is one story.
func (m *Machine) settling() bool { return m.state == Fault && m.reason == ReasonSettling }

// over returns when a fault whose cause has gone can be left.
func (f *fault) over() Instant { return max(f.retryAt, f.settleAt) }

// judge enters or leaves Fault as the circumstances demand.
func (m *Machine) judge() {
	if m.state == Initialize {
		return
	}
	reason, detail := m.cause()
	switch {
	case reason != "" && m.state != Fault:
		m.enterFault(reason, detail)
	case m.state != Fault:
	case m.settling() && m.now < m.fault.over():
		relapsed := reason != "" && reason != ReasonGroupFault
		if relapsed && !m.fault.relapsed { // it did not hold
			m.fault.settleAt = m.now.Add(m.ownMasterDown())
		}
		m.fault.relapsed = relapsed
	case reason != "" && reason != ReasonGroupFault:
		m.faultIs(reason, detail)
	case m.now < m.fault.over():
		if m.reason != ReasonClaimFailed && m.reason != ReasonSendFailed {
			m.fault.relapsed = false
			m.faultIs(ReasonSettling, "")
		}
	case reason != "":
		m.faultIs(reason, detail)
	default:
		m.fault.leftAt = m.now
		m.begin(ReasonRecovered, !m.group.bound)
	}
}

// faultIs reports that another reason than before keeps us in Fault.
func (m *Machine) faultIs(reason Reason, detail string) {
	if m.reason != reason || m.detail != detail {
		m.transit(Fault, reason, netip.Addr{}, detail)
	}
}

// enterFault stops serving. A master resigns, if it can be heard. A fault that
// comes back within a master-down interval is not trusted to end until nothing was
// wrong for as long, so that a flapping link costs two falls and not one a flap.
func (m *Machine) enterFault(reason Reason, detail string) {
	if m.fault.leftAt != never && m.now.Sub(m.fault.leftAt) < m.ownMasterDown() {
		m.fault.settleAt = m.now.Add(m.ownMasterDown())
	}
	switch {
	case m.state == Master:
		last := silent // without a link, an address or a send that works
		if reason == ReasonTrackFault || reason == ReasonClaimFailed || reason == ReasonGroupFault {
			last = resigned
		}
		m.demote(last)
	case m.mayHold:
		m.release()
	}
	m.backup.reset()
	m.transit(Fault, reason, netip.Addr{}, detail)
}

// fail enters Fault because an effect failed. No event will say when it would
// succeed: it is tried again after a pause.
func (m *Machine) fail(reason Reason, detail string) {
	m.fault.failures++
	m.fault.retryAt = m.now.Add(backOff(m.fault.failures, retryMin, retryMax))
	m.fault.preemptAt = m.now.Add(backOff(m.fault.failures, preemptRetryMin, preemptRetryMax))
	m.enterFault(reason, detail)
}

// linkChanged takes the state of the interface.
func (m *Machine) linkChanged(ev LinkChanged) {
	if ev.Up != m.linkUp {
		m.fault.retryAt, m.fault.preemptAt = m.now, m.now // the link may have been the fault
	}
	m.linkUp = ev.Up
	m.sourceIs(ev.Source)
	m.judge()
}

// sourceIs takes the primary address. A zone is dropped: it means nothing to the
// peers with which the address is compared.
func (m *Machine) sourceIs(a netip.Addr) {
	m.source = a.WithZone("")
	m.advert = nil
}

// trackChanged takes the state of what is tracked. A master whose priority
// changed says so at once.
func (m *Machine) trackChanged(ev TrackChanged) {
	before := m.Priority()
	m.adjust, m.trackFault = ev.Adjust, ev.Fault
	m.judge()
	if m.state == Master && m.Priority() != before {
		m.answer()
	}
}
