package elector

import (
	"errors"
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
	name  string
	index int           // 0: there is none
	state address.State // as last read

	channels   [2]channel // IPv4, IPv6
	sender     *announce.Sender
	frames     *segment.Frames // for the virtual MACs on it; nil: there was no need yet
	arp        *announce.Listener
	neighbours *announce.Listener
	pace       pace
	pacing     bool  // announcements wait
	vmac       *vmac // nil: an ordinary interface
	changed    noted // for the virtual MACs on it

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
	moved := !slices.Equal(i.state.MAC, state.MAC) && i.sender != nil
	if moved {
		e.closeSockets(i) // frames carry the old address
	}
	i.state = state
	vips := e.configuredOn(i)
	for k := range i.channels {
		i.channels[k].findSource(vips)
	}
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
			e.step(in, in.link())
		}
	})
	for _, in := range e.instances {
		if !in.finished && in.follows(config.TrackInterface, i.name) {
			e.look(in)
		}
		if moved && slices.ContainsFunc(in.held, func(v address.VIP) bool { return v.Index == i.index }) {
			e.step(in, vrrp.AddressesMoved{})
			e.happened(in, "interface", "mac-changed", i.name+" has another MAC, "+state.MAC.String()+": the addresses are announced again", true)
		}
	}
	e.dirty = true // an instance may have another reason for its fault
}

// configuredOn are the addresses that instances hold, or may hold, on i: none of them is a source of adverts.
func (e *elector) configuredOn(i *iface) []address.VIP {
	var vips []address.VIP
	for _, in := range e.instances {
		for _, a := range slices.Concat(in.cfg.Addresses, in.cfg.ExtraAddresses) {
			if e.under(a.Interface) == i {
				vips = append(vips, address.VIP{Prefix: a.Prefix, Index: i.index, Label: a.Label})
			}
		}
	}
	return vips
}

// openSockets opens what i needs, and closes what it does not.
func (e *elector) openSockets(i *iface) error {
	for k := range i.channels {
		if err := e.openChannel(&i.channels[k]); err != nil {
			return err
		}
	}
	if len(i.state.MAC) == 6 && i.sender == nil { // else no Ethernet
		s, err := e.openSender(i)
		if err != nil {
			return err
		}
		i.sender = s
	}
	if i.sender != nil {
		i.sender.SetRouter(i.state.Router)
	}
	var errs [2]error
	i.arp, errs[0] = e.listener(i, i.arp, false)
	i.neighbours, errs[1] = e.listener(i, i.neighbours, true)
	return errors.Join(errs[:]...)
}

// retune makes the sockets of i listen for what is configured now.
func (e *elector) retune(i *iface) error {
	for k := range i.channels {
		if c := &i.channels[k]; c.segment != nil {
			if err := c.segment.SetFilter(e.filter(c)); err != nil {
				return err
			}
		}
	}
	for _, l := range []*announce.Listener{i.arp, i.neighbours} {
		if l != nil {
			if err := l.Watch(ownMACs(i), addresses(e.configuredOn(i))); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *elector) closeSockets(i *iface) {
	for k := range i.channels {
		e.closeChannel(&i.channels[k])
	}
	e.closeSender(i)
	e.closeListener(i.arp)
	e.closeListener(i.neighbours)
	i.arp, i.neighbours = nil, nil
}

func addresses(vips []address.VIP) []netip.Addr {
	var addrs []netip.Addr
	for _, v := range vips {
		addrs = append(addrs, v.Prefix.Addr())
	}
	return addrs
}

// retryInterfaces looks again at what is not as it should be, for the case that no event told.
func (e *elector) retryInterfaces() {
	for _, i := range e.ifaces {
		lacks := func(c channel) bool { return e.speaks(&c) && (c.segment == nil || !c.primary.IsValid()) }
		if i.index == 0 || !i.state.Up && i.vmac == nil || i.sender == nil || slices.ContainsFunc(i.channels[:], lacks) {
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
	e.unseen = e.unseen || e.changes.Lost
}

// lostAddress tells the instance that holds an address that somebody took it off. Of an IPv6 address the kernel does not
// say who did: it may have been us, before we claimed it again.
func (e *elector) lostAddress(index int, p netip.Prefix) {
	for _, in := range e.instances {
		if slices.ContainsFunc(in.held, func(v address.VIP) bool { return v.Index == index && v.Prefix == p }) {
			lost := []address.VIP{{Index: index, Prefix: p}}
			if p.Addr().Is6() {
				if gone, err := e.rtnl.Missing(lost); err == nil && len(gone) == 0 {
					continue
				}
			}
			e.step(in, vrrp.AddressLost{Address: p.Addr()})
		}
	}
}

// astray reports whether a held address is on another link than the one that has its interface's name by now.
func (e *elector) astray(in *instance, v address.VIP) bool {
	return slices.ContainsFunc(slices.Concat(in.cfg.Addresses, in.cfg.ExtraAddresses), func(a config.Address) bool {
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
