package vrrptest

import (
	"time"

	"github.com/lbha/lbha/vrrp"
)

// clock is the monotonic clock of the host, which stands still while it is suspended.
func (p *process) clock() vrrp.Instant { return p.lan.now.Add(-p.behind) }

// Suspend pauses the host for d with its clock, as a virtual machine that is stopped
// by its host: what arrives is lost, leases do not end, and when it goes on it cannot
// know that any time has passed.
func (p *process) Suspend(d time.Duration) {
	if !p.Alive() || p.paused {
		return
	}
	p.Pause(d, true)
	p.frozenAt = p.lan.now
	for _, n := range p.nodes {
		for i := range n.kernel.held { // no lease ends
			n.kernel.held[i].lease = 0
		}
	}
}

// thaw sets the clock that stood still.
func (p *process) thaw() {
	if p.frozenAt == 0 {
		return
	}
	d := p.lan.now.Sub(p.frozenAt)
	p.behind += d
	if p.timerAt != never {
		p.timerAt = p.timerAt.Add(d)
	}
	for _, n := range p.nodes {
		n.history.shift(d)
		for i := range n.kernel.held {
			h := &n.kernel.held[i]
			n.lan.seq++
			id := n.lan.seq
			h.lease = id
			if h.expires != never {
				h.expires = max(h.expires.Add(d), n.lan.now)
				a := h.addr
				n.lan.after(h.expires.Sub(n.lan.now), func() { n.expire(a, id) })
			}
		}
	}
	p.frozenAt = 0
}

// shift makes what is counted in the time of the host not count a suspension.
func (h *history) shift(d time.Duration) {
	for _, at := range []*vrrp.Instant{
		&h.spokeAt, &h.sentAt, &h.claimedAt, &h.lostAt, &h.relievedAt, &h.leftAt, &h.wordAt,
		&h.refusedAt, &h.heard.at, &h.lesser.since, &h.lesser.at, &h.resignedAt,
	} {
		if *at != 0 {
			*at = at.Add(d)
		}
	}
}

// lag is how much later than others its packets are.
func (n *Node) lag() time.Duration {
	if n.lan.now < n.laggedUntil {
		return n.lagBy
	}
	return 0
}
