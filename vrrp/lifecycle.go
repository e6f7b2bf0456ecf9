package vrrp

import (
	"net/netip"
	"slices"
)

// This file is what comes from outside the protocol: start and stop, the
// operator's commands, and a new configuration.

// start leaves Initialize; as master only if that is allowed.
func (m *Machine) start(ev Started, asMaster bool) {
	if m.state != Initialize {
		panic("vrrp: Started in state " + m.state.String())
	}
	m.mayHold = m.mayHold || ev.Held
	m.fault = fault{leftAt: never}
	m.commanded = ev.Resume != nil && ev.Resume.HandOver
	m.lowered = m.commanded
	if reason, detail := m.cause(); reason != "" {
		m.enterFault(reason, detail)
		return
	}
	if ev.Resume != nil && m.resumeFrom(ev.Resume, ev.Held, asMaster) {
		return
	}
	m.begin(ReasonStarted, asMaster)
}

// masterStill reports whether a crashed process's mastership is in force: its last
// word is younger than the quickest takeover. (Not than the master-down interval
// of our own priority: a better router's is shorter.)
func (m *Machine) masterStill(saved *Saved, held bool) bool {
	age := m.now.Sub(saved.LastAdvert)
	return saved.State == Master && held && age >= 0 && age < QuickestTakeover(m.cfg.Version, m.cfg.Interval, m.cfg.DownAdverts)
}

// resumeFrom takes a crashed process's role up again, if its last word is young
// enough to be in force. It reports whether it is.
func (m *Machine) resumeFrom(saved *Saved, held, asMaster bool) bool {
	switch saved.State {
	case Master:
		if !asMaster || !m.masterStill(saved, held) {
			return false
		}
		m.fault.settled = true
		m.resume(saved)
		return true
	case Backup:
		m.awaitSilence(m.cfg.DownAdverts)
		if m.cfg.Version == Version3 {
			m.backup.interval = saved.Interval
		}
		m.backup.from, m.backup.peer = min(saved.Heard, m.now), saved.Master
		if m.takeoverAt() <= m.now {
			return false
		}
		// Nobody listened since the crash. The old deadline is worth something
		// only if no advert has been due in between.
		if m.now.Sub(m.backup.from) >= m.interval() {
			m.backup.from = m.now
		}
		m.fault.settled = true
		m.enterBackup(ReasonResumed)
		return true
	}
	return false
}

// begin starts to serve: as master if the addresses are our own, else by waiting
// for a silence.
func (m *Machine) begin(reason Reason, asMaster bool) {
	owner := m.Priority() == PriorityOwner
	delay := m.cfg.StartupDelay
	if m.fault.settled {
		delay = 0
	}
	m.fault.settled = true
	if owner && delay == 0 && asMaster {
		m.promote(ReasonOwner, netip.Addr{}, "")
		return
	}
	m.awaitSilence(m.cfg.DownAdverts)
	if owner {
		m.backup.adverts = 0
	}
	m.backup.floor = m.now.Add(delay)
	m.enterBackup(reason)
}

// enterBackup enters Backup from Initialize or Fault. Addresses found on the
// interface are a master's, which we are not.
func (m *Machine) enterBackup(reason Reason) {
	if m.mayHold {
		m.release()
	}
	m.transit(Backup, reason, netip.Addr{}, "")
}

// stop begins to leave. Step finishes it as soon as the machine neither is
// master nor lingers.
func (m *Machine) stop(wait bool) {
	if m.stopping && wait {
		return // under way
	}
	m.stopping = true
	switch {
	case m.state == Initialize:
		m.stopping = false
		m.emit(Finished{})
	case m.state == Master && wait:
		m.lowered = true
		m.expectSuccessor()
	case m.state == Master:
		m.demote(resigned)
		m.finish(ReasonStopped)
	case m.lingerAt != never && wait:
	case m.mayHold:
		m.release()
	}
}

// left reports whether a machine that stops has done all it had to.
func (m *Machine) left() bool {
	return m.stopping && m.state != Master && m.lingerAt == never
}

// finish is the end of a machine that stops.
func (m *Machine) finish(reason Reason) {
	m.stopping, m.lowered, m.commanded = false, false, false
	m.transit(Initialize, reason, netip.Addr{}, "")
	m.emit(Finished{})
}

// handOver lowers the priority of a master, and waits for a successor.
func (m *Machine) handOver() {
	if m.state != Master {
		m.reject(RejectCommand)
		return
	}
	m.lowered, m.commanded = true, true
	m.expectSuccessor()
}

// expectSuccessor says at once that the priority is the lowest, and gives the
// slowest backup the time to take over.
func (m *Machine) expectSuccessor() {
	slowest := MasterDown(m.cfg.Version, PriorityLowest, m.cfg.Interval, m.cfg.DownAdverts)
	m.master.handOverAt = m.now.Add(slowest + handOverMargin)
	m.send(m.Priority())
}

// nobodyTookOver ends the wait for a successor: who stops leaves all the same,
// who was commanded stays, with the priority of before.
func (m *Machine) nobodyTookOver() {
	m.master.handOverAt = never
	if m.stopping {
		m.demote(resigned)
		m.finish(ReasonNobodyTookOver)
		return
	}
	m.emit(Finding{Reason: ReasonNobodyTookOver})
	m.lowered, m.commanded = false, false
	m.answer()
}

// liftHandOver restores the priority after a commanded hand-over.
func (m *Machine) liftHandOver() {
	if !m.commanded {
		return
	}
	m.commanded = false
	m.lowered = m.stopping
	if m.state == Master && !m.stopping {
		m.master.handOverAt = never
		m.answer()
	}
}

// reconfigure installs a new configuration. Backups need next to nothing: their
// deadline is computed. A master says what changed.
func (m *Machine) reconfigure(ev Reconfigured) {
	if ev.Config.VRID != m.cfg.VRID || ev.Config.withDefaults().Version != m.cfg.Version {
		panic("vrrp: another VRID or version is another virtual router")
	}
	old, priority := m.cfg, m.Priority()
	m.configure(ev.Config)
	if m.backup.adverts == old.DownAdverts { // else a resignation or a stall has said how many
		m.backup.adverts = m.cfg.DownAdverts
	}
	if old.Addresses[0].Is4() != m.cfg.Addresses[0].Is4() {
		panic("vrrp: another address family is another virtual router")
	}
	addresses := ev.AddressesChanged || !slices.Equal(old.Addresses, m.cfg.Addresses)
	if addresses {
		m.forgetAddresses()
	}
	if ev.Config.Source.IsValid() {
		m.sourceIs(ev.Config.Source)
	}
	m.fault.retryAt = m.now // the configuration may have been the fault
	m.judge()
	if m.state != Master {
		return
	}
	s := &m.master
	if m.cfg.Interval != old.Interval {
		// Not later than promised: backups count in the old interval until
		// they hear of the new one.
		s.advertAt = max(m.now, min(s.advertAt, s.sent.Add(m.cfg.Interval)))
	}
	if m.Priority() != priority {
		m.answer()
	}
	if s.holds && (m.cfg.Announce.Refresh != old.Announce.Refresh || !slices.Equal(m.cfg.Announce.Offsets, old.Announce.Offsets)) {
		m.scheduleAnnouncement()
	}
	if addresses || m.cfg.Lease != old.Lease {
		s.announceOnClaim = s.announceOnClaim || addresses
		m.claim()
	}
}
