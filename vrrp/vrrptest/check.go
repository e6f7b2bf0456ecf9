package vrrptest

import (
	"net/netip"
	"time"

	"github.com/lbha/lbha/vrrp"
)

// This file is what must be true in every run. It knows the protocol, and not
// how the machine implements it.

// stranger is the source of forged adverts.
var stranger = netip.AddrFrom4([4]byte{10, 9, 0, 250})

// tolerance is for what happens within one instant in the order of the queue.
const tolerance = time.Millisecond

// history is what the checks remember about a node.
type history struct {
	spokeAt     vrrp.Instant // the last advert that it tried to send
	sentAt      vrrp.Instant // the last that left
	claimedAt   vrrp.Instant
	retimedAt   vrrp.Instant // it was reconfigured
	lostAt      vrrp.Instant // an address was removed behind its back
	robbed      bool         // an address was removed, and the news waits for the end of a pause
	relievedAt  vrrp.Instant // it was master until then, and was handed over
	leftAt      vrrp.Instant // it was master until then
	wordAt      vrrp.Instant // it conceded last, as a backup
	words       int          // since then
	answered    bool         // and heard another announce an address since
	audible     bool         // it has heard another announce an address, ever
	startedAt   vrrp.Instant
	announcedAt vrrp.Instant  // its last announcement, lost or not
	failed      bool          // a claim or a send failed
	refused     bool          // the last release failed,
	refusedAt   vrrp.Instant  // at this time
	awakeAt     vrrp.Instant  // a pause ended
	silence     time.Duration // how long it may be silent as a master

	heard      heard
	lesser     lesser
	resigned   netip.Addr   // who sent priority 0 last,
	resignedAt vrrp.Instant // at this time

	windowAt   vrrp.Instant // rates are counted from here
	adverts    int
	elections  int
	announceAt vrrp.Instant
	announces  int
	losses     int
}

// heard is the latest advert of a master that the node must not replace.
type heard struct {
	at       vrrp.Instant
	from     netip.Addr
	priority vrrp.Priority
	interval time.Duration
}

// lesser is a master of lower priority, which the node may replace after
// preempt_delay.
type lesser struct {
	from      netip.Addr
	since, at vrrp.Instant // first and last heard
	interval  time.Duration
}

func (h *history) reset(now vrrp.Instant) {
	*h = history{failed: h.failed, startedAt: now, spokeAt: now, sentAt: h.sentAt, claimedAt: h.claimedAt, lostAt: h.lostAt, windowAt: now, announceAt: now, relievedAt: now, announcedAt: h.announcedAt}
}

// snapshot is a router before a Step.
type snapshot struct {
	state    vrrp.State
	priority vrrp.Priority
	deadline vrrp.Instant
}

func (n *Node) snapshot() snapshot {
	at, ok := n.group.Deadline()
	if !ok {
		at = never
	}
	return snapshot{n.Router.State(), n.Router.Priority(), at}
}

// remember notes an advert that reaches the node, if it is one that counts: the
// latest of a master that the node must not replace.
func (n *Node) remember(ad vrrp.AdvertReceived) {
	switch {
	case n.Router.State() == vrrp.Fault: // hears nothing
	case ad.Interval <= 0, len(ad.Addresses) == 0, ad.Source == n.source, ad.Version != n.version(),
		ad.Version == vrrp.Version2 && ad.Interval != n.interval():
	case ad.Priority == vrrp.PriorityResign:
		n.resigned, n.resignedAt = ad.Source, n.lan.now
		if ad.Source == n.lesser.from {
			n.lesser.from = netip.Addr{} // it left
		}
		if ad.Source != stranger { // of several masters, the machine may know a better one
			n.heard = heard{}
		}
	case ad.Source == n.resigned && ad.Priority != vrrp.PriorityOwner && n.lan.now.Sub(n.resignedAt) < ad.Interval:
		// overtaken by its resignation
	case ad.Priority >= n.Router.Priority() || !n.Config.Preempt:
		if ad.Priority >= n.Router.Priority() {
			n.lesser = lesser{}
		}
		n.heard = heard{at: n.lan.now, from: ad.Source, priority: ad.Priority, interval: ad.Interval}
	default:
		if n.Config.PreemptDelay > 0 || n.failed {
			n.heard = heard{} // it may follow this one for a while
		}
		if n.lesser.at == 0 {
			n.lesser.since = n.lan.now
		}
		n.lesser.from, n.lesser.at, n.lesser.interval = ad.Source, n.lan.now, ad.Interval
	}
}

// checkStep judges the effects of one Step, in their order.
func (n *Node) checkStep(before snapshot, ev vrrp.Event, effects []vrrp.Effect) {
	l := n.lan
	after := n.Router.State()
	var sent, claimed, released, resigned bool
	if _, ok := ev.(vrrp.AnnouncementHeard); ok {
		n.answered, n.audible = true, true
	}
	for _, e := range effects {
		switch e := e.(type) {
		case vrrp.Send:
			n.checkSend(before, after, ev, e, released)
			sent = true
			resigned = resigned || e.Priority == vrrp.PriorityResign
		case vrrp.Claim:
			n.claimedAt = l.now
			claimed = true
			if before.state == vrrp.Backup && !sent {
				l.violate(n, "claims before its advert")
			}
		case vrrp.Release:
			released, claimed = true, false // another member may end what was begun
		case vrrp.Renew:
			if o, ok := ev.(vrrp.AdvertSent); !ok || o.Err != nil {
				l.violate(n, "renews a lease without an advert that was sent")
			}
		case vrrp.Announce:
			n.checkAnnounce(before)
		case vrrp.Transition:
			n.checkTransition(before, ev, e, resigned)
		case vrrp.Reject:
			if at, ok := n.group.Deadline(); before.state != vrrp.Master && ok && (at != before.deadline || after != before.state) {
				l.violate(n, "ignores an advert (%v) and changes its state or timer", e.Reason)
			}
		}
	}
	if claimed && after != vrrp.Master {
		l.violate(n, "claims as %v", after)
	}
}

func (n *Node) checkSend(before snapshot, after vrrp.State, ev vrrp.Event, e vrrp.Send, released bool) {
	l := n.lan
	if e.Priority == vrrp.PriorityResign {
		if before.state != vrrp.Master || !released {
			l.violate(n, "resigns as %v, addresses released: %v", before.state, released)
		}
		return
	}
	if before.state != vrrp.Master && after != vrrp.Master {
		n.checkWord(before, ev, e)
		return
	}
	limit := vrrp.QuickestTakeover(n.version(), max(n.interval(), n.silence), n.downAdverts())
	if silent := l.now.Sub(n.spokeAt); before.state == vrrp.Master && silent > limit+tolerance {
		l.violate(n, "was silent for %v and sends before it has listened", silent)
	}
	n.spokeAt = l.now
	n.silence = n.interval()
	if before.state == vrrp.Master {
		n.heard = heard{} // a master is bound by nobody
	}
	// Rates: one scheduled, one answer, and what commands and elections add, of
	// which each member of a group has its own.
	if l.now.Sub(n.windowAt) >= n.interval() {
		n.windowAt, n.adverts, n.elections = l.now, 0, 0
	}
	if n.adverts++; n.adverts > 8*len(n.nodes)+4*max(n.elections-2, 0) {
		l.violate(n, "sends %d adverts in an interval", n.adverts)
	}
}

// checkWord judges an advert of a backup: it may only concede, to a better one whose
// advert it is the answer to, within a minute of its mastership, until it hears that the
// clients are told, and so rarely that nobody can take it for a master.
func (n *Node) checkWord(before snapshot, ev vrrp.Event, e vrrp.Send) {
	l := n.lan
	ad, heard := ev.(vrrp.AdvertReceived)
	beaten := ad.Priority > e.Priority || ad.Priority == e.Priority && ad.Source.Compare(n.source) > 0
	if before.state != vrrp.Backup || !heard || !beaten || e.Priority != vrrp.PriorityLowest {
		l.violate(n, "sends priority %d as %v, having heard %d of %v", e.Priority, before.state, ad.Priority, ad.Source)
	}
	if n.answered || l.now.Sub(n.leftAt) >= time.Minute {
		l.violate(n, "concedes what it was %v ago, the clients are told: %v", l.now.Sub(n.leftAt), n.answered)
	}
	if age := n.clock().Sub(ad.ReceivedAt); age > ad.Interval {
		l.violate(n, "concedes to what it heard %v ago", age)
	}
	quickest := vrrp.QuickestTakeover(n.version(), n.intervalOf(ad.Interval), n.downAdverts())
	if n.words++; n.words <= 2 {
		quickest = n.intervalOf(ad.Interval) - tolerance
	}
	if since := l.now.Sub(max(n.leftAt, n.wordAt)); since <= quickest {
		l.violate(n, "concedes %v after its last advert, %d times: others may wait for the next one", since, n.words)
	}
	n.wordAt = l.now
}

func (n *Node) checkAnnounce(before snapshot) {
	l := n.lan
	if before.state != vrrp.Master || !n.kernel.holdsAll(n.Config.Addresses) && !n.robbed {
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
	if e.To == vrrp.Master {
		n.losses++ // a promotion is announced as a loss is
		n.elections++
	} else {
		n.lesser.since = l.now // it begins anew
	}
	if e.From == vrrp.Master {
		n.leftAt, n.answered, n.words = l.now, false, 0
	}
	switch {
	case e.From == vrrp.Master && e.To == vrrp.Backup && e.Reason != vrrp.ReasonStalled && e.Reason != vrrp.ReasonGroup:
		if e.Reason == vrrp.ReasonHandedOver {
			n.relievedAt = l.now
		}
		if ad.Priority < before.priority || ad.Priority == before.priority && ad.Source.Compare(n.source) < 0 {
			l.violate(n, "yields to a loser: %v of %v", ad.Priority, ad.Source)
		}
	case e.From == vrrp.Master && !resigned &&
		(e.To == vrrp.Initialize || e.Reason == vrrp.ReasonTrackFault || e.Reason == vrrp.ReasonClaimFailed || e.Reason == vrrp.ReasonGroupFault):
		l.violate(n, "leaves (%v) without priority 0", e.Reason)
	case e.To == vrrp.Fault: // which forgets whoever was master
		n.heard, n.lesser = heard{}, lesser{}
	case e.From == vrrp.Backup && e.To == vrrp.Master:
		n.checkTakeover(before)
	}
}

// checkTakeover judges a takeover by what the node could hear: no master that it
// must not replace may have spoken within its master-down time.
func (n *Node) checkTakeover(before snapshot) {
	n.checkPreemptDelay(before)
	h := n.heard
	n.heard = heard{}
	if !h.from.IsValid() || h.priority < before.priority && n.Config.Preempt {
		return // it was bound by another priority or configuration
	}
	if len(n.nodes) > 1 && !n.lan.masterSince(n.segment, h.from, h.at) {
		return // another member heard it resign
	}
	if n.mistook(h) {
		return
	}
	interval := n.intervalOf(h.interval)
	if since := n.lan.now.Sub(h.at); since < time.Duration(n.downAdverts())*interval {
		n.lan.violate(n, "takes over from a live master: %v of %v, heard %v ago", h.priority, h.from, since)
	}
}

// checkPreemptDelay: a live master of lower priority is left alone for so long since
// it was first heard. (An owner waits for nobody.)
func (n *Node) checkPreemptDelay(before snapshot) {
	h, delay := n.lesser, n.Config.PreemptDelay
	n.lesser = lesser{}
	if !h.from.IsValid() || before.priority == vrrp.PriorityOwner || len(n.nodes) > 1 && !n.lan.masterSince(n.segment, h.from, h.at) {
		return
	}
	if n.retimedAt > h.at { // it is not asked before the next advert
		return
	}
	if n.resignedAt > h.at {
		return // there was another, and it left
	}
	live := n.lan.now.Sub(h.at) < time.Duration(n.downAdverts())*n.intervalOf(h.interval)
	if since := n.lan.now.Sub(h.since); live && since < delay {
		n.lan.violate(n, "preempts %v after %v, its preempt_delay is %v", h.from, since, delay)
	}
}

// intervalOf is the interval that timers count in, of a master that advertises one.
func (n *Node) intervalOf(advertised time.Duration) time.Duration {
	if n.version() == vrrp.Version2 {
		return n.interval()
	}
	return advertised
}

// checkHolding judges the nodes of a running process.
func (p *process) checkHolding() {
	for _, n := range p.nodes {
		if n.Alive() {
			n.checkHolding()
		}
	}
}

// checkHolding judges a running node when it has done all it had to: it holds
// the addresses if and only if it is master, but for a linger and for an address
// that was just taken from it.
func (n *Node) checkHolding() {
	l := n.lan
	if n.Router.State() == vrrp.Master {
		if !n.kernel.holdsAll(n.Config.Addresses) && l.now.Sub(max(n.lostAt, n.awakeAt)) > 20*time.Millisecond+l.Slack+tolerance {
			l.violate(n, "is master and does not hold the addresses")
		}
		return
	}
	if n.refused && l.now.Sub(max(n.refusedAt, n.awakeAt)) <= time.Second+l.Slack+tolerance {
		return // tried again each second
	}
	if l.now.Sub(n.relievedAt) <= vrrp.DefaultHandOverLinger+l.Slack+tolerance || n.awakeAt > n.relievedAt && l.now.Sub(n.awakeAt) <= l.Slack {
		return // it waits for its successor's announcement, or was paused while it did
	}
	if n.Holds() {
		l.violate(n, "is %v and holds addresses", n.Router.State())
	}
}

// checkTime judges what time alone can make wrong.
func (n *Node) checkTime() {
	l := n.lan
	if lease := n.kernel.lease; lease > 0 && n.Holds() && n.frozenAt == 0 {
		if since := l.now.Sub(max(n.sentAt, n.claimedAt)); since > lease+leaseTail+tolerance {
			l.violate(n, "holds addresses %v after its last advert", since)
		}
	}
	if n.Running() && n.Router.State() == vrrp.Master {
		n.silence = max(n.silence, n.interval())
		if since := l.now.Sub(n.spokeAt); since > n.silence+l.Slack+tolerance && l.now.Sub(n.awakeAt) > l.Slack {
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
