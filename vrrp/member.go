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
	reason, _ := m.ownCause()
	switch {
	case reason != "" || ev.Resume.State == Backup: // whose master may be alive
		return false
	case m.masterStill(ev.Resume, ev.Held):
		return true
	}
	return m.Priority() == PriorityOwner && m.cfg.StartupDelay == 0 && !ev.Resume.HandOver
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
// Otherwise the winner, who is master here as well, has to announce itself again,
// as in yield. But here no election was lost, and an ordinary advert could win one.
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
		m.demote(conceded)
		m.awaitSilence(m.cfg.DownAdverts)
	}
	m.transit(Backup, ReasonGroup, netip.Addr{}, other.cfg.Name)
}

// resignedElsewhere tells a backup that the master of another member has resigned.
// Groups move as one, so that one word counts on every segment. Nothing on the wire
// says that the masters of two segments are one node; but then they became masters
// at one time, not just now, when others may have too, and ours has said nothing
// since the resignation. (An owner can have returned.)
func (m *Machine) resignedElsewhere(other *backup, at Instant) {
	b := &m.backup
	if m.state != Backup || !b.peer.IsValid() || b.peerPriority == PriorityOwner || b.heard > at {
		return
	}
	interval := max(b.interval, other.interval, m.cfg.Interval)
	first, second := min(b.peerSince, other.peerSince), max(b.peerSince, other.peerSince)
	if second.Sub(first) < 2*interval && at.Sub(second) >= interval {
		m.masterResigned(b.peer, at)
	}
}
