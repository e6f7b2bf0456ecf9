package vrrp

import (
	"net/netip"
	"strconv"
	"time"
)

// This file is the part of a master that holds addresses: claims, leases,
// announcements, and rivals.

const (
	// reclaimGap bounds how often an address that somebody keeps removing is
	// claimed again.
	reclaimGap = 20 * time.Millisecond
	// assertGap bounds, with the interval, how often clients are told again, for
	// each of the causes to do so.
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
		m.fail(ReasonClaimFailed, err.Error())
		return
	}
	s := &m.master
	s.holds = true
	s.renewed = m.now
	if s.announceOnClaim {
		s.announceOnClaim = false
		m.startAnnouncements()
	} else if s.announceAt == never {
		m.goOnAnnouncing()
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
		m.fail(ReasonSendFailed, "the lease of the addresses ended")
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

// skipAnnouncements leaves out what would be repeated within a time. Where the clients
// are told again and again, once each time is enough, and repeats follow the last.
func (m *Machine) skipAnnouncements(within time.Duration) {
	s, offsets := &m.master, m.cfg.Announce.Offsets
	if s.announceAt == never || s.round >= len(offsets) {
		return
	}
	for s.round < len(offsets) && offsets[s.round] < within {
		s.round++
	}
	m.scheduleAnnouncement()
}

// startAnnouncements begins the schedule anew.
func (m *Machine) startAnnouncements() {
	m.master.announceFrom, m.master.round = m.now, 0
	m.goOnAnnouncing()
}

// announcing returns from when the announcements are scheduled, and how many rounds
// of them were made: what is still to be told begins there.
func (m *Machine) announcing() (from Instant, rounds int) {
	s := &m.master
	switch {
	case s.announceOnClaim:
		return m.now, 0
	case s.announceAt != never && s.announceAt == s.assertAt:
		return s.assertAt, 0
	}
	return s.announceFrom, s.round
}

// resumeAnnouncements takes up the schedule that a crash interrupted. Rounds that
// were due before the last sign of life were made, whether that was saved or not.
func (m *Machine) resumeAnnouncements(saved *Saved) {
	s, offsets := &m.master, m.cfg.Announce.Offsets
	s.announceFrom, s.round = saved.AnnounceFrom, saved.Announced
	if s.announceFrom == 0 { // nobody knows
		s.announceFrom, s.round = m.now, len(offsets)
	}
	for s.round < len(offsets) && s.announceFrom.Add(offsets[s.round]) < saved.LastAdvert {
		s.round++
	}
}

// goOnAnnouncing arms the timer for the round that is next, and makes it if it is due.
func (m *Machine) goOnAnnouncing() {
	m.scheduleAnnouncement()
	if m.master.announceAt <= m.now {
		m.announce()
	}
}

// announceNow emits one announcement. It reports whether there was something to
// announce.
func (m *Machine) announceNow() bool {
	if m.leaseEnded() {
		m.reclaim()
		return false
	}
	m.emit(Announce{Round: m.master.round})
	m.counters.Announcements++
	return true
}

// announce emits the announcement that is due and schedules the next.
func (m *Machine) announce() {
	if !m.announceNow() {
		return
	}
	m.master.objection.announced(m.now)
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
// once, or as soon as it is allowed. It reports whether it was done.
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
	gap := max(m.cfg.Interval, assertGap)
	goesOn := m.now.Sub(s.assertAt) < gap
	s.assertAt = m.now.Add(gap)
	m.startAnnouncements()
	if goesOn {
		m.skipAnnouncements(gap)
	}
	return m.state == Master // or the lease turned out to have ended
}

// rival is a router that believes to be master while another is: to a master, one
// that has lost; to a backup, one that is heard beside its master.
type rival struct {
	address      netip.Addr // invalid: there is none
	priority     Priority
	since, heard Instant // heard first, heard last
	adverts      int     // heard
	beside       string  // to a backup: the master
	reported     bool    // as one of two masters
	oneWay       bool    // reported as one that does not hear us
}

// finding is the evidence of two masters. ours is a master's priority.
func (r *rival) finding(ours Priority) Finding {
	f := Finding{Reason: FindingTwoMasters, Peer: r.address, Theirs: priorityText(r.priority), Since: r.since}
	f.Detail = "adverts heard: " + strconv.Itoa(r.adverts) + " in " + r.heard.Sub(r.since).Round(time.Millisecond).String()
	if r.beside == "" {
		f.Ours = priorityText(ours)
	} else {
		f.Detail += ", beside those of " + r.beside
	}
	return f
}

// end forgets a rival and clears what was found about it.
func (m *Machine) end(r *rival) {
	if r.reported {
		m.emit(Finding{Reason: FindingTwoMasters, Peer: r.address, Cleared: true})
	}
	if r.oneWay {
		m.emit(Finding{Reason: FindingOneWay, Peer: r.address, Cleared: true})
	}
	*r = rival{}
}

// contest deals with a losing advert: its sender is told at once, and the clients
// are told again, since they may have heard it.
func (m *Machine) contest(ad *AdvertReceived) {
	m.answer()
	if m.now.Sub(m.since) < m.cfg.Interval && m.reason != ReasonResumed {
		return // who was just relieved may say so, or not have heard us yet: we are announcing
	}
	r := &m.master.rival
	if r.address != ad.Source && m.now.Sub(r.heard) > m.ownMasterDown() {
		m.end(r)
	}
	r.hear(ad, m.now)
	if m.assert() {
		r.reported = true
		m.emit(r.finding(m.Priority()))
	}
	// It has had the time to hear several of our adverts, and goes on.
	if r.reported && !r.oneWay && r.heard.Sub(r.since) > m.ownMasterDown() {
		r.oneWay = true
		m.emit(Finding{Reason: FindingOneWay, Peer: r.address, Since: r.since})
	}
}

// hear counts an advert of a rival. Of several, one is followed.
func (r *rival) hear(ad *AdvertReceived, now Instant) {
	if !r.address.IsValid() {
		*r = rival{address: ad.Source, since: now}
	}
	if r.address == ad.Source {
		r.priority, r.heard = ad.Priority, now
		r.adverts++
	}
}

// lastWords is how many adverts a master that is relieved may send while its
// successor is heard, and no harm in it: the farewell, what it repeats of it at once,
// and one that crosses the successor's first.
const lastWords = quickWords + 2

// witness looks, as a backup, for a second master: one that goes on while the
// current master is heard. The two do not hear each other, or one does not yield;
// the clients of both suffer, and neither may know.
func (m *Machine) witness(ad *AdvertReceived) {
	b, r := &m.backup, &m.second
	other := b.peer
	if !other.IsValid() || ad.Source == other || ad.Priority == PriorityResign || ad.ReceivedAt.Sub(b.peerHeard) > 2*m.interval() {
		return
	}
	if m.now.Sub(r.heard) > m.ownMasterDown() {
		m.end(r)
	}
	r.hear(ad, m.now)
	r.beside = other.String()
	if r.adverts > lastWords && !r.reported {
		r.reported = true
		m.emit(r.finding(0))
	}
}

// announcementHeard is another host announcing one of our addresses: to a master
// a rival or a stranger, to one that was relieved the word it waits for.
func (m *Machine) announcementHeard(ev *AnnouncementHeard) {
	m.conceding.audible = true
	switch {
	case m.state == Master && m.lowered: // a successor, whose advert we have not heard yet
	case m.state == Master && m.master.holds:
		m.suspect(ev)
		m.object()
	case m.state != Master:
		m.conceding.owed = false // the clients have heard it too
		if m.lingerAt != never {
			m.release()
		}
	}
}
