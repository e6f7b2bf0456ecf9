package vrrptest

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/lbha/lbha/vrrp"
)

// traceEffects writes what a Step made. Scheduled adverts and renewals, which are
// what happens when nothing happens, are left out.
func (n *Node) traceEffects(ev vrrp.Event, effects []vrrp.Effect) {
	if n.lan.Trace == nil {
		return
	}
	_, scheduled := ev.(vrrp.TimerFired)
	scheduled = scheduled && !slices.ContainsFunc(effects, func(e vrrp.Effect) bool {
		_, ok := e.(vrrp.Transition)
		return ok
	})
	for _, e := range effects {
		if _, ok := e.(vrrp.Send); ok && scheduled {
			continue
		}
		if text := render(e); text != "" {
			n.lan.trace(n.Name, "%s", text)
		}
	}
}

// render returns the text of an effect for transcripts.
func render(e vrrp.Effect) string {
	switch e := e.(type) {
	case vrrp.Send:
		return fmt.Sprintf("advert, priority %d", e.Priority)
	case vrrp.Claim:
		if e.Lease > 0 {
			return fmt.Sprintf("claim for %v", e.Lease)
		}
		return "claim"
	case vrrp.Release:
		return "release"
	case vrrp.Announce:
		return fmt.Sprintf("announce, round %d", e.Round)
	case vrrp.SetSyncRole:
		return "sync as " + map[bool]string{true: "master", false: "backup"}[e.Master]
	case vrrp.Transition:
		return fmt.Sprintf("%v -> %v: %s", e.From, e.To, cause(e.Reason, e.Peer, e.Detail))
	case vrrp.Reject:
		return fmt.Sprintf("ignored: %v", e.Reason)
	case vrrp.Finding:
		text := "finding: " + cause(e.Reason, e.Peer, e.Detail)
		if e.Ours != "" {
			text += fmt.Sprintf(", ours %s, theirs %s", e.Ours, e.Theirs)
		}
		if e.Cleared {
			text += ", cleared"
		}
		return text
	case vrrp.Finished:
		return "finished"
	}
	return ""
}

// cause returns a reason with what explains it.
func cause(reason vrrp.Reason, peer netip.Addr, detail string) string {
	text := string(reason)
	if peer.IsValid() {
		text += " by " + peer.String()
	}
	if detail != "" {
		text += " (" + detail + ")"
	}
	return text
}

// String is the node in one line.
func (n *Node) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-2s", n.Name)
	if !n.Alive() {
		b.WriteString(" not running")
	} else {
		s := n.Router.Status()
		fmt.Fprintf(&b, " %v: %s, priority %d", s.State, cause(s.Reason, netip.Addr{}, s.Detail), s.Priority)
		if s.Master.Address.IsValid() {
			fmt.Fprintf(&b, ", master %v with %d each %v", s.Master.Address, s.Master.Priority, s.Interval)
		}
		if at, ok := n.group.Deadline(); ok {
			fmt.Fprintf(&b, ", timer in %v", at.Sub(n.clock()))
		}
		for _, f := range s.Findings {
			fmt.Fprintf(&b, ", %s", render(f))
		}
	}
	if n.Holds() {
		b.WriteString(", holds")
		for _, h := range n.kernel.held {
			fmt.Fprintf(&b, " %v", h.addr)
		}
	}
	return b.String()
}
