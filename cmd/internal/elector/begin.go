package elector

import (
	"fmt"
	"net/netip"

	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/vrrp"
	"github.com/lbha/lbha/vrrp/address"
)

// begin starts new instances, or resumes those that a former process left. It asks the kernel once for all of them: a
// thousand are to be masters again before anybody misses them.
func (e *elector) begin(fresh []*instance, groups []config.Group, held []address.Held, resume memory) {
	slots := e.slots(resume.Instances)
	speaking := make(map[*iface]bool)
	for _, in := range fresh {
		in.expect, _ = expectation(&in.cfg) // prepare has seen that it can be made
		_ = in.auth.configure(&in.cfg)      // and this
		e.useInterfaces(in)
		in.iface = e.ifaces[in.cfg.Interface]
		in.channel = in.iface.channel(in.cfg.Family)
		in.machine = vrrp.New(machineConfig(&in.cfg, netip.Addr{}))
		if r, ok := resume.Instances[in.cfg.Name]; ok {
			in.slot = r.Slot
		} else {
			in.slot = slots()
			e.region.Clock(in.slot).Store(0)
		}
		e.instances = append(e.instances, in)
		e.byName[in.cfg.Name] = in
		speaking[in.iface] = true
		if t, ok := resume.Tracked[in.cfg.Name]; ok {
			in.told = told{t, now()}
		}
	}
	e.enrol(fresh, groups)
	if !e.active {
		e.releaseOrphans(held)
		e.sweepVMACs()
		if len(resume.Instances) == 0 {
			e.sweepRoutes()
		}
	}
	// The links first: a resumed master must be able to send at once.
	for i := range speaking {
		e.refresh(i)
	}
	missing := e.missing(fresh)
	for _, in := range fresh {
		e.look(in)
		var saved *vrrp.Saved
		if r, ok := resume.Instances[in.cfg.Name]; ok {
			saved = &r.Saved
			saved.LastAdvert = max(saved.LastAdvert, vrrp.Instant(e.region.Clock(in.slot).Load()))
		}
		e.start(in, saved, missing)
	}
	for _, in := range fresh {
		if in.machine.Status().Reason == vrrp.ReasonResumed {
			e.resumeRoutes(in)
		}
		if in.machine.State() == vrrp.Master {
			continue
		}
		// Not resumed: what was found is nobody's.
		e.unfollow(in)
		e.lower(in)
		if len(in.held) > 0 {
			if err := e.release(in); err != nil {
				e.happened(in, "address", "release-failed", err.Error(), true)
			}
		}
	}
}

// start starts one instance. One that resumes needs all of its addresses; one that starts afresh gives up whatever it
// finds.
func (e *elector) start(in *instance, saved *vrrp.Saved, missing map[place]bool) {
	vips, err := e.vips(in)
	whole := err == nil
	for _, v := range vips {
		if missing[placeOf(v)] {
			whole = false
		} else {
			in.held = append(in.held, v)
		}
	}
	held := len(in.held) > 0
	if saved != nil && saved.State == vrrp.Master {
		held = whole
	}
	e.step(in, vrrp.Started{Held: held, Resume: saved})
}

// slots returns a function that gives out clocks that no instance has, nor one that is about to resume.
func (e *elector) slots(resume map[string]remembered) func() int {
	used := make(map[int]bool)
	for _, in := range e.instances {
		used[in.slot] = true
	}
	for _, r := range resume {
		used[r.Slot] = true
	}
	next := 0
	return func() int {
		for used[next] {
			next++ // in range: prepare refuses more instances than there are clocks
		}
		used[next] = true
		return next
	}
}

// missing reads which of the addresses of some instances the kernel has not. If it cannot be read, all are missing.
func (e *elector) missing(some []*instance) map[place]bool {
	var all []address.VIP
	for _, in := range some {
		vips, _ := e.vips(in)
		all = append(all, vips...)
	}
	gone, err := e.rtnl.Missing(all)
	if err != nil {
		e.happened(nil, "process", "addresses-unreadable", err.Error(), true)
		gone = all
	}
	places := make(map[place]bool, len(gone))
	for _, v := range gone {
		places[placeOf(v)] = true
	}
	return places
}

// releaseOrphans takes off what carries our mark and is not where an instance wants it: the leavings of a daemon with
// another configuration.
func (e *elector) releaseOrphans(held []address.Held) {
	wanted := make(map[place]bool)
	for _, in := range e.instances {
		vips, _ := e.vips(in)
		for _, v := range vips {
			wanted[placeOf(v)] = true
		}
	}
	var orphans []address.VIP
	for _, h := range held {
		if !wanted[placeOf(h.VIP)] {
			orphans = append(orphans, h.VIP)
		}
	}
	if len(orphans) == 0 {
		return
	}
	e.happened(nil, "address", "orphan-released", fmt.Sprintf("%d addresses of a former configuration were still held", len(orphans)), false)
	if err := e.roles().Release(orphans); err != nil {
		e.happened(nil, "address", "release-failed", err.Error(), true)
	}
}
