package vrrptest

import (
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/lbha/lbha/vrrp"
	"github.com/lbha/lbha/vrrp/wire"
)

// Node is one virtual router of a host: the process that drives it, alone or with
// the other members of its group, and its part of the kernel.
type Node struct {
	Name   string
	Config vrrp.Config
	// Router is nil while the process does not run.
	Router Router
	// Spoil, if set, wraps every router that is started.
	Spoil func(Router) Router
	// mislead, if set, changes what every router is told of its configuration.
	mislead func(*vrrp.Config)

	*process
	member  int // of the group: the index
	segment int // nodes of other segments do not hear it

	// What fails from now on.
	FailSends, FailClaims, FailReleases bool
	failRenews, failAnnounces           bool

	blockedUntil, laggedUntil vrrp.Instant // what it sends and what is sent to it is lost, or late
	lagBy                     time.Duration

	kernel   kernel
	hmac     *wire.HMAC // of the running process; nil: adverts are not signed
	linkUp   bool
	home     netip.Addr // the source address of a healthy node
	source   netip.Addr
	track    vrrp.TrackChanged
	saved    *vrrp.Saved // what the process left behind
	finished bool        // the router has stopped

	history
}

// Errors of the simulated kernel.
var (
	errNoLink  = errors.New("network is down")
	errRefused = errors.New("operation not permitted")
)

// Add adds a node that does not run yet. Its source address is 10.9.0.1 for the
// first, and so on, if the configuration has none.
func (l *LAN) Add(name string, cfg vrrp.Config) *Node {
	return l.addTo(&process{name: name, lan: l, timerAt: never}, name, cfg)
}

// AddGroup adds a host with a sync group: each configuration is of a member, on a
// segment of its own. The nodes of host a are a1, a2 and so on.
func (l *LAN) AddGroup(host string, cfgs ...vrrp.Config) []*Node {
	p := &process{name: host, lan: l, timerAt: never}
	for i, cfg := range cfgs {
		cfg.Name = host + strconv.Itoa(i+1)
		l.addTo(p, cfg.Name, cfg)
	}
	return p.nodes
}

func (l *LAN) addTo(p *process, name string, cfg vrrp.Config) *Node {
	n := &Node{Name: name, Config: cfg, process: p, member: len(p.nodes), segment: len(p.nodes), linkUp: true}
	if n.member == 0 {
		l.processes = append(l.processes, p)
	}
	n.home = cfg.Source
	if !n.home.IsValid() {
		n.home = netip.AddrFrom4([4]byte{10, 9, byte(n.segment), byte(len(l.processes))})
	}
	n.source = n.home
	p.nodes = append(p.nodes, n)
	l.nodes = append(l.nodes, n)
	return n
}

// Node returns the node of a name, or the first one of a host, or nil.
func (l *LAN) Node(name string) *Node {
	for _, n := range l.nodes {
		if n.Name == name || n.process.name == name {
			return n
		}
	}
	return nil
}

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

// Stop asks the router, or all of the group, to leave, with or without a hand-over.
func (n *Node) Stop(wait bool) { n.deliver(vrrp.Stopped{Wait: wait}) }

// SetLink takes the link down or up.
func (n *Node) SetLink(up bool) {
	n.lan.trace(n.Name, "link %s", map[bool]string{true: "up", false: "down"}[up])
	n.changeLink(up)
}

func (n *Node) changeLink(up bool) {
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
		n.lan.trace(n.Name, "loses %v", a)
		n.robbed = n.paused
		n.lose(a)
	}
}

// Move gives the interface another link-layer address.
func (n *Node) Move() {
	n.losses++
	n.deliver(vrrp.AddressesMoved{})
}

// Inject sends a forged advert to the node: nobody signed it.
func (n *Node) Inject(ad vrrp.AdvertReceived) {
	n.lan.transmit(0, func() { n.hear(ad, nil) })
}

// hears reports whether a packet that arrives now will be read.
func (n *Node) hears() bool {
	return n.linkUp && n.Alive() && (!n.paused || !n.deaf && len(n.inbox) < socketBuffer)
}

// hear is an advert arriving at the kernel, in a packet if it is signed.
func (n *Node) hear(ad vrrp.AdvertReceived, packet []byte) {
	if n.hears() && n.believes(&ad, packet) {
		ad.ReceivedAt = n.clock()
		n.remember(ad)
		n.deliver(ad)
	}
}

// hearAnnouncement is the same of a gratuitous ARP.
func (n *Node) hearAnnouncement(heard vrrp.AnnouncementHeard) {
	if n.hears() {
		n.deliver(heard)
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
	if n.saved != nil { // a clock that every advert sets, whatever else is saved or not
		n.saved.LastAdvert = n.clock()
	}
	ad := vrrp.AdvertReceived{Source: e.Source, Version: e.Version, Priority: e.Priority, Interval: e.Interval, Addresses: e.Addresses}
	packet := n.sign(&ad)
	n.lan.broadcast(n, n.lan.filtered, func(to *Node) { to.hear(ad, packet) })
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
	n.announcedAt = n.lan.now
	for _, h := range n.kernel.held {
		heard := vrrp.AnnouncementHeard{Address: h.addr, By: n.Name}
		n.lan.broadcast(n, n.lan.suppressed, func(to *Node) {
			if slices.Contains(to.Config.Addresses, heard.Address) {
				to.hearAnnouncement(heard)
			}
		})
		if n.linkUp && !n.lan.clientsCut[n] && n.lan.now >= n.blockedUntil {
			n.lan.transmit(n.lag(), func() { n.lan.Clients[heard.Address], n.lan.since[heard.Address] = n, n.lan.now })
		}
	}
}
