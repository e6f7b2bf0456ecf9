package elector

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/lbha/lbha/cmd/internal/keep"
	"github.com/lbha/lbha/cmd/internal/link"
	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/ipvs"
	"github.com/lbha/lbha/vrrp"
	"github.com/lbha/lbha/vrrp/segment"
)

// memory is what a successor of this process needs.
type memory struct {
	Config    json.RawMessage         `json:"config"` // a link.Prepare, put into words once
	Instances map[string]remembered   `json:"instances"`
	Tracked   map[string]link.Tracked `json:"tracked,omitempty"` // what the director said last
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
		case m.Tracks != nil:
			e.onTracks(m.Tracks)
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
// interface that does not exist is not: it may come. But an instance that serves is not moved to where nothing is.
func (e *elector) prepare(p *link.Prepare) error {
	if len(p.Instances) > keep.Clocks {
		return fmt.Errorf("%d instances; at most %d", len(p.Instances), keep.Clocks)
	}
	if err := checkGroups(p); err != nil {
		return err
	}
	type place struct {
		name   string
		family ipvs.Family
	}
	tried := make(map[place]error)
	for k := range p.Instances {
		c := &p.Instances[k]
		m := machineConfig(c, netip.Addr{})
		if err := m.Validate(); err != nil {
			return fmt.Errorf("instance %s: %w", c.Name, err)
		}
		if _, err := expectation(c); err != nil {
			return fmt.Errorf("instance %s: %w", c.Name, err)
		}
		if err := checkVMAC(c); err != nil {
			return fmt.Errorf("instance %s: %w", c.Name, err)
		}
		at := place{c.Interface, c.Family}
		err, known := tried[at]
		if i := e.ifaces[c.Interface]; !known && (i == nil || i.channel(c.Family).segment == nil) {
			err = tryInterface(c.Interface, c.Family)
		}
		tried[at] = err
		if errors.Is(err, segment.ErrNoInterface) {
			if in := e.byName[c.Name]; in != nil && in.cfg.Interface != c.Interface && in.machine.Status().Holds {
				return fmt.Errorf("instance %s: it holds its addresses on %s, and interface %s does not exist", c.Name, in.cfg.Interface, c.Interface)
			}
		}
		if err != nil && !isTransient(err) {
			return fmt.Errorf("instance %s: %w", c.Name, err)
		}
	}
	e.prepared = p
	return nil
}

// tryInterface opens the VRRP socket of an interface for a moment.
func tryInterface(name string, family ipvs.Family) error {
	s, err := segment.Open(segment.Config{Interface: name, IPv6: family == ipvs.IPv6})
	if err != nil {
		return err
	}
	return s.Close()
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
	e.apply(next, memory{})
	return nil
}

// apply makes the instances, and their groups, those of p. resume is what a former process remembered.
func (e *elector) apply(p link.Prepare, resume memory) {
	held, err := e.rtnl.Held()
	if err != nil {
		e.happened(nil, "process", "addresses-unreadable", err.Error(), true)
	}
	kept := make(map[*instance]config.Instance)
	var fresh []*instance
	for _, c := range p.Instances {
		c = onVirtualMAC(c)
		if in := e.byName[c.Name]; in != nil && sameRouter(&in.cfg, &c) {
			kept[in] = c
		} else {
			fresh = append(fresh, &instance{cfg: c})
		}
	}
	stays := func(in *instance) bool { _, ok := kept[in]; return ok }
	e.separate(p.Groups, stays)
	for _, in := range e.instances {
		if c, ok := kept[in]; ok {
			e.reconfigure(in, c)
		} else {
			e.step(in, vrrp.Stopped{}) // which finishes it at once
			e.part(in.group)
		}
	}
	e.instances = slices.DeleteFunc(e.instances, func(in *instance) bool { return !stays(in) })
	e.begin(fresh, p.Groups, held, resume)
	e.arrange(p)
	e.plan(p.Groups)
	e.committed, e.active = p, true
	if e.committedText, err = json.Marshal(p); err != nil {
		e.happened(nil, "process", "state-not-saved", err.Error(), true)
	}
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
	moved := !slices.Equal(in.cfg.Addresses, c.Addresses) || !slices.Equal(in.cfg.ExtraAddresses, c.ExtraAddresses) ||
		in.cfg.AddressLease != c.AddressLease // which of them are leased
	in.cfg = c
	in.expect, _ = expectation(&c) // prepare has seen that it can be made
	_ = in.auth.configure(&c)      // and this
	in.expect.Self = in.source()
	e.useInterfaces(in)
	e.look(in)
	e.step(in, vrrp.Reconfigured{Config: machineConfig(&c, in.source()), AddressesChanged: moved})
	if in.machine.State() == vrrp.Master {
		e.follow(in)
	}
}

// useInterfaces makes sure that every interface that the instance names is known.
func (e *elector) useInterfaces(in *instance) {
	for _, name := range interfaces(&in.cfg) {
		if e.ifaces[name] == nil {
			i := newIface(name)
			e.ifaces[name] = i
			e.refresh(i)
		}
	}
	e.keepVMAC(in)
}

// interfaces are the names of all that an instance has to do with: where it speaks, holds addresses, and looks.
func interfaces(c *config.Instance) []string {
	names := []string{c.Interface}
	if c.VirtualMAC {
		names = append(names, vmacName(c))
	}
	for _, a := range slices.Concat(c.Addresses, c.ExtraAddresses) {
		names = append(names, a.Interface)
	}
	for _, r := range c.Routes {
		names = append(names, r.Device)
	}
	for _, t := range c.Tracks {
		if t.Kind == config.TrackInterface {
			names = append(names, t.Target)
		}
	}
	return names
}

// arrange puts the instances in the order of the configuration and drops interfaces that nobody names any more.
func (e *elector) arrange(p link.Prepare) {
	order := make(map[string]int, len(p.Instances))
	for k, c := range p.Instances {
		order[c.Name] = k
	}
	slices.SortStableFunc(e.instances, func(a, b *instance) int { return order[a.cfg.Name] - order[b.cfg.Name] })
	clear(e.byName)
	for _, i := range e.ifaces {
		for k := range i.channels {
			clear(i.channels[k].speakers[:])
		}
	}
	used := make(map[string]bool)
	for _, in := range e.instances {
		e.byName[in.cfg.Name] = in
		in.channel.speakers[in.cfg.VRID] = in
		for _, name := range interfaces(&in.cfg) {
			used[name] = true
		}
	}
	for name, i := range e.ifaces {
		if !used[name] {
			e.dropVMAC(i)
			e.closeSockets(i)
			delete(e.ifaces, name)
			continue
		}
		if i.index == 0 {
			continue
		}
		if err := errors.Join(e.retune(i), e.openSockets(i)); err != nil {
			e.trouble(i, "no-socket", err)
		}
	}
	maps.DeleteFunc(e.limits, func(k limitKey, _ *limit) bool { return e.byName[k.instance] == nil })
}

func (e *elector) handOver(h *link.HandOver) {
	for _, g := range slices.Clone(e.schedule) { // a step reorders it
		meant := func(in *instance) bool { return h.Instance == "" || h.Instance == in.cfg.Name }
		if g.finished() || !slices.ContainsFunc(g.members, meant) {
			continue
		}
		if h.Lift {
			e.stepAll(g, vrrp.HandOverLifted{})
		} else {
			e.stepAll(g, vrrp.HandOver{})
		}
	}
	e.dirty, e.unsaved = true, true
}

// save writes the memory of this process.
func (e *elector) save() {
	e.unsaved = false
	m := memory{Config: e.committedText, Instances: make(map[string]remembered, len(e.instances)), Tracked: make(map[string]link.Tracked)}
	for _, in := range e.instances {
		if in.told.known() {
			m.Tracked[in.cfg.Name] = in.told.Tracked
		}
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
	var p link.Prepare
	if err := json.Unmarshal(m.Config, &p); err != nil {
		return fmt.Errorf("saved configuration: %w", err)
	}
	e.apply(p, m)
	return nil
}
