package vrrp

import (
	"net/netip"
	"time"
)

// master is what only a master knows.
type master struct {
	advertAt   Instant // the next advert, on an absolute schedule
	announceAt Instant // the next announcement
	reclaimAt  Instant // a claim that had to wait for reclaimGap
	handOverAt Instant // nobody took over

	sent     Instant // the last scheduled advert
	failures int     // sends that failed in a row
	holds    bool    // the kernel has confirmed the claim
	synced   bool    // the sync role was set

	renewed         Instant // the addresses live from here for a lease
	claimedAt       Instant // the last claim, for reclaimGap
	announceOnClaim bool    // clients have to be told once the claim is confirmed
	announceFrom    Instant // the announcement schedule counts from here
	round           int     // its next round

	answerAt     Instant // no unscheduled advert before
	assertAt     Instant // no burst of announcements against a rival before
	lossReportAt Instant // no finding about a lost address before
	rival        rival
	objection    objection
	strangers    []stranger // others that announce our addresses
}

func (s *master) reset() {
	*s = master{advertAt: never, announceAt: never, reclaimAt: never, handOverAt: never}
	s.objection.reset()
}

func (s *master) deadline() Instant {
	return min(s.advertAt, s.announceAt, s.reclaimAt, s.handOverAt, s.objection.againAt)
}

// handOverMargin is added to the time in which the slowest backup must have
// taken over: its advert has to be scheduled, sent and heard.
const handOverMargin = 100 * time.Millisecond

// promote makes the machine master: advert, addresses; and when the kernel has
// confirmed them, announcements and sync role. The advert comes first: the old
// master must drop the addresses before others hear of us.
func (m *Machine) promote(reason Reason, by netip.Addr, detail string) {
	m.enterMaster()
	// Until one advert has left, the first failure is the last: holding the
	// addresses without a word would be worse than not holding them.
	m.master.failures = m.cfg.DownAdverts - 1
	m.master.announceOnClaim = true
	m.advertise()
	m.claim()
	m.transit(Master, reason, by, detail)
}

// resume makes the machine master where a crash interrupted it: the addresses
// are there, and no backup has had the time to take over.
func (m *Machine) resume(saved *Saved) {
	m.enterMaster()
	m.lastAdvert = saved.LastAdvert
	m.master.sent = saved.LastAdvert
	m.master.advertAt = saved.LastAdvert.Add(m.cfg.Interval)
	m.resumeAnnouncements(saved)
	if m.master.advertAt <= m.now {
		m.advertise()
	}
	if m.lowered {
		m.expectSuccessor()
	}
	m.claim()
	m.transit(Master, ReasonResumed, netip.Addr{}, "")
}

// enterMaster clears what belonged to the former role.
func (m *Machine) enterMaster() {
	m.backup.reset()
	m.master.reset()
	m.conceding.owed = false
	m.lingerAt, m.releaseAt = never, never
	m.counters.BecameMaster++
	m.master.sent, m.master.advertAt = m.now, m.now
}

// A farewell is the last that a master says. It is sent when the addresses are
// out, so that whoever acts upon it meets no second holder.
type farewell uint8

const (
	silent   farewell = iota // nothing could be heard, or must not be said
	resigned                 // priority 0: take over after your skew
	lost                     // an ordinary advert: see yield
	conceded                 // an advert that wins nothing: see stepDown
)

// demote ends mastership; what follows is the caller's. Addresses out,
// announcements cancelled, farewell, sync role.
func (m *Machine) demote(last farewell) {
	m.release()
	switch last {
	case resigned:
		m.send(PriorityResign)
	case lost:
		m.send(m.Priority())
	case conceded:
		m.send(PriorityLowest)
	}
	m.leaveMaster()
}

// relieve ends mastership in favour of a successor, and keeps the addresses
// until it has announced them: so somebody forwards at every instant.
func (m *Machine) relieve() {
	if m.cfg.HandOverLinger <= 0 {
		m.release()
	} else {
		m.lingerAt = m.now.Add(m.cfg.HandOverLinger)
	}
	m.leaveMaster()
}

// leaveMaster clears what belonged to the role.
func (m *Machine) leaveMaster() {
	m.end(&m.master.rival)
	m.expireStrangers(never)
	m.master.reset()
	m.conceding.begin(m.now)
	m.emit(SetSyncRole{Master: false})
}

// noticeStall takes a master that is later than the quickest possible takeover
// out of its role. Somebody else may be master by now: it must not send, claim or
// announce anything before it has listened.
func (m *Machine) noticeStall() {
	if m.state != Master {
		return
	}
	late := m.now.Sub(m.master.advertAt)
	if late <= QuickestTakeover(m.cfg.Version, m.cfg.Interval, m.cfg.DownAdverts)-m.cfg.Interval {
		return
	}
	m.demote(silent)
	m.awaitSilence(1)
	m.listen()
	m.transit(Backup, ReasonStalled, netip.Addr{}, late.String())
}

// masterTimer does what is due, adverts first.
func (m *Machine) masterTimer() {
	s := &m.master
	if s.advertAt <= m.now {
		m.advertise()
	}
	if s.handOverAt <= m.now {
		m.nobodyTookOver()
		if m.state != Master {
			return
		}
	}
	if s.reclaimAt <= m.now {
		m.claim()
	}
	if s.announceAt <= m.now {
		m.announce()
	}
	if s.objection.againAt <= m.now && m.state == Master {
		m.objectAgain()
	}
}

// advertise sends the scheduled advert.
func (m *Machine) advertise() {
	m.master.sent = m.now
	m.master.advertAt = next(m.master.advertAt, m.cfg.Interval, m.now)
	m.send(m.Priority())
	if r := &m.master.rival; r.address.IsValid() && m.now.Sub(r.heard) > m.ownMasterDown() {
		m.end(r)
	}
	m.expireFindings()
}

// answer sends an unscheduled advert, at most one an interval. The schedule does
// not move: otherwise a stream of packets could starve it.
func (m *Machine) answer() {
	if m.now >= m.master.answerAt {
		m.master.answerAt = m.now.Add(m.cfg.Interval)
		m.send(m.Priority())
	}
}

// masterHears handles a valid advert.
func (m *Machine) masterHears(ad *AdvertReceived) {
	own := m.Priority()
	order := ad.Source.Compare(m.source)
	switch {
	case ad.Priority == PriorityResign:
		// There was another master, and clients may believe it still.
		m.answer()
		m.assert()
	case ad.Priority > own:
		m.yield(ad, ReasonHigherPriority)
	case ad.Priority == own && order > 0:
		m.yield(ad, ReasonHigherAddress)
	case ad.Priority == own:
		m.contest(ad)
		m.ignore(RejectLowerAddress)
	default:
		m.contest(ad)
		m.ignore(RejectLowerPriority)
	}
}

// yield gives mastership to the sender. The loser of an election speaks once
// more: after a partition the winner may not have heard it at all, and must know
// that clients believed another, to announce itself again. A losing advert makes
// every master answer, keepalived's too.
func (m *Machine) yield(ad *AdvertReceived, reason Reason) {
	if m.lowered {
		reason = ReasonHandedOver
		m.relieve()
	} else {
		m.demote(lost)
	}
	m.awaitSilence(m.cfg.DownAdverts)
	m.follow(ad)
	m.transit(Backup, reason, ad.Source, "")
}

// advertSent takes the outcome of a Send. A lease is renewed only here: so the
// addresses outlive the last advert by no more than the lease.
func (m *Machine) advertSent(err error) {
	if err == nil {
		m.counters.Sent++
	} else {
		m.counters.SendErrors++
	}
	if m.state != Master {
		return
	}
	if err != nil {
		m.master.failures++
		if m.master.failures >= m.cfg.DownAdverts {
			m.fail(ReasonSendFailed, err.Error())
		}
		return
	}
	m.lastAdvert = m.now
	m.master.failures = 0
	if m.master.holds {
		m.fault.failures, m.fault.preemptAt = 0, 0
		m.renew()
	}
}

// ownMasterDown is the master-down interval of a backup with our own interval
// and priority.
func (m *Machine) ownMasterDown() time.Duration {
	return MasterDown(m.cfg.Version, m.Priority(), m.cfg.Interval, m.cfg.DownAdverts)
}
