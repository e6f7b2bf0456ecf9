package vrrp

import "net/netip"

// hear handles an advert: first what makes it no advert for us in any state,
// then by state. Whatever is ignored changes neither a timer nor the state.
func (m *Machine) hear(ad *AdvertReceived) {
	m.counters.Received++
	ad.Source = ad.Source.WithZone("")
	ad.ReceivedAt = min(ad.ReceivedAt, m.now)
	switch {
	case m.state == Initialize:
		m.ignore(RejectNotRunning)
		return
	case m.state == Fault:
		m.ignore(RejectInFault)
		return
	case ad.Source == m.source:
		m.ignore(RejectOwnAdvert)
		return
	case ad.Interval <= 0:
		m.ignore(RejectZeroInterval)
		return
	case len(ad.Addresses) == 0:
		m.ignore(RejectNoAddresses)
		return
	}
	m.compare(ad)
	switch {
	case ad.Version != m.cfg.Version:
		m.ignore(RejectVersion)
		return
	case ad.Version == Version2 && ad.Interval != m.cfg.Interval:
		m.ignore(RejectInterval) // RFC 3768 §7.1
		return
	case m.resignation.overtook(ad):
		m.ignore(RejectStale)
		return
	case ad.Priority == PriorityResign:
		m.resignation = resignation{by: ad.Source, at: ad.ReceivedAt}
	}
	if m.state == Backup {
		m.backupHears(ad)
	} else {
		m.masterHears(ad)
	}
}

// ignore rejects the advert of this Step.
func (m *Machine) ignore(r Reason) {
	m.counters.Rejected++
	m.reject(r)
}

// resignation is the last priority-0 advert, whoever sent it.
type resignation struct {
	by netip.Addr
	at Instant
}

// overtook reports whether an advert is older than the resignation of its sender,
// though it came later: it must not revive a master that has gone. A router is
// not master again within an interval, unless it is the owner.
func (r resignation) overtook(ad *AdvertReceived) bool {
	return ad.Source == r.by && ad.Priority != PriorityResign && ad.Priority != PriorityOwner && ad.ReceivedAt.Sub(r.at) < ad.Interval
}
