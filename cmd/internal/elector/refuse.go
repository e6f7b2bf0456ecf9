package elector

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/lbha/lbha/vrrp"
	"github.com/lbha/lbha/vrrp/wire"
)

const (
	// maxRefusals bounds what an instance remembers of senders that are refused. Anybody can make some up.
	maxRefusals = 8
	// refusalLasts is how long a refusal counts after the last packet: an advert may come only each 40 s.
	refusalLasts = time.Minute
)

// refusal is a sender whose packets an instance refuses, for one reason: a peer that is configured in another way, or
// somebody who is no peer. It is a finding while it lasts.
type refusal struct {
	from    netip.Addr
	reason  wire.Drop
	packets uint64
	first   vrrp.Instant
	last    vrrp.Instant
	told    bool // it is in the log
}

// finding is the refusal for people, with its evidence.
func (r *refusal) finding(in *instance) vrrp.Finding {
	f := vrrp.Finding{Reason: vrrp.Reason(r.reason), Peer: r.from}
	if r.reason == wire.DropVersionMismatch {
		f.Ours, f.Theirs = strconv.Itoa(int(in.cfg.Version)), strconv.Itoa(int(vrrp.Version2+vrrp.Version3-in.cfg.Version))
	}
	f.Detail = fmt.Sprintf("adverts refused: %d in %v", r.packets, r.last.Sub(r.first).Round(time.Millisecond))
	return f
}

// dropped counts and reports a packet for an instance that was refused: each sender and reason when it begins and when
// it ends, and what it adds up to in the status.
func (e *elector) dropped(in *instance, from netip.Addr, reason wire.Drop) {
	in.drop(reason.String())
	t := now()
	k := slices.IndexFunc(in.refusals, func(r refusal) bool { return r.from == from && r.reason == reason })
	if k < 0 {
		k = in.remember(refusal{from: from, reason: reason, first: t})
	}
	r := &in.refusals[k]
	r.packets, r.last = r.packets+1, t
	if r.told || e.withheld(in, "refusal") {
		return
	}
	r.told = true
	f := r.finding(in)
	f.Detail = "adverts are refused"
	e.finding(in, &f)
}

// remember adds a refusal, in the place of the one that was heard longest ago if there are too many, and returns where.
func (in *instance) remember(r refusal) int {
	if len(in.refusals) == maxRefusals {
		oldest := slices.MinFunc(in.refusals, func(a, b refusal) int { return cmp.Compare(a.last, b.last) })
		in.refusals = slices.DeleteFunc(in.refusals, func(r refusal) bool { return r == oldest })
	}
	in.refusals = append(in.refusals, r)
	return len(in.refusals) - 1
}

// expireRefusals ends those of which nothing more was heard.
func (e *elector) expireRefusals(t vrrp.Instant) {
	for _, in := range e.instances {
		in.refusals = slices.DeleteFunc(in.refusals, func(r refusal) bool {
			over := t.Sub(r.last) > refusalLasts
			if over && r.told {
				f := r.finding(in)
				f.Cleared = true
				e.finding(in, &f)
			}
			return over
		})
	}
}

// refused adds the refusals that last to the findings of the machine.
func (in *instance) refused(findings []vrrp.Finding) []vrrp.Finding {
	for k := range in.refusals {
		findings = append(findings, in.refusals[k].finding(in))
	}
	return findings
}
