package vrrptest

import (
	"net/netip"
	"slices"

	"github.com/lbha/lbha/vrrp"
)

// This file is what must be true of sync groups in every run.

// checkGroup judges one Step of a group: its members are in one state, and who
// followed another followed one that moved.
func (p *process) checkGroup(effects []vrrp.MemberEffect) {
	first := p.nodes[0]
	for _, n := range p.nodes[1:] {
		if n.State() != first.State() {
			p.lan.violate(n, "is %v, while %s is %v", n.State(), first.Name, first.State())
		}
	}
	for _, e := range effects {
		t, ok := e.Effect.(vrrp.Transition)
		if !ok {
			continue
		}
		n := p.nodes[e.Member]
		switch t.Reason {
		case vrrp.ReasonGroup:
			reason := p.reason(effects, t.Detail, t.To)
			if reason == "" || reason == vrrp.ReasonGroup {
				p.lan.violate(n, "follows %q to %v, which went for the reason %q", t.Detail, t.To, reason)
			}
			if reason == vrrp.ReasonHandedOver {
				n.relievedAt = p.lan.now
			}
		case vrrp.ReasonGroupFault:
			leader := p.lan.Node(t.Detail)
			if leader == n || leader.process != p || leader.State() != vrrp.Fault && p.reason(effects, t.Detail, vrrp.Fault) == "" {
				p.lan.violate(n, "is in fault because of %q, which is not", t.Detail)
			}
		}
	}
}

// reason returns why a member went to a state in a Step, or "".
func (p *process) reason(effects []vrrp.MemberEffect, name string, to vrrp.State) vrrp.Reason {
	for _, e := range effects {
		if t, ok := e.Effect.(vrrp.Transition); ok && p.nodes[e.Member].Name == name && t.To == to {
			return t.Reason
		}
	}
	return ""
}

// mistook reports whether another member heard a master of another host resign since
// h. Of two masters, each heard on one segment, nobody can know that they are not
// one host.
func (n *Node) mistook(h heard) bool {
	return slices.ContainsFunc(n.nodes, func(other *Node) bool {
		return other != n && other.resignedAt > h.at && other.resigned != stranger
	})
}

// masterSince reports whether an address has been a master's since an instant.
func (l *LAN) masterSince(segment int, a netip.Addr, since vrrp.Instant) bool {
	return slices.ContainsFunc(l.nodes, func(n *Node) bool {
		return n.segment == segment && (n.home == a || n.source == a) && n.State() == vrrp.Master && n.Router.Status().Since.Add(n.behind) <= since
	})
}
