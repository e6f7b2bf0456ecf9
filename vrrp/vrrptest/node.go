package vrrptest

import (
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/lbha/lbha/vrrp"
)

// Router is what a Node drives: a vrrp.Machine, or one that was spoilt to prove
// that the tests would notice.
type Router interface {
	Step(now vrrp.Instant, ev vrrp.Event) []vrrp.Effect
	Deadline() (vrrp.Instant, bool)
	State() vrrp.State
	Priority() vrrp.Priority
	Status() vrrp.Status
	Saved() vrrp.Saved
}

// Node is one host: a process that drives a router, and the kernel under it.
type Node struct {
	Name   string
	Config vrrp.Config
	// Router is nil while the process does not run.
	Router Router
	// Spoil, if set, wraps every router that is started.
	Spoil func(Router) Router

	// What fails from now on.
	FailSends, FailClaims, FailReleases bool

	lan    *LAN
	kernel kernel
	linkUp bool
	source netip.Addr
	track  vrrp.TrackChanged
	saved  *vrrp.Saved // what the process left behind

	armedFor    vrrp.Instant // the deadline of the timer,
	timerAt     vrrp.Instant // which fires a little later; never: not armed
	paused      bool
	pausedUntil vrrp.Instant
	deaf        bool         // paused as a virtual machine: packets are lost
	inbox       []vrrp.Event // what waits for a paused process
	draining    bool         // it is being read

	history
}

// socketBuffer is how many packets wait for a process that does not read.
const socketBuffer = 500

// Errors of the simulated kernel.
var (
	errNoLink  = errors.New("network is down")
	errRefused = errors.New("operation not permitted")
)

// Add adds a node that does not run yet. Its source address is 10.9.0.1 for the
// first, and so on, if the configuration has none.
func (l *LAN) Add(name string, cfg vrrp.Config) *Node {
	n := &Node{Name: name, lan: l, linkUp: true, timerAt: never}
	n.source = cfg.Source
	if !n.source.IsValid() {
		n.source = netip.AddrFrom4([4]byte{10, 9, 0, byte(len(l.nodes) + 1)})
	}
	n.Config = cfg
	l.nodes = append(l.nodes, n)
	return n
}

// Node returns the node of a name, or nil.
func (l *LAN) Node(name string) *Node {
	for _, n := range l.nodes {
		if n.Name == name {
			return n
		}
	}
	return nil
}

// Alive reports whether the process exists.
func (n *Node) Alive() bool { return n.Router != nil }

// Running reports whether the process exists and is not paused.
func (n *Node) Running() bool { return n.Alive() && !n.paused }

// State returns the state of the router; Initialize if there is none.
func (n *Node) State() vrrp.State {
	if !n.Alive() {
		return vrrp.Initialize
	}
	return n.Router.State()
}

// Source returns the primary address of the node.
func (n *Node) Source() netip.Addr { return n.source }

// Holds reports whether any address of the virtual router is on the interface.
func (n *Node) Holds() bool { return len(n.kernel.held) > 0 }

// Start starts the process; with resume, it finds what a crash left behind.
func (n *Node) Start(resume bool) {
	if n.Alive() {
		return
	}
	n.lan.trace(n, "starts")
	cfg := n.Config
	cfg.Source = n.source
	var router Router = vrrp.New(cfg)
	if n.Spoil != nil {
		router = n.Spoil(router)
	}
	n.Router = router
	if !resume {
		n.saved = nil
	}
	n.history.reset(n.lan.now)
	saved := n.saved
	n.run(vrrp.LinkChanged{Up: n.linkUp, Source: n.source})
	n.run(n.track)
	n.run(vrrp.Started{Resume: saved, Held: n.Holds()})
}

// Stop asks the router to leave, with or without a hand-over.
func (n *Node) Stop(wait bool) { n.deliver(vrrp.Stopped{Wait: wait}) }

// Kill ends the process. The kernel keeps what it holds.
func (n *Node) Kill() {
	n.lan.trace(n, "is killed")
	n.gone()
}

func (n *Node) gone() {
	n.Router, n.inbox, n.paused, n.timerAt = nil, nil, false, never
}

// Pause stops the process for d; what arrives waits. With deaf it is lost: the
// whole host is paused.
func (n *Node) Pause(d time.Duration, deaf bool) {
	if !n.Alive() {
		return
	}
	n.lan.trace(n, "pauses for %v", d)
	n.paused, n.deaf = true, deaf
	n.pausedUntil = n.lan.now.Add(d)
	n.lan.after(d, n.wake)
}

// Wake ends a pause.
func (n *Node) Wake() {
	n.pausedUntil = n.lan.now
	n.wake()
}

// wake goes on after a pause: first with what waits, then with the timer.
func (n *Node) wake() {
	if !n.paused || n.lan.now < n.pausedUntil {
		return
	}
	n.lan.trace(n, "goes on")
	n.paused, n.deaf = false, false
	n.awakeAt = n.lan.now
	inbox := n.inbox
	n.inbox = nil
	n.draining = true
	for _, ev := range inbox {
		n.deliver(ev)
	}
	n.draining, n.robbed = false, false
	if n.timerAt <= n.lan.now {
		n.run(vrrp.TimerFired{})
	}
	if n.Alive() {
		n.checkHolding()
	}
}

// SetLink takes the link down or up.
func (n *Node) SetLink(up bool) {
	n.lan.trace(n, "link %s", map[bool]string{true: "up", false: "down"}[up])
	n.linkUp = up
	n.deliver(vrrp.LinkChanged{Up: up, Source: n.source})
}

// SetSource changes the primary address; the zero Addr removes it.
func (n *Node) SetSource(a netip.Addr) {
	n.source = a
	n.deliver(vrrp.LinkChanged{Up: n.linkUp, Source: a})
}

// SetTrack changes what is tracked.
func (n *Node) SetTrack(adjust int, fault string) {
	n.track = vrrp.TrackChanged{Adjust: adjust, Fault: fault}
	n.deliver(n.track)
}

// Reconfigure gives the router another configuration.
func (n *Node) Reconfigure(cfg vrrp.Config) {
	if !n.Alive() {
		n.Config = cfg
	}
	n.deliver(vrrp.Reconfigured{Config: cfg})
}

// HandOver and Lift are the operator's commands.
func (n *Node) HandOver() { n.deliver(vrrp.HandOver{}) }

// Lift ends the lowered priority of HandOver.
func (n *Node) Lift() { n.deliver(vrrp.HandOverLifted{}) }

// RemoveAddress removes the first address that is held, as a foreign program
// would.
func (n *Node) RemoveAddress() {
	if n.Holds() {
		a := n.kernel.held[0].addr
		n.lan.trace(n, "loses %v", a)
		n.robbed = n.paused
		n.lose(a)
	}
}

// Inject sends a forged advert to the node.
func (n *Node) Inject(ad vrrp.AdvertReceived) {
	n.lan.transmit(func() { n.receive(ad) })
}

// receive is a packet arriving at the kernel.
func (n *Node) receive(ev vrrp.Event) {
	if !n.linkUp || !n.Alive() || n.paused && (n.deaf || len(n.inbox) >= socketBuffer) {
		return
	}
	if ad, ok := ev.(vrrp.AdvertReceived); ok {
		ad.ReceivedAt = n.lan.now
		n.remember(ad)
		ev = ad
	}
	n.deliver(ev)
}

// deliver hands an event to the process, now or when it goes on.
func (n *Node) deliver(ev vrrp.Event) {
	switch {
	case !n.Alive():
	case n.paused:
		n.inbox = append(n.inbox, ev)
	default:
		n.run(ev)
	}
}

// run is the driver: it gives the event to the router, carries the effects out,
// and gives back their outcomes.
func (n *Node) run(ev vrrp.Event) {
	n.step(ev)
	if !n.Alive() {
		return
	}
	if !n.draining {
		n.checkHolding()
	}
	if at, ok := n.Router.Deadline(); !ok {
		n.timerAt = never
	} else if at != n.armedFor {
		n.armedFor = at
		n.timerAt = at.Add(n.lan.upTo(n.lan.Slack))
	} else if n.timerAt == never {
		n.timerAt = at
	}
}

func (n *Node) step(ev vrrp.Event) {
	before := n.snapshot()
	effects := n.Router.Step(n.lan.now, ev)
	n.checkStep(before, ev, effects)
	n.traceEffects(ev, effects)
	if ev, ok := ev.(vrrp.Reconfigured); ok {
		n.Config = ev.Config
	}
	finished := false
	var outcomes []vrrp.Event
	for _, e := range effects {
		switch e := e.(type) {
		case vrrp.Send:
			outcomes = append(outcomes, vrrp.AdvertSent{Err: n.send(e)})
		case vrrp.Claim:
			outcomes = append(outcomes, vrrp.Claimed{Err: n.carryOutClaim(e)})
		case vrrp.Renew:
			n.renew(e.Lease)
			outcomes = append(outcomes, vrrp.Renewed{})
		case vrrp.Release:
			outcomes = append(outcomes, vrrp.Released{Err: n.release()})
		case vrrp.Announce:
			n.announce()
			outcomes = append(outcomes, vrrp.Announced{})
		case vrrp.Finished:
			finished = true
		}
	}
	saved := n.Router.Saved()
	n.saved = &saved
	for _, o := range outcomes {
		if n.Alive() {
			n.step(o)
		}
	}
	if finished {
		n.gone()
		n.saved = nil
	}
}

func (n *Node) send(e vrrp.Send) error {
	n.failed = n.failed || n.FailSends || !n.linkUp
	if n.FailSends {
		return errRefused
	}
	if !n.linkUp {
		return errNoLink
	}
	if e.Priority > 0 {
		n.sentAt = n.lan.now
	}
	ad := vrrp.AdvertReceived{Source: e.Source, Version: e.Version, Priority: e.Priority, Interval: e.Interval, Addresses: e.Addresses}
	n.lan.broadcast(n, func(to *Node) { to.receive(ad) })
	return nil
}

func (n *Node) carryOutClaim(e vrrp.Claim) error {
	n.failed = n.failed || n.FailClaims
	if n.FailClaims {
		n.claim(n.Config.Addresses[:1], e.Lease) // some of them
		return errRefused
	}
	n.claim(n.Config.Addresses, e.Lease)
	return nil
}

func (n *Node) release() error {
	n.refused, n.refusedAt = n.FailReleases, n.lan.now
	if n.refused {
		return errRefused
	}
	n.kernel.held = nil
	return nil
}

func (n *Node) announce() {
	for _, h := range n.kernel.held {
		heard := vrrp.AnnouncementHeard{Address: h.addr}
		n.lan.broadcast(n, func(to *Node) {
			if slices.Contains(to.Config.Addresses, heard.Address) {
				to.receive(heard)
			}
		})
		if n.linkUp && !n.lan.clientsCut[n] {
			n.lan.transmit(func() { n.lan.Clients[heard.Address] = n })
		}
	}
}
