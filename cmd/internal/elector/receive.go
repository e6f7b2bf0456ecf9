package elector

import (
	"slices"

	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/vrrp"
	"github.com/lbha/lbha/vrrp/announce"
	"github.com/lbha/lbha/vrrp/segment"
	"github.com/lbha/lbha/vrrp/wire"
)

// receive drains the VRRP socket of c and delivers what is for an instance.
func (e *elector) receive(c *channel) {
	for read := 0; c.segment != nil && read < drainLimit; {
		n, err := c.segment.Receive(e.packets[:])
		t := now()
		e.traffic.adverts += n
		for k := range e.packets[:n] {
			e.deliver(c, &e.packets[k], t)
		}
		if err != nil {
			e.trouble(c.iface, "receive-failed", err)
			return
		}
		if n < len(e.packets) {
			c.drained = t
			return
		}
		read += n
	}
}

// deliver decodes one packet and steps the machine it is for.
func (e *elector) deliver(c *channel, p *segment.Packet, read vrrp.Instant) {
	form, drop := wire.Decode(&e.advert, p.Payload, p.Meta())
	in := e.speaker(c, wire.VRID(p.Payload))
	if in == nil {
		c.iface.drop(wire.DropForeignVRID)
		return
	}
	if drop == wire.Accepted {
		drop = in.expect.Check(&e.advert, p.Meta())
	}
	// The stamp is wall-clock: of it only the age counts, and no more of that than the time since the socket was
	// last seen empty, so that a step of the clock cannot move a deadline.
	age := max(min(p.Age, read.Sub(c.drained)), 0)
	if drop == wire.Accepted {
		drop = e.authenticate(in, p, age)
	}
	if drop != wire.Accepted {
		e.dropped(in, p.Src, drop)
		return
	}
	in.received++
	if form == wire.FormMessage && e.advert.Version == 3 {
		in.plain++
	}
	e.step(in, vrrp.AdvertReceived{
		Source:     p.Src,
		Version:    vrrp.Version(e.advert.Version),
		Priority:   vrrp.Priority(e.advert.Priority),
		Interval:   e.advert.Interval,
		Addresses:  e.advert.Addresses,
		ReceivedAt: read.Add(-age),
	})
}

// speaker is the instance of a VRID that speaks through c.
func (e *elector) speaker(c *channel, vrid uint8) *instance {
	if in := c.speakers[vrid]; in != nil && !in.finished {
		return in
	}
	return nil
}

func (i *iface) drop(reason wire.Drop) {
	if i.dropped == nil {
		i.dropped = make(map[string]uint64)
	}
	i.dropped[reason.String()]++
}

// hear reads packets in which somebody else claims an address of ours.
func (e *elector) hear(i *iface, l *announce.Listener) {
	var heard [16]announce.Conflict
	n, err := l.Heard(heard[:])
	if err != nil {
		e.trouble(i, "receive-failed", err)
	}
	for _, c := range heard[:n] {
		for _, in := range e.instances { // it may speak on another interface than this
			ours := func(a config.Address) bool { return e.under(a.Interface) == i && a.Prefix.Addr() == c.IP }
			if !in.finished && (slices.ContainsFunc(in.cfg.Addresses, ours) || slices.ContainsFunc(in.cfg.ExtraAddresses, ours)) {
				e.step(in, vrrp.AnnouncementHeard{Address: c.IP, By: c.MAC.String(), Kind: c.Kind})
			}
		}
	}
}

// audit counts what the socket filters kept away, by reason: a bounded look once a second.
func (e *elector) audit() {
	for _, i := range e.ifaces {
		for k := range i.channels {
			e.auditChannel(&i.channels[k])
		}
	}
}

func (e *elector) auditChannel(c *channel) {
	if c.segment == nil {
		return
	}
	var refused [256]segment.Rejected
	n, lost, err := c.segment.Audit(refused[:])
	if err != nil {
		e.trouble(c.iface, "receive-failed", err)
		return
	}
	for _, r := range refused[:n] {
		if in := e.speaker(c, r.VRID); in != nil {
			e.dropped(in, r.Src, r.Reason)
		} else {
			c.iface.drop(r.Reason)
		}
	}
	if lost > 0 {
		if c.iface.dropped == nil {
			c.iface.dropped = make(map[string]uint64)
		}
		c.iface.dropped["unexamined"] += uint64(lost)
	}
}
