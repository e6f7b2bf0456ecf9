package elector

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/lbha/lbha/vrrp"
)

// What is announced on one interface without a gap of its own: so many announcements at once, and then one after each
// gap. A handful of addresses is told in one breath; a thousand are within a tenth of a second, at a rate that a
// switch's processor can follow.
const (
	announceBurst = 64
	announceGap   = 100 * time.Microsecond
)

// pace spaces the announcements on an interface. First announcements, which move the clients, go before repeats, which
// only make up for loss. Each queue holds at most one round of an instance.
type pace struct {
	first, again queue
	full         vrrp.Instant // when as much as is allowed was sent: the schedule of a perfectly even sender
}

// announcement is one that waits. (The two forms of a gratuitous ARP go together, as one.)
type announcement struct {
	in   *instance
	addr netip.Addr
}

// queue is first in, first out.
type queue struct {
	all  []announcement
	head int // of those that wait still
}

func (q *queue) waiting() []announcement { return q.all[q.head:] }

func (q *queue) pop() {
	q.all[q.head] = announcement{}
	if q.head++; q.head == len(q.all) {
		q.all, q.head = q.all[:0], 0
	}
}

func (q *queue) cancel(in *instance) {
	q.all = slices.DeleteFunc(q.waiting(), func(a announcement) bool { return a.in == in })
	q.head = 0
}

// add puts a round of an instance into the queue. A new first round replaces what is left of the one before; a repeat
// for which the one before has not been sent out yet is too much.
func (p *pace) add(in *instance, round int, addrs []netip.Addr) {
	q := &p.again
	if round == 0 {
		p.cancel(in)
		q = &p.first
	} else if slices.ContainsFunc(q.waiting(), func(a announcement) bool { return a.in == in }) {
		return
	}
	for _, addr := range addrs {
		q.all = append(q.all, announcement{in, addr})
	}
}

// cancel takes out all that waits of an instance.
func (p *pace) cancel(in *instance) {
	p.first.cancel(in)
	p.again.cancel(in)
}

// next is the queue whose head is next, or nil.
func (p *pace) next() *queue {
	switch {
	case len(p.first.waiting()) > 0:
		return &p.first
	case len(p.again.waiting()) > 0:
		return &p.again
	}
	return nil
}

// at returns when the next announcement may be sent; never: none waits.
func (p *pace) at() vrrp.Instant {
	q := p.next()
	if q == nil {
		return never
	}
	_, ahead := q.waiting()[0].in.gap()
	return p.full.Add(-ahead)
}

// take returns the announcement that may be sent at t, if there is one, and counts it as sent.
func (p *pace) take(t vrrp.Instant) (announcement, bool) {
	q := p.next()
	if q == nil || p.at() > t {
		return announcement{}, false
	}
	a := q.waiting()[0]
	q.pop()
	gap, _ := a.in.gap()
	p.full = max(p.full, t).Add(gap)
	return a, true
}

// gap is the time that one announcement of the instance takes up, and how far ahead of an even pace it may be sent: not
// at all where a gap is configured.
func (in *instance) gap() (gap, ahead time.Duration) {
	if g := in.cfg.Announce.Gap; g > 0 {
		return g, 0
	}
	return announceGap, (announceBurst - 1) * announceGap
}

// announce queues one round for each interface that has addresses of the instance, and sends what may be sent at once.
func (e *elector) announce(in *instance, round int) error {
	var first error
	for _, i := range e.ifaces {
		e.addrs = e.addrs[:0]
		for _, v := range in.held {
			if v.Index == i.index {
				e.addrs = append(e.addrs, v.Prefix.Addr())
			}
		}
		switch {
		case len(e.addrs) == 0:
		case i.sender == nil:
			first = noSender(i)
		default:
			i.pace.add(in, round, e.addrs)
			e.sendPaced(i)
		}
	}
	return first
}

func noSender(i *iface) error { return fmt.Errorf("%s: no socket for announcements", i.name) }

// sendPaced sends what may be sent on i now, and sees to it that the loop returns to the rest.
func (e *elector) sendPaced(i *iface) {
	for t := now(); ; {
		a, ok := i.pace.take(t)
		if !ok {
			break
		}
		if i.sender == nil {
			e.unannounced(a.in, noSender(i))
			continue
		}
		e.one[0] = a.addr
		if err := i.sender.Send(e.one[:]); err != nil {
			e.unannounced(a.in, err)
		}
	}
	if waits := i.pace.at() != never; waits != i.pacing {
		i.pacing = waits
		if waits {
			e.pacing = append(e.pacing, i)
		} else {
			e.pacing = slices.DeleteFunc(e.pacing, func(other *iface) bool { return other == i })
		}
	}
}

// unannounced remembers a failure. Its instance is told of it at the end of this turn: it may be in the middle of a step.
func (e *elector) unannounced(in *instance, err error) {
	if !slices.ContainsFunc(e.failures, func(o outcome) bool { return o.in == in }) {
		e.failures = append(e.failures, outcome{in, vrrp.Announced{Err: err}})
	}
}

// keepPace sends what has become due, and tells of failures.
func (e *elector) keepPace() {
	for _, i := range slices.Clone(e.pacing) {
		e.sendPaced(i)
	}
	failures := e.failures
	e.failures = nil
	for _, f := range failures {
		if f.in.group != nil {
			e.step(f.in, f.event)
		}
	}
}

// pacedAt is when the next announcement that waits may be sent.
func (e *elector) pacedAt() vrrp.Instant {
	at := never
	for _, i := range e.pacing {
		at = min(at, i.pace.at())
	}
	return at
}

// silence cancels what an instance has not announced yet: it is no longer master.
func (e *elector) silence(in *instance) {
	for _, i := range e.pacing {
		i.pace.cancel(in)
	}
}
