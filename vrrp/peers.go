package vrrp

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxPeers bounds what a segment full of strangers can make us remember.
const maxPeers = 8

// The mismatches that are looked for in each advert and last until an advert of
// the same peer agrees.
const (
	mismatchVersion = iota
	mismatchInterval
	mismatchAddresses
	mismatchCount
	mismatchPriority
	mismatchOwners
	mismatches
)

var mismatchReasons = [mismatches]Reason{
	mismatchVersion:   FindingVersion,
	mismatchInterval:  FindingInterval,
	mismatchAddresses: FindingAddresses,
	mismatchCount:     FindingCount,
	mismatchPriority:  FindingEqualPriority,
	mismatchOwners:    FindingTwoOwners,
}

// peer is another router of the virtual router's VRID.
type peer struct {
	Peer
	addresses []netip.Addr        // its last list, so that an unchanged one is compared once
	found     [mismatches]Finding // what was reported; without Reason: agrees
}

// compare remembers the sender and reports where its configuration and ours
// disagree: when it begins, and when it ends.
func (m *Machine) compare(ad *AdvertReceived) {
	p := m.peer(ad.Source)
	p.Priority, p.Version, p.Interval, p.Heard = ad.Priority, ad.Version, ad.Interval, ad.ReceivedAt

	m.find(p, mismatchVersion, ad.Version != m.cfg.Version, func() (string, string) {
		return strconv.Itoa(int(m.cfg.Version)), strconv.Itoa(int(ad.Version))
	})
	m.find(p, mismatchInterval, ad.Interval != m.cfg.Interval, func() (string, string) {
		return m.cfg.Interval.String(), ad.Interval.String()
	})
	if ad.Priority > PriorityLowest && !m.lowered { // or it is not the priority that is configured
		m.find(p, mismatchPriority, ad.Priority == m.Priority() && ad.Priority != PriorityOwner, func() (string, string) {
			return priorityText(m.Priority()), priorityText(ad.Priority)
		})
	}
	m.find(p, mismatchOwners, ad.Priority == PriorityOwner && m.cfg.Priority == PriorityOwner, func() (string, string) {
		return m.source.String(), ad.Source.String()
	})
	if !slices.Equal(p.addresses, ad.Addresses) {
		p.addresses = append(p.addresses[:0], ad.Addresses...)
		m.find(p, mismatchAddresses, !sameSet(m.cfg.Addresses, ad.Addresses), func() (string, string) {
			return addressText(m.cfg.Addresses), addressText(ad.Addresses)
		})
		m.find(p, mismatchCount, len(m.cfg.Addresses) != len(ad.Addresses), func() (string, string) {
			return strconv.Itoa(len(m.cfg.Addresses)), strconv.Itoa(len(ad.Addresses))
		})
	}
}

// find reports the edges of a mismatch. The texts are made only there.
func (m *Machine) find(p *peer, kind int, differs bool, texts func() (ours, theirs string)) {
	f := &p.found[kind]
	if differs == (f.Reason != "") {
		return
	}
	if !differs {
		m.emit(Finding{Reason: f.Reason, Peer: f.Peer, Cleared: true})
		*f = Finding{}
		return
	}
	*f = Finding{Reason: mismatchReasons[kind], Peer: p.Address, Since: m.now}
	f.Ours, f.Theirs = texts()
	m.emit(*f)
}

// findingLifetime is how long a mismatch lasts when its peer is not heard any
// more, beyond ten of our intervals.
const findingLifetime = time.Minute

// expireFindings clears the mismatches of peers that have gone.
func (m *Machine) expireFindings() {
	for i := range m.peers {
		p := &m.peers[i]
		if m.now.Sub(p.Heard) <= findingLifetime+10*m.cfg.Interval {
			continue
		}
		for kind := range p.found {
			m.find(p, kind, false, nil)
		}
		p.addresses = p.addresses[:0]
	}
	if m.now.Sub(m.second.heard) > m.ownMasterDown() {
		m.end(&m.second)
	}
	m.expireStrangers(m.now.Add(-strangerLifetime))
}

// peer returns the entry of an address; the one heard longest ago makes room.
func (m *Machine) peer(a netip.Addr) *peer {
	for i := range m.peers {
		if m.peers[i].Address == a {
			return &m.peers[i]
		}
	}
	if len(m.peers) < maxPeers {
		m.peers = append(m.peers, peer{Peer: Peer{Address: a}})
		return &m.peers[len(m.peers)-1]
	}
	oldest := 0
	for i := range m.peers {
		if m.peers[i].Heard < m.peers[oldest].Heard {
			oldest = i
		}
	}
	m.peers[oldest] = peer{Peer: Peer{Address: a}}
	return &m.peers[oldest]
}

// forgetAddresses makes the next advert of each peer be compared with the new
// list of addresses.
func (m *Machine) forgetAddresses() {
	for i := range m.peers {
		m.peers[i].addresses = m.peers[i].addresses[:0]
	}
}

// sameSet compares address lists as sets (the order on the wire is the
// configuration's, and means nothing).
func sameSet(a, b []netip.Addr) bool {
	if slices.Equal(a, b) {
		return true
	}
	return len(a) == len(b) && contains(a, b) && contains(b, a)
}

func contains(all, some []netip.Addr) bool {
	return !slices.ContainsFunc(some, func(x netip.Addr) bool { return !slices.Contains(all, x) })
}

func addressText(list []netip.Addr) string {
	var b strings.Builder
	for i, a := range list {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(a.String())
	}
	return b.String()
}

func priorityText(p Priority) string { return strconv.Itoa(int(p)) }
