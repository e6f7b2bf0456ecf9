package elector

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/vrrp"
	"github.com/lbha/lbha/vrrp/address"
	"github.com/lbha/lbha/vrrp/announce"
	"github.com/lbha/lbha/vrrp/segment"
)

// iface is an interface with the sockets on it. It exists while an instance, or an address of one, names it, whether
// the kernel has such an interface or not.
type iface struct {
	name    string
	index   int // 0: there is none
	up      bool
	mac     net.HardwareAddr
	own     []netip.Prefix // its addresses as last read
	primary netip.Addr     // the first of them that is no VIP: the source of our adverts; invalid: none

	segment  *segment.Conn
	sender   *announce.Sender
	listener *announce.Listener
	pace     pace
	pacing   bool // announcements wait

	drained vrrp.Instant      // when the socket was last empty
	turn    uint64            // of the loop, in which it was drained before timers
	dropped map[string]uint64 // packets of no instance of ours, by reason
	problem string            // the last thing said about its sockets
}

// instancesOn calls f for each instance that speaks on i.
func (e *elector) instancesOn(i *iface, f func(*instance)) {
	for _, in := range e.instances {
		if in.iface == i {
			f(in)
		}
	}
}

// speaks reports whether an instance sends its adverts on i; other interfaces only hold addresses.
func (e *elector) speaks(i *iface) bool {
	return slices.ContainsFunc(e.instances, func(in *instance) bool { return in.iface == i && !in.finished })
}

// refresh reads the state of an interface from the kernel, opens or closes its sockets accordingly, and tells its
// instances. An interface that was deleted and made again has another index, and its old sockets are deaf.
func (e *elector) refresh(i *iface) {
	state, err := e.rtnl.Link(i.name)
	if err != nil {
		if !errors.Is(err, address.ErrNoInterface) {
			e.trouble(i, "link-unreadable", err)
			return // what was known stays, until the next tick
		}
		state = address.State{}
	}
	if state.Index != i.index {
		if i.index != 0 && state.Index != 0 {
			// Another link under the name: whoever is master there, it is not us.
			e.instancesOn(i, func(in *instance) { e.step(in, vrrp.LinkChanged{Source: in.source()}) })
		}
		e.closeSockets(i)
		i.index = state.Index
	}
	i.up = state.Up
	if !slices.Equal(i.mac, state.MAC) && i.sender != nil {
		e.closeSockets(i) // frames carry the old address
	}
	i.mac = state.MAC
	i.own = state.Addrs
	i.primary, _ = address.Primary(state.Addrs, e.configuredOn(i))
	if i.index != 0 {
		if err := e.openSockets(i); err != nil {
			e.trouble(i, "no-socket", err)
		} else {
			i.problem = ""
		}
	}
	e.instancesOn(i, func(in *instance) {
		in.expect.Self = in.source()
		if !in.finished {
			e.step(in, vrrp.LinkChanged{Up: i.up && i.segment != nil, Source: in.source()})
		}
	})
	for _, in := range e.instances {
		if !in.finished && in.follows(config.TrackInterface, i.name) {
			e.look(in)
		}
	}
}

// configuredOn are the addresses that instances hold, or may hold, on i: none of them is a source of adverts.
func (e *elector) configuredOn(i *iface) []address.VIP {
	var vips []address.VIP
	for _, in := range e.instances {
		for _, a := range slices.Concat(in.cfg.Addresses, in.cfg.ExtraAddresses) {
			if a.Interface == i.name {
				vips = append(vips, address.VIP{Prefix: a.Prefix, Index: i.index, Label: a.Label})
			}
		}
	}
	return vips
}

// filter is what the VRRP socket of i lets through.
func (e *elector) filter(i *iface) segment.Filter {
	var f segment.Filter
	e.instancesOn(i, func(in *instance) {
		f.Unicast = f.Unicast || in.cfg.Unicast != nil
		if in.cfg.Version == vrrp.Version2 {
			f.V2 = append(f.V2, uint8(in.cfg.VRID))
		} else {
			f.V3 = append(f.V3, uint8(in.cfg.VRID))
		}
	})
	return f
}

func (e *elector) openSockets(i *iface) error {
	if i.segment == nil && e.speaks(i) {
		s, err := segment.Open(segment.Config{Interface: i.name, Filter: e.filter(i)})
		if err != nil {
			return err
		}
		if err := e.listen(s.FD(), func() { e.receive(i) }); err != nil {
			s.Close()
			return err
		}
		i.segment, i.drained = s, now()
	}
	if len(i.mac) != 6 {
		return nil // no Ethernet, no ARP
	}
	if i.sender == nil {
		s, err := announce.Open(i.index, i.mac)
		if err != nil {
			return err
		}
		i.sender = s
	}
	if i.listener == nil {
		l, err := announce.Listen(i.index, ownMACs(i), addresses(e.configuredOn(i)))
		if err != nil {
			return err
		}
		if err := e.listen(l.FD(), func() { e.hear(i) }); err != nil {
			l.Close()
			return err
		}
		i.listener = l
	}
	return nil
}

func (e *elector) closeSegment(i *iface) {
	e.forget(i.segment.FD())
	i.segment.Close()
	i.segment = nil
}

func (e *elector) closeSockets(i *iface) {
	if i.segment != nil {
		e.closeSegment(i)
	}
	if i.sender != nil {
		i.sender.Close()
		i.sender = nil
	}
	if i.listener != nil {
		e.forget(i.listener.FD())
		i.listener.Close()
		i.listener = nil
	}
}

func addresses(vips []address.VIP) []netip.Addr {
	var addrs []netip.Addr
	for _, v := range vips {
		if v.Prefix.Addr().Is4() {
			addrs = append(addrs, v.Prefix.Addr())
		}
	}
	return addrs
}

// retryInterfaces looks again at what is not as it should be, for the case that no event told.
func (e *elector) retryInterfaces() {
	for _, i := range e.ifaces {
		if i.index == 0 || !i.up || i.sender == nil || i.segment == nil && e.speaks(i) || !i.primary.IsValid() {
			e.refresh(i)
		}
	}
}

// onWatch takes events of links and addresses as hints to read the state again.
func (e *elector) onWatch() {
	if err := e.watch.Read(&e.changes); err != nil {
		e.changes.Lost = true
	}
	for _, i := range e.ifaces {
		if e.changes.Lost || i.index == 0 || slices.Contains(e.changes.Links, i.index) {
			e.refresh(i)
		}
	}
	for _, d := range e.changes.Deleted {
		e.lostAddress(d.Index, d.Prefix)
	}
	if e.changes.Lost {
		e.verify()
	}
}

// lostAddress tells the instance that holds an address that somebody took it off.
func (e *elector) lostAddress(index int, p netip.Prefix) {
	for _, in := range e.instances {
		if slices.ContainsFunc(in.held, func(v address.VIP) bool { return v.Index == index && v.Prefix == p }) {
			e.step(in, vrrp.AddressLost{Address: p.Addr()})
		}
	}
}

// verify compares what the kernel holds with what the instances believe to hold, once a second and after lost events:
// a notification is a hint, not a state. The mark of an address is not asked for: old kernels keep none.
func (e *elector) verify() {
	var all []address.VIP
	for _, in := range e.instances {
		all = append(all, in.held...)
	}
	if len(all) == 0 {
		return
	}
	gone, err := e.rtnl.Missing(all) // one look for all: it lists every address of this host
	if err != nil {
		return
	}
	missing := make(map[place]bool, len(gone))
	for _, v := range gone {
		missing[placeOf(v)] = true
	}
	for _, in := range e.instances {
		for _, v := range in.held {
			if missing[placeOf(v)] || e.astray(in, v) {
				e.step(in, vrrp.AddressLost{Address: v.Prefix.Addr()})
				break
			}
		}
	}
}

// astray reports whether a held address is on another link than the one that has its interface's name by now.
func (e *elector) astray(in *instance, v address.VIP) bool {
	return slices.ContainsFunc(in.cfg.Addresses, func(a config.Address) bool {
		i := e.ifaces[a.Interface]
		return a.Prefix == v.Prefix && i != nil && i.index != 0 && i.index != v.Index
	})
}

// trouble reports a problem with the sockets of an interface, once until it changes.
func (e *elector) trouble(i *iface, reason string, err error) {
	if text := reason + ": " + err.Error(); text != i.problem {
		i.problem = text
		told := false
		e.instancesOn(i, func(in *instance) {
			e.happened(in, "interface", reason, i.name+": "+err.Error(), true)
			told = true
		})
		if !told { // it only holds addresses
			e.happened(nil, "interface", reason, i.name+": "+err.Error(), true)
		}
	}
}

// quiet is the time within which one event of a kind is told once.
const quiet = time.Second
