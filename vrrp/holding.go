package vrrp

import (
	"net/netip"
	"time"
)

// This file is the part of a master that holds addresses: claims, leases,
// announcements, and rivals.

const (
	// reclaimGap bounds how often an address that somebody keeps removing is
	// claimed again.
	reclaimGap = 20 * time.Millisecond
	// assertGap bounds, with the interval, how often clients are told again.
	assertGap = time.Second
	// announceRetry is how soon a failed announcement is made up for.
	announceRetry = time.Second
)

// claim emits the claim of the addresses.
func (m *Machine) claim() {
	m.mayHold = true
	m.master.holds = false
	m.master.reclaimAt = never
	m.master.claimedAt = m.now
	m.emit(Claim{Lease: m.cfg.Lease})
}

// claimed takes the outcome of a Claim.
func (m *Machine) claimed(err error) {
	if m.state != Master {
		return
	}
	if err != nil {
		m.fail(ReasonClaimFailed, err)
		return
	}
	s := &m.master
	s.holds = true
	s.renewed = m.now
	if s.announceOnClaim {
		s.announceOnClaim = false
		m.startAnnouncements()
	} else if s.announceAt == never && m.cfg.Announce.Refresh > 0 {
		s.announceFrom, s.round = m.now, len(m.cfg.Announce.Offsets)
		s.announceAt = m.now.Add(m.cfg.Announce.Refresh)
	}
	if !s.synced {
		s.synced = true
		m.emit(SetSyncRole{Master: true})
	}
}

// renew extends the lease when it is time. Half an interval of tolerance keeps
// the jitter of the timer from skipping a renewal.
func (m *Machine) renew() {
	if m.cfg.Lease == 0 {
		return
	}
	switch age := m.now.Sub(m.master.renewed); {
	case m.leaseEnded():
		m.reclaim() // nothing is left to renew
	case age >= renewPeriod(m.cfg.Interval, m.cfg.Lease)-m.cfg.Interval/2:
		m.emit(m.renewal)
	}
}

// renewed takes the outcome of a Renew. A failure is made up for with the next
// advert: a lease outlives one lost renewal.
func (m *Machine) renewed(err error) {
	if m.state != Master {
		return
	}
	if err != nil {
		m.emit(Finding{Reason: FindingRenewFailed, Detail: err.Error()})
		return
	}
	m.master.renewed = m.now
}

// addressLost puts back what somebody removed. It is no reason for a failover.
func (m *Machine) addressLost(a netip.Addr) {
	if m.state != Master {
		return
	}
	m.reclaim()
	if m.state == Master && m.now >= m.master.lossReportAt {
		m.master.lossReportAt = m.now.Add(max(m.cfg.Interval, assertGap))
		m.emit(Finding{Reason: FindingAddressLost, Detail: a.String()})
	}
}

// leaseEnded reports whether the kernel may have removed the addresses, whether
// it has told us or not.
func (m *Machine) leaseEnded() bool {
	return m.cfg.Lease > 0 && m.master.holds && m.now.Sub(m.master.renewed) >= m.cfg.Lease
}

// reclaim puts addresses back and announces them: at once, or as soon as it is
// allowed. But addresses that are gone because no advert leaves stay gone.
func (m *Machine) reclaim() {
	s := &m.master
	if s.failures > 0 {
		m.fail(ReasonSendFailed, nil)
		return
	}
	s.holds = false
	s.announceOnClaim = true
	s.announceAt = never
	if gap := s.claimedAt.Add(reclaimGap); m.now < gap {
		s.reclaimAt = gap
		return
	}
	m.claim()
}

// startAnnouncements begins the schedule anew.
func (m *Machine) startAnnouncements() {
	m.master.announceFrom, m.master.round = m.now, 0
	m.scheduleAnnouncement()
	if m.master.announceAt <= m.now {
		m.announce()
	}
}

// announce emits one announcement and schedules the next.
func (m *Machine) announce() {
	if m.leaseEnded() {
		m.reclaim()
		return
	}
	m.emit(Announce{Round: m.master.round})
	m.counters.Announcements++
	m.master.round++
	m.scheduleAnnouncement()
	for m.master.announceAt <= m.now { // no catching up
		m.master.round++
		m.scheduleAnnouncement()
	}
}

// scheduleAnnouncement arms the timer for the round that is next: an offset of
// the burst, or the refresh.
func (m *Machine) scheduleAnnouncement() {
	s, plan := &m.master, &m.cfg.Announce
	last := time.Duration(0)
	if n := len(plan.Offsets); s.round < n {
		s.announceAt = s.announceFrom.Add(plan.Offsets[s.round])
		return
	} else if n > 0 {
		last = plan.Offsets[n-1]
	}
	if plan.Refresh <= 0 {
		s.announceAt = never
		return
	}
	s.announceAt = next(s.announceFrom.Add(last), plan.Refresh, m.now)
}

// announced takes the outcome of an Announce.
func (m *Machine) announced(err error) {
	if err == nil || m.state != Master || !m.master.holds {
		return
	}
	m.emit(Finding{Reason: FindingAnnounceFailed, Detail: err.Error()})
	m.master.announceAt = min(m.master.announceAt, m.now.Add(announceRetry))
}

// assert tells the clients again who holds the addresses, at a bounded rate: at
// once, or as soon as it is allowed. It reports whether it was at once.
func (m *Machine) assert() bool {
	s := &m.master
	if !s.holds {
		s.announceOnClaim = true
		return false
	}
	if m.now < s.assertAt {
		s.announceAt = min(s.announceAt, s.assertAt)
		return false
	}
	s.assertAt = m.now.Add(max(m.cfg.Interval, assertGap))
	m.startAnnouncements()
	return true
}

// contest deals with another router that believes to be master and has lost: it
// is told at once, and the clients are told again, since they may have heard it.
func (m *Machine) contest(ad *AdvertReceived) {
	s := &m.master
	m.answer()
	if m.now.Sub(m.since) < m.cfg.Interval && m.reason != ReasonResumed {
		return // who was just relieved may say so, or not have heard us yet: we are announcing
	}
	if s.rival != ad.Source {
		m.endContest()
		s.rival, s.rivalSince = ad.Source, m.now
	}
	s.rivalAt = m.now
	if m.assert() {
		m.emit(Finding{Reason: FindingTwoMasters, Peer: ad.Source, Ours: priorityText(m.Priority()), Theirs: priorityText(ad.Priority)})
	}
	// It has had the time to hear several of our adverts, and goes on.
	if m.state == Master && !s.rivalOneWay && m.now.Sub(s.rivalSince) > m.ownMasterDown() {
		s.rivalOneWay = true
		m.emit(Finding{Reason: FindingOneWay, Peer: ad.Source})
	}
}

// endContest forgets the rival and clears what was found about it.
func (m *Machine) endContest() {
	s := &m.master
	if !s.rival.IsValid() {
		return
	}
	m.emit(Finding{Reason: FindingTwoMasters, Peer: s.rival, Cleared: true})
	if s.rivalOneWay {
		m.emit(Finding{Reason: FindingOneWay, Peer: s.rival, Cleared: true})
	}
	s.rival, s.rivalOneWay = netip.Addr{}, false
}

// announcementHeard is another host announcing one of our addresses: to a master
// a rival or a stranger, to one that was relieved the word it waits for.
func (m *Machine) announcementHeard(a netip.Addr) {
	switch {
	case m.state == Master:
		if m.assert() {
			m.emit(Finding{Reason: FindingForeignAnnouncement, Detail: a.String()})
		}
	case m.lingerAt != never:
		m.release()
	}
}
