package vrrptest

import (
	"net/netip"
	"slices"
	"time"

	"github.com/lbha/lbha/vrrp"
)

// This file is what must be true in every run. It knows the protocol, and not
// how the machine implements it.

// tolerance is for what happens within one instant in the order of the queue.
const tolerance = time.Millisecond

// history is what the checks remember about a node.
type history struct {
	spokeAt    vrrp.Instant // the last advert that it tried to send
	sentAt     vrrp.Instant // the last that left
	claimedAt  vrrp.Instant
	lostAt     vrrp.Instant  // an address was removed behind its back
	relievedAt vrrp.Instant  // it was master until then
	refusedAt  vrrp.Instant  // a release failed
	silence    time.Duration // how long it may be silent as a master

	heard []heard // adverts of the last time

	windowAt   vrrp.Instant // rates are counted from here
	adverts    int
	announceAt vrrp.Instant
	announces  int
	losses     int
}

// heard is an advert that a running node could hear.
type heard struct {
	at       vrrp.Instant
	from     netip.Addr
	priority vrrp.Priority
	interval time.Duration
	binding  bool // of a master that the node must not replace
}

func (h *history) reset(now vrrp.Instant) {
	*h = history{spokeAt: now, sentAt: h.sentAt, claimedAt: h.claimedAt, lostAt: h.lostAt, windowAt: now, announceAt: now, relievedAt: now}
}

// snapshot is a router before a Step.
type snapshot struct {
	state    vrrp.State
	priority vrrp.Priority
	deadline vrrp.Instant
}

func (n *Node) snapshot() snapshot {
	at, ok := n.Router.Deadline()
	if !ok {
		at = never
	}
	return snapshot{n.Router.State(), n.Router.Priority(), at}
}

// remember notes an advert that reaches the node, if it is one that counts.
func (n *Node) remember(ad vrrp.AdvertReceived) {
	if ad.Interval <= 0 || len(ad.Addresses) == 0 || ad.Source == n.source || ad.Version != n.version() ||
		ad.Version == vrrp.Version2 && ad.Interval != n.interval() {
		return
	}
	if ad.Priority == vrrp.PriorityResign {
		last := slices.IndexFunc(n.heard, func(h heard) bool { return h.binding })
		for i, h := range n.heard {
			if h.binding {
				last = i
			}
		}
		if last >= 0 && n.heard[last].from == ad.Source {
			n.heard = n.heard[:0]
		}
		return
	}
	h := heard{at: n.lan.now, from: ad.Source, priority: ad.Priority, interval: ad.Interval}
	h.binding = ad.Priority >= n.Router.Priority() || !n.Config.Preempt
	n.heard = append(n.heard, h)
	if len(n.heard) > 1024 {
		n.heard = slices.Delete(n.heard, 0, 512)
	}
}

// checkStep judges the effects of one Step, in their order.
func (n *Node) checkStep(before snapshot, ev vrrp.Event, effects []vrrp.Effect) {
	l := n.lan
	after := n.Router.State()
	var sent, released, resigned bool
	for _, e := range effects {
		switch e := e.(type) {
		case vrrp.Send:
			n.checkSend(before, after, e, released)
			sent = true
			resigned = resigned || e.Priority == vrrp.PriorityResign
		case vrrp.Claim:
			n.claimedAt = l.now
			if after != vrrp.Master {
				l.violate(n, "claims as %v", after)
			}
			if before.state == vrrp.Backup && !sent {
				l.violate(n, "claims before its advert")
			}
		case vrrp.Release:
			released = true
		case vrrp.Renew:
			if o, ok := ev.(vrrp.AdvertSent); !ok || o.Err != nil {
				l.violate(n, "renews a lease without an advert that was sent")
			}
		case vrrp.Announce:
			n.checkAnnounce(before)
		case vrrp.Transition:
			n.checkTransition(before, ev, e, resigned)
		case vrrp.Reject:
			if at, ok := n.Router.Deadline(); before.state != vrrp.Master && ok && (at != before.deadline || after != before.state) {
				l.violate(n, "ignores an advert (%v) and changes its state or timer", e.Reason)
			}
		}
	}
}

func (n *Node) checkSend(before snapshot, after vrrp.State, e vrrp.Send, released bool) {
	l := n.lan
	if e.Priority == vrrp.PriorityResign {
		if before.state != vrrp.Master || !released {
			l.violate(n, "resigns as %v, addresses released: %v", before.state, released)
		}
		return
	}
	if before.state != vrrp.Master && after != vrrp.Master {
		l.violate(n, "sends an advert as %v", before.state)
	}
	limit := vrrp.QuickestTakeover(n.version(), n.interval(), n.downAdverts())
	if silent := l.now.Sub(n.spokeAt); before.state == vrrp.Master && silent > max(limit, n.silence)+tolerance {
		l.violate(n, "was silent for %v and sends before it has listened", silent)
	}
	n.spokeAt = l.now
	n.silence = n.interval()
	// Rates: one scheduled, one answer, and what commands and elections add.
	if l.now.Sub(n.windowAt) >= n.interval() {
		n.windowAt, n.adverts = l.now, 0
	}
	if n.adverts++; n.adverts > 8 {
		l.violate(n, "sends %d adverts in an interval", n.adverts)
	}
}

func (n *Node) checkAnnounce(before snapshot) {
	l := n.lan
	if before.state != vrrp.Master || !n.kernel.holdsAll(n.Config.Addresses) {
		l.violate(n, "announces as %v, holding all: %v", before.state, n.kernel.holdsAll(n.Config.Addresses))
	}
	if l.now.Sub(n.announceAt) >= time.Second {
		n.announceAt, n.announces, n.losses = l.now, 0, 0
	}
	if n.announces++; n.announces > 16+4*n.losses {
		l.violate(n, "announces %d times in a second", n.announces)
	}
}

func (n *Node) checkTransition(before snapshot, ev vrrp.Event, e vrrp.Transition, resigned bool) {
	l := n.lan
	ad, _ := ev.(vrrp.AdvertReceived)
	switch {
	case e.From == vrrp.Master && e.To == vrrp.Backup && e.Reason != vrrp.ReasonStalled:
		n.relievedAt = l.now
		if ad.Priority < before.priority || ad.Priority == before.priority && ad.Source.Compare(n.source) < 0 {
			l.violate(n, "yields to a loser: %v of %v", ad.Priority, ad.Source)
		}
	case e.From == vrrp.Master && !resigned &&
		(e.To == vrrp.Initialize || e.Reason == vrrp.ReasonTrackFault || e.Reason == vrrp.ReasonClaimFailed):
		l.violate(n, "leaves (%v) without priority 0", e.Reason)
	case e.From == vrrp.Backup && e.To == vrrp.Master:
		n.checkTakeover(before)
	}
}

// checkTakeover judges a takeover by what the node could hear: no master that it
// must not replace may have spoken within its master-down time.
func (n *Node) checkTakeover(before snapshot) {
	for _, h := range n.heard {
		interval := h.interval
		if n.version() == vrrp.Version2 {
			interval = n.interval()
		}
		down := time.Duration(n.downAdverts()) * interval
		binding := h.binding && (h.priority >= before.priority || !n.Config.Preempt)
		if binding && n.lan.now.Sub(h.at) < down {
			n.lan.violate(n, "takes over from a live master: %v of %v, heard %v ago", h.priority, h.from, n.lan.now.Sub(h.at))
		}
	}
	n.heard = n.heard[:0]
}

// checkHolding judges a running node when it has done all it had to: it holds
// the addresses if and only if it is master, but for a linger and for an address
// that was just taken from it.
func (n *Node) checkHolding() {
	l := n.lan
	if n.Router.State() == vrrp.Master {
		if !n.kernel.holdsAll(n.Config.Addresses) && l.now.Sub(n.lostAt) > 20*time.Millisecond+l.Slack+tolerance {
			l.violate(n, "is master and does not hold the addresses")
		}
		return
	}
	if l.now.Sub(n.refusedAt) <= time.Second+l.Slack+tolerance {
		return // tried again each second
	}
	if n.Holds() && l.now.Sub(n.relievedAt) > vrrp.DefaultHandOverLinger+l.Slack+tolerance {
		l.violate(n, "is %v and holds addresses", n.Router.State())
	}
}

// checkTime judges what time alone can make wrong.
func (n *Node) checkTime() {
	l := n.lan
	if lease := n.Config.Lease; lease > 0 && n.Holds() && !n.FailReleases && l.now.Sub(n.refusedAt) > 2*time.Second {
		if since := l.now.Sub(max(n.sentAt, n.claimedAt)); since > lease+leaseTail+tolerance {
			l.violate(n, "holds addresses %v after its last advert", since)
		}
	}
	if n.Running() && n.Router.State() == vrrp.Master {
		n.silence = max(n.silence, n.interval())
		if since := l.now.Sub(n.spokeAt); since > n.silence+l.Slack+tolerance {
			l.violate(n, "is master and silent for %v", since)
			n.spokeAt = l.now
		}
	}
}

func (n *Node) version() vrrp.Version {
	if n.Config.Version == 0 {
		return vrrp.Version3
	}
	return n.Config.Version
}

func (n *Node) interval() time.Duration {
	if n.Config.Interval == 0 {
		return vrrp.DefaultInterval
	}
	return n.Config.Interval
}

func (n *Node) downAdverts() int {
	if n.Config.DownAdverts == 0 {
		return vrrp.DefaultDownAdverts
	}
	return n.Config.DownAdverts
}
