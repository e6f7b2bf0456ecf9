package elector

import (
	"net/netip"
	"slices"

	"github.com/lbha/lbha/ipvs"
	"github.com/lbha/lbha/vrrp"
	"github.com/lbha/lbha/vrrp/address"
	"github.com/lbha/lbha/vrrp/announce"
	"github.com/lbha/lbha/vrrp/segment"
	"github.com/lbha/lbha/vrrp/wire"
)

// channel is what the virtual routers of one family speak through on an interface. Those of the other family are
// independent of them, with the same VRID too.
type channel struct {
	iface  *iface
	family ipvs.Family

	segment  *segment.Conn
	speakers [256]*instance // who speaks through it, by VRID
	// The interface's own addresses that adverts are sent from, unless the configuration names one; invalid: there is
	// none. On IPv6 primary is link-local, and routable is for peers that are not.
	primary, routable netip.Addr

	drained vrrp.Instant // when the socket was last empty
	turn    uint64       // of the loop, in which it was drained before timers
}

func newIface(name string) *iface {
	i := &iface{name: name}
	i.channels = [...]channel{{iface: i, family: ipvs.IPv4}, {iface: i, family: ipvs.IPv6}}
	return i
}

// channel is that of a family.
func (i *iface) channel(f ipvs.Family) *channel {
	if f == ipvs.IPv6 {
		return &i.channels[1]
	}
	return &i.channels[0]
}

// on calls f for each instance that speaks through c.
func (e *elector) on(c *channel, f func(*instance)) {
	for _, in := range e.instances {
		if in.channel == c {
			f(in)
		}
	}
}

// speaks reports whether an instance sends its adverts through c; other interfaces only hold addresses.
func (e *elector) speaks(c *channel) bool {
	return slices.ContainsFunc(e.instances, func(in *instance) bool { return in.channel == c && !in.finished })
}

// group is where adverts go that are not for configured peers.
func (c *channel) group() netip.Addr {
	if c.family == ipvs.IPv6 {
		return wire.Group6()
	}
	return wire.Group4()
}

// findSource looks for the source of adverts among the addresses of the interface.
func (c *channel) findSource(vips []address.VIP) {
	if c.family == ipvs.IPv4 {
		c.primary, _ = address.Primary(c.iface.state.Addrs, vips)
		c.routable = c.primary
		return
	}
	c.primary, _ = address.Primary6(c.iface.state.Addrs, vips, true)
	c.routable, _ = address.Primary6(c.iface.state.Addrs, vips, false)
}

// usable reports whether it makes sense to have a socket. On IPv6 it does not without an address: the kernel forgets
// the members of groups with what it knows of IPv6 on an interface, where the MTU is too small for a time, for one.
func (c *channel) usable() bool {
	return c.family == ipvs.IPv4 || c.primary.IsValid() || c.routable.IsValid()
}

// filter is what the socket of c lets through.
func (e *elector) filter(c *channel) segment.Filter {
	var f segment.Filter
	e.on(c, func(in *instance) {
		f.Unicast = f.Unicast || in.cfg.Unicast != nil
		if in.cfg.Version == vrrp.Version2 {
			f.V2 = append(f.V2, uint8(in.cfg.VRID))
		} else {
			f.V3 = append(f.V3, uint8(in.cfg.VRID))
		}
	})
	return f
}

// openChannel opens or closes the socket of c, as it is needed or not.
func (e *elector) openChannel(c *channel) error {
	switch {
	case !e.speaks(c) || !c.usable():
		e.closeChannel(c)
		return nil
	case c.segment != nil:
		return nil
	}
	s, err := segment.Open(segment.Config{Interface: c.iface.name, IPv6: c.family == ipvs.IPv6, Filter: e.filter(c)})
	if err != nil {
		return err
	}
	if err := e.listen(s.FD(), func() { e.receive(c) }); err != nil {
		s.Close()
		return err
	}
	c.segment, c.drained = s, now()
	return nil
}

func (e *elector) closeChannel(c *channel) {
	if c.segment != nil {
		e.forget(c.segment.FD())
		c.segment.Close()
		c.segment = nil
	}
}

// source is the address that adverts are sent from; invalid: the interface has none that will do.
func (in *instance) source() netip.Addr {
	c, u := in.channel, in.cfg.Unicast
	switch {
	case u == nil:
		return c.primary
	case u.Source.IsValid():
		if slices.ContainsFunc(c.iface.state.Addrs, func(p netip.Prefix) bool { return p.Addr() == u.Source }) {
			return u.Source
		}
		return netip.Addr{}
	case slices.ContainsFunc(u.Peers, func(p netip.Addr) bool { return !p.IsLinkLocalUnicast() }):
		return c.routable
	}
	return c.primary
}

// link is the state of the interface as the machine of the instance has to see it. Without a source there may be no
// socket, and that is not the link's fault.
func (in *instance) link() vrrp.LinkChanged {
	source := in.source()
	return vrrp.LinkChanged{Up: in.iface.state.Up && (in.channel.segment != nil || !source.IsValid()), Source: source}
}

// listener opens a listener for announcements of addresses of one family, or closes it if none are configured. It
// returns the one that there is then.
func (e *elector) listener(i *iface, l *announce.Listener, six bool) (*announce.Listener, error) {
	addrs := addresses(e.configuredOn(i))
	ofFamily := func(a netip.Addr) bool { return a.Is6() == six }
	switch {
	case len(i.state.MAC) != 6 || !slices.ContainsFunc(addrs, ofFamily): // no Ethernet, or nothing to hear
		e.closeListener(l)
		return nil, nil
	case l != nil:
		return l, nil
	}
	open := announce.Listen
	if six {
		open = announce.ListenNeighbours
	}
	l, err := open(i.index, ownMACs(i), addrs)
	if err != nil {
		return nil, err
	}
	if err := e.listen(l.FD(), func() { e.hear(i, l) }); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

func (e *elector) closeListener(l *announce.Listener) {
	if l != nil {
		e.forget(l.FD())
		e.closeLater(l)
	}
}

// noSource says why the instance has no source address.
func (in *instance) noSource() string {
	i, u := in.iface, in.cfg.Unicast
	what := "interface " + i.name
	switch {
	case u != nil && u.Source.IsValid():
		what += " does not have the source address " + u.Source.String()
	case in.cfg.Family == ipvs.IPv4:
		return what + " has no IPv4 address of its own to send adverts from"
	case u != nil:
		what += " has no IPv6 address of its own to send adverts from"
	default:
		what += " has no link-local address of its own to send adverts from"
	}
	switch s := &i.state; {
	case in.cfg.Family == ipvs.IPv4:
	case s.IPv6Off:
		what += ": IPv6 is switched off on it (net.ipv6.conf." + i.name + ".disable_ipv6)"
	case len(s.Duplicate) > 0:
		what += ": another host has " + s.Duplicate[0].String() + " too (duplicate address detection)"
	case len(s.Tentative) > 0:
		what += " yet: duplicate address detection of " + s.Tentative[0].String() + " goes on"
	case u == nil:
		what += ": it was removed, and the kernel makes another when the interface goes down and up, or never (addrgenmode none)"
	}
	return what
}
