package vrrp

import (
	"math"
	"net/netip"
	"time"
)

// backup is what only a backup knows. It waits for a silence: of so many
// adverts, counted from an instant, and of its skew. The deadline is computed
// from these and never stored, so that a change of priority or configuration is
// in force at once.
type backup struct {
	from    Instant // the silence counts from here: the last accepted advert, or the start
	adverts int     // how many intervals it lasts: DownAdverts, or 0 after a resignation
	floor   Instant // no takeover before: start-up delay, or listening after a stall

	heard    Instant       // when the last accepted advert was received
	interval time.Duration // its interval, version 3; 0: none learnt
	resigned netip.Addr    // the master whose resignation started this silence

	peer         netip.Addr // the current master; invalid: none, or it resigned
	peerPriority Priority
	peerSince    Instant // it has been the current one since
	peerHeard    Instant

	challenged   netip.Addr // the master of lower priority that is to be preempted
	challengedAt Instant    // when it was last heard
	preemptFrom  Instant    // preempt_delay counts from here; never: it has not begun

	stalled bool // this silence was extended already
}

func (b *backup) reset() {
	*b = backup{heard: math.MinInt64, floor: math.MinInt64, preemptFrom: never}
}

// interval returns the interval that timers count in: the master's, once it is
// known, in version 3; our own in version 2.
func (m *Machine) interval() time.Duration {
	if m.backup.interval != 0 {
		return m.backup.interval
	}
	return m.cfg.Interval
}

// takeoverAt returns the deadline of a backup.
func (m *Machine) takeoverAt() Instant {
	wait := MasterDown(m.cfg.Version, m.Priority(), m.interval(), m.backup.adverts)
	return max(m.backup.from.Add(wait), m.backup.floor)
}

// listen postpones any takeover by one interval and one skew from now: enough to
// hear whoever is master.
func (m *Machine) listen() {
	m.backup.floor = max(m.backup.floor, m.now.Add(MasterDown(m.cfg.Version, m.Priority(), m.interval(), 1)))
}

// awaitSilence makes a fresh start as a backup.
func (m *Machine) awaitSilence(adverts int) {
	m.backup.reset()
	m.backup.from, m.backup.adverts = m.now, adverts
}

// backupTimer takes over when the silence is complete.
func (m *Machine) backupTimer() {
	at := m.takeoverAt()
	if m.now < at || m.group.bound || m.wokenLate(at) {
		return
	}
	reason, by := m.takeoverReason()
	m.promote(reason, by, "")
}

// wokenLate reports whether the takeover that was due at at is so late that the
// silence may have been our own: then it is extended, once.
func (m *Machine) wokenLate(at Instant) bool {
	late := m.now.Sub(at)
	if late <= m.interval() || m.backup.stalled {
		return false
	}
	m.backup.stalled = true
	m.listen()
	m.emit(Finding{Reason: ReasonStalled, Detail: late.String()})
	return true
}

// takeoverReason says why the silence ended in a takeover, and whom it concerns.
func (m *Machine) takeoverReason() (Reason, netip.Addr) {
	b := &m.backup
	switch {
	case m.Priority() == PriorityOwner:
		return ReasonOwner, b.peer
	case b.resigned.IsValid():
		return ReasonMasterResigned, b.resigned
	case b.challenged.IsValid() && m.now.Sub(b.challengedAt) <= MasterDown(m.cfg.Version, PriorityLowest, m.interval(), m.cfg.DownAdverts):
		return ReasonPreempted, b.challenged
	case b.peer.IsValid():
		return ReasonMasterDown, b.peer
	}
	return ReasonNoMaster, netip.Addr{}
}

// backupHears handles a valid advert.
func (m *Machine) backupHears(ad *AdvertReceived) {
	b := &m.backup
	m.witness(ad)
	switch {
	case ad.Priority == PriorityResign:
		m.backupHearsResignation(ad)
	case ad.Priority < m.Priority() && m.preempts(ad):
		// Discarded: the timer runs on (RFC 9568 §6.4.2).
		b.challenged, b.challengedAt = ad.Source, ad.ReceivedAt
		m.ignore(RejectLowerPriority)
		if m.group.bound {
			m.concede(ad) // we win, but another member does not
		}
	case ad.ReceivedAt < b.heard:
		m.ignore(RejectStale)
	default:
		if ad.Priority >= m.Priority() {
			b.preemptFrom = never
		}
		m.follow(ad)
		m.concede(ad)
	}
}

// backupHearsResignation shortens the silence to the skew, if it was the master
// who resigned. It never lengthens it, and a duplicate does nothing.
func (m *Machine) backupHearsResignation(ad *AdvertReceived) {
	b := &m.backup
	current := b.peer
	if !current.IsValid() {
		current = b.challenged
	}
	if ad.Source != current {
		m.ignore(RejectNotTheMaster)
		return
	}
	m.masterResigned(ad.Source, ad.ReceivedAt)
}

// masterResigned ends the time of a master.
func (m *Machine) masterResigned(by netip.Addr, at Instant) {
	b := &m.backup
	b.peer, b.challenged, b.resigned = netip.Addr{}, netip.Addr{}, by
	if at.Add(Skew(m.cfg.Version, m.Priority(), m.interval())) < m.takeoverAt() {
		b.from, b.adverts = at, 0
	}
}

// preempts reports whether a master of lower priority is to be relieved: not
// without preemption, not before we have known of it for the preempt delay (what
// waited in the socket while we were asleep counts from now), and not too soon after
// we failed to serve ourselves.
func (m *Machine) preempts(ad *AdvertReceived) bool {
	if !m.cfg.Preempt {
		return false
	}
	if m.backup.preemptFrom == never {
		m.backup.preemptFrom = m.now
	}
	return m.now >= max(m.backup.preemptFrom.Add(m.cfg.PreemptDelay), m.fault.preemptAt)
}

// follow accepts an advert: the silence counts anew from the time at which the
// kernel received it. Its sender is the master; but of two that speak in the same
// time the better one is: it will win, and its resignation must count.
func (m *Machine) follow(ad *AdvertReceived) {
	b := &m.backup
	recent := ad.ReceivedAt.Sub(b.peerHeard) < time.Duration(m.cfg.DownAdverts)*m.interval()
	better := b.peerPriority > ad.Priority || b.peerPriority == ad.Priority && b.peer.Compare(ad.Source) > 0
	if !b.peer.IsValid() || !better || !recent || b.peer == ad.Source {
		if b.peer != ad.Source || !recent { // one that returns is as new as another
			b.peerSince = ad.ReceivedAt
		}
		b.peer, b.peerPriority, b.peerHeard = ad.Source, ad.Priority, ad.ReceivedAt
	}
	b.heard = ad.ReceivedAt
	if m.cfg.Version == Version3 {
		b.interval = ad.Interval
	}
	b.from, b.adverts = ad.ReceivedAt, m.cfg.DownAdverts
	b.resigned, b.challenged = netip.Addr{}, netip.Addr{}
	b.stalled = false
	m.expireFindings()
}
