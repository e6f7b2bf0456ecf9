package elector

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/lbha/lbha/cmd/internal/keep"
	"github.com/lbha/lbha/cmd/internal/link"
	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/vrrp"
	"github.com/lbha/lbha/vrrp/address"
	"github.com/lbha/lbha/vrrp/segment"
)

// memory is what a successor of this process needs.
type memory struct {
	Config    link.Prepare          `json:"config"`
	Instances map[string]remembered `json:"instances"`
}

type remembered struct {
	Slot  int        `json:"slot"`
	Saved vrrp.Saved `json:"saved"`
}

// onMessages reads what the director says.
func (e *elector) onMessages() {
	for {
		m, err := e.link.Receive()
		if err == link.ErrEmpty {
			return
		}
		if err != nil {
			e.happened(nil, "process", "bad-message", err.Error(), true)
			return
		}
		switch {
		case m.Prepare != nil:
			e.answer(link.Message{Prepared: &link.Outcome{Generation: m.Prepare.Generation, Error: text(e.prepare(m.Prepare))}})
		case m.Commit != nil:
			e.answer(link.Message{Committed: &link.Outcome{Generation: m.Commit.Generation, Error: text(e.commit(m.Commit.Generation))}})
		case m.HandOver != nil:
			e.handOver(m.HandOver)
		case m.Query != nil:
			e.dirty = true
		}
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// prepare checks a configuration against this host and changes nothing: what it finds impossible is refused now. An
// interface that does not exist is not: it may come.
func (e *elector) prepare(p *link.Prepare) error {
	if len(p.Instances) > keep.Clocks {
		return fmt.Errorf("%d instances; at most %d", len(p.Instances), keep.Clocks)
	}
	tried := make(map[string]bool)
	for k := range p.Instances {
		c := &p.Instances[k]
		m := machineConfig(c, netip.Addr{})
		if err := m.Validate(); err != nil {
			return fmt.Errorf("instance %s: %w", c.Name, err)
		}
		if _, err := expectation(c); err != nil {
			return fmt.Errorf("instance %s: %w", c.Name, err)
		}
		if i := e.ifaces[c.Interface]; i != nil && i.segment != nil || tried[c.Interface] {
			continue
		}
		tried[c.Interface] = true
		if err := tryInterface(c.Interface); err != nil {
			return fmt.Errorf("instance %s: %w", c.Name, err)
		}
	}
	e.prepared = p
	return nil
}

// tryInterface opens the VRRP socket of an interface for a moment.
func tryInterface(name string) error {
	s, err := segment.Open(segment.Config{Interface: name})
	switch {
	case err == nil:
		return s.Close()
	case isTransient(err):
		return nil
	}
	return err
}

// commit puts the prepared configuration in force: what did not change is not touched.
func (e *elector) commit(generation uint64) error {
	if e.active && e.committed.Generation == generation {
		return nil // asked again: the answer was lost, with a former process perhaps
	}
	if e.stops > 0 {
		return errors.New("the VRRP process is stopping")
	}
	if e.prepared == nil || e.prepared.Generation != generation {
		return fmt.Errorf("generation %d was not prepared", generation)
	}
	next := *e.prepared
	e.prepared = nil
	e.apply(next, nil)
	return nil
}

// apply makes the instances those of p. resume is what a former process remembered.
func (e *elector) apply(p link.Prepare, resume map[string]remembered) {
	held, err := e.rtnl.Held()
	if err != nil {
		e.happened(nil, "process", "addresses-unreadable", err.Error(), true)
	}
	wanted := make(map[string]bool)
	var fresh []*instance
	for k := range p.Instances {
		c := p.Instances[k]
		wanted[c.Name] = true
		if in := e.byName[c.Name]; in != nil && !in.removed && sameRouter(&in.cfg, &c) {
			e.reconfigure(in, c)
			continue
		}
		fresh = append(fresh, &instance{cfg: c})
	}
	for _, in := range e.instances {
		if !wanted[in.cfg.Name] || slices.ContainsFunc(fresh, func(f *instance) bool { return f.cfg.Name == in.cfg.Name }) {
			in.removed = true
			if !in.finished {
				e.step(in, vrrp.Stopped{})
			}
		}
	}
	e.instances = slices.DeleteFunc(e.instances, func(in *instance) bool { return in.removed && in.finished })
	if !e.active {
		e.releaseOrphans(held, p)
	}
	for _, in := range fresh {
		e.begin(in, resume)
	}
	e.arrange(p)
	e.committed, e.active = p, true
	e.dirty, e.unsaved = true, true
	e.notify.Ready(fmt.Sprintf("%d virtual routers", len(p.Instances)))
}

// sameRouter reports whether an instance can go on as the same machine.
func sameRouter(a, b *config.Instance) bool {
	return a.Interface == b.Interface && a.VRID == b.VRID && a.Version == b.Version && a.Family == b.Family
}

func (e *elector) reconfigure(in *instance, c config.Instance) {
	before, _ := json.Marshal(in.cfg)
	after, _ := json.Marshal(c)
	if string(before) == string(after) {
		return
	}
	moved := !slices.Equal(in.cfg.Addresses, c.Addresses) || !slices.Equal(in.cfg.ExtraAddresses, c.ExtraAddresses)
	in.cfg = c
	in.expect, _ = expectation(&c) // prepare has seen that it can be made
	in.expect.Self = in.iface.primary
	e.useInterfaces(in)
	e.look(in)
	e.step(in, vrrp.Reconfigured{Config: machineConfig(&c, in.iface.primary), AddressesChanged: moved})
}

// begin starts a new instance, or resumes the one that a former process left.
func (e *elector) begin(in *instance, resume map[string]remembered) {
	c := &in.cfg
	in.expect, _ = expectation(c)
	e.useInterfaces(in)
	in.iface = e.ifaces[c.Interface]
	in.machine = vrrp.New(machineConfig(c, netip.Addr{}))

	// A master resumes with all of its addresses or not at all; who starts afresh gives up whatever it finds.
	have, want := e.found(in)
	started := vrrp.Started{Held: have > 0}
	if r, ok := resume[c.Name]; ok {
		in.slot = r.Slot
		saved := r.Saved
		if at := vrrp.Instant(e.region.Clock(r.Slot).Load()); at > saved.LastAdvert {
			saved.LastAdvert = at
		}
		if saved.State != vrrp.Master || have == want {
			started.Resume = &saved
		}
	} else {
		in.slot = e.freeSlot()
		e.region.Clock(in.slot).Store(0)
	}
	if started.Held {
		in.held, _ = e.vips(in)
	}
	e.instances = append(e.instances, in)
	e.byName[c.Name] = in
	// The link first: a resumed master must be able to send at once.
	e.reopenFilter(in.iface)
	e.refresh(in.iface)
	e.look(in)
	e.step(in, started)
}

func (e *elector) freeSlot() int {
	used := make(map[int]bool, len(e.instances))
	for _, in := range e.instances {
		used[in.slot] = true
	}
	for slot := range keep.Clocks {
		if !used[slot] {
			return slot
		}
	}
	panic("elector: more instances than clocks") // prepare refuses that
}

// useInterfaces makes sure that every interface that the instance names is known.
func (e *elector) useInterfaces(in *instance) {
	for _, name := range interfaces(&in.cfg) {
		if e.ifaces[name] == nil {
			i := &iface{name: name}
			e.ifaces[name] = i
			e.refresh(i)
		}
	}
}

// interfaces are the names of all that an instance has to do with: where it speaks, holds addresses, and looks.
func interfaces(c *config.Instance) []string {
	names := []string{c.Interface}
	for _, a := range slices.Concat(c.Addresses, c.ExtraAddresses) {
		names = append(names, a.Interface)
	}
	for _, t := range c.Tracks {
		if t.Kind == config.TrackInterface {
			names = append(names, t.Target)
		}
	}
	return names
}

// found reports how many of the addresses of the instance the kernel has, of how many.
func (e *elector) found(in *instance) (have, want int) {
	vips, err := e.vips(in)
	if err != nil {
		return 0, 1
	}
	missing, err := e.rtnl.Missing(vips)
	if err != nil {
		return 0, len(vips)
	}
	return len(vips) - len(missing), len(vips)
}

// releaseOrphans takes off what carries our mark and belongs to nobody: the leavings of a daemon with another
// configuration.
func (e *elector) releaseOrphans(held []address.Held, p link.Prepare) {
	var orphans []address.VIP
	for _, h := range held {
		mine := slices.ContainsFunc(p.Instances, func(c config.Instance) bool {
			return slices.ContainsFunc(slices.Concat(c.Addresses, c.ExtraAddresses), func(a config.Address) bool { return a.Prefix == h.Prefix })
		})
		if !mine {
			orphans = append(orphans, h.VIP)
		}
	}
	if len(orphans) == 0 {
		return
	}
	e.happened(nil, "address", "orphan-released", fmt.Sprintf("%d addresses of a former configuration were still held", len(orphans)), false)
	if err := e.rtnl.Release(orphans); err != nil {
		e.happened(nil, "address", "release-failed", err.Error(), true)
	}
}

// arrange puts the instances in the order of the configuration and drops interfaces that nobody names any more.
func (e *elector) arrange(p link.Prepare) {
	order := make(map[string]int, len(p.Instances))
	for k, c := range p.Instances {
		order[c.Name] = k
	}
	slices.SortStableFunc(e.instances, func(a, b *instance) int { return order[a.cfg.Name] - order[b.cfg.Name] })
	clear(e.byName)
	used := make(map[string]bool)
	for _, in := range e.instances {
		e.byName[in.cfg.Name] = in
		for _, name := range interfaces(&in.cfg) {
			used[name] = true
		}
	}
	for name, i := range e.ifaces {
		if !used[name] {
			e.closeSockets(i)
			delete(e.ifaces, name)
			continue
		}
		e.reopenFilter(i)
	}
}

// reopenFilter makes the sockets of i listen for what is configured now.
func (e *elector) reopenFilter(i *iface) {
	if i.segment != nil {
		if err := i.segment.SetFilter(e.filter(i)); err != nil {
			e.trouble(i, "no-filter", err)
		}
	}
	if i.listener != nil {
		if err := i.listener.Watch(ownMACs(i), addresses(e.configuredOn(i))); err != nil {
			e.trouble(i, "no-filter", err)
		}
	}
}

func (e *elector) handOver(h *link.HandOver) {
	for _, in := range e.instances {
		if h.Instance != "" && h.Instance != in.cfg.Name || in.finished {
			continue
		}
		if h.Lift {
			e.step(in, vrrp.HandOverLifted{})
		} else {
			e.step(in, vrrp.HandOver{})
		}
	}
	e.dirty, e.unsaved = true, true
}

// save writes the memory of this process.
func (e *elector) save() {
	e.unsaved = false
	m := memory{Config: e.committed, Instances: make(map[string]remembered, len(e.instances))}
	for _, in := range e.instances {
		if !in.finished {
			m.Instances[in.cfg.Name] = remembered{Slot: in.slot, Saved: in.machine.Saved()}
		}
	}
	if err := e.region.Save(m); err != nil {
		e.happened(nil, "process", "state-not-saved", err.Error(), true)
	}
}

// restore takes up what a former process saved. Without anything it waits for the director.
func (e *elector) restore() error {
	var m memory
	ok, err := e.region.Load(&m)
	if err != nil || !ok {
		return err
	}
	e.apply(m.Config, m.Instances)
	return nil
}
