package vrrp

import "net/netip"

// This file is a Machine as a member of a Group: what it leaves to the group, and
// what the group makes it do. A machine goes down by itself, and the group sees to
// it that the others follow in the same Step; it goes up only by the group.

// membership is what only a member of a group knows.
type membership struct {
	bound   bool     // promotion, and the end of a stop, are the group's decisions
	ceiling Priority // the lowest priority of the members; 0: none
	fault   string   // the other member that keeps the group in Fault, or ""
}

// inFault reports whether the machine, by itself, could not serve now.
func (m *Machine) inFault(now Instant) bool {
	reason, _ := m.ownCause()
	return reason != "" || m.state == Fault && now < m.fault.over()
}

// startsAsMaster reports whether the machine, by itself, would start as master.
func (m *Machine) startsAsMaster(ev *Started) bool {
	if reason, _ := m.ownCause(); reason != "" {
		return false
	}
	if ev.Resume != nil && m.masterStill(ev.Resume, ev.Held) {
		return true
	}
	return m.Priority() == PriorityOwner && m.cfg.StartupDelay == 0 && (ev.Resume == nil || !ev.Resume.HandOver)
}

// limitPriority puts the group's ceiling in force. A master whose priority changed
// says so at once.
func (m *Machine) limitPriority(ceiling Priority) {
	before := m.Priority()
	m.group.ceiling = ceiling
	if m.state == Master && m.Priority() != before {
		m.answer()
	}
}

// stepDown makes a master a backup because another member became one, and in the
// same way. A stall is the stall of all: nobody may speak before it has listened.
// Who was handed over keeps the addresses until its own successor announces them.
// Otherwise the group resigns: on this segment no election was lost, so an
// ordinary advert could win one.
func (m *Machine) stepDown(other *Machine) {
	switch {
	case other.reason == ReasonStalled:
		m.demote(silent)
		m.awaitSilence(1)
		m.listen()
	case m.lowered:
		m.relieve()
		m.awaitSilence(m.cfg.DownAdverts)
	default:
		m.demote(resigned)
		m.awaitSilence(m.cfg.DownAdverts)
	}
	m.transit(Backup, ReasonGroup, netip.Addr{}, other.cfg.Name)
}

// resignedElsewhere tells a backup that the master of another member has resigned.
// Groups move as one, so that one word counts on every segment; but not against a
// master that came, or spoke, since.
func (m *Machine) resignedElsewhere(other *backup, at Instant) {
	b := &m.backup
	if m.state == Backup && b.peer.IsValid() && b.peerSince <= other.peerHeard && b.heard <= at {
		m.masterResigned(b.peer, at)
	}
}
