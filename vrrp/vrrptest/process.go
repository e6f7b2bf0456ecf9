package vrrptest

import (
	"time"

	"github.com/lbha/lbha/vrrp"
)

// Router is a virtual router: a vrrp.Machine, or one that was spoilt to prove that
// the tests would notice.
type Router interface {
	Step(now vrrp.Instant, ev vrrp.Event) []vrrp.Effect
	Deadline() (vrrp.Instant, bool)
	State() vrrp.State
	Priority() vrrp.Priority
	Status() vrrp.Status
	Saved() vrrp.Saved
}

// Group is what moves the routers of a host: a vrrp.Group, or one that was spoilt.
type Group interface {
	Step(now vrrp.Instant, member int, ev vrrp.Event) []vrrp.MemberEffect
	Deadline() (vrrp.Instant, bool)
}

// alone is a router without a group.
type alone struct {
	Router
	effects []vrrp.MemberEffect
}

func (a *alone) Step(now vrrp.Instant, _ int, ev vrrp.Event) []vrrp.MemberEffect {
	a.effects = a.effects[:0]
	for _, e := range a.Router.Step(now, ev) {
		a.effects = append(a.effects, vrrp.MemberEffect{Effect: e})
	}
	return a.effects
}

// process is the driver of the routers of one host.
type process struct {
	name  string
	lan   *LAN
	nodes []*Node
	// group is nil while the process does not run.
	group Group
	// spoil, if set, makes what moves the routers.
	spoil func(*vrrp.Group, []*vrrp.Machine) Group

	ahead       time.Duration // of the wall clock
	armedFor    vrrp.Instant  // the deadline of the timer,
	timerAt     vrrp.Instant  // which fires a little later; never: not armed
	paused      bool
	pausedUntil vrrp.Instant
	frozenAt    vrrp.Instant  // paused with its clock; 0: not
	behind      time.Duration // its clock, after such pauses
	deaf        bool          // paused as a virtual machine: packets are lost
	inbox       []letter      // what waits for a paused process
	draining    bool          // it is being read
	doom        *doom         // nil: none

	// Of the Step in progress.
	before  []snapshot
	effects []vrrp.Effect
}

// letter is an event that waits.
type letter struct {
	to *Node
	ev vrrp.Event
}

// doom is a death in the middle of what a process does.
type doom struct {
	left int // effects that it carries out until then
	then func()
}

// socketBuffer is how many packets wait for a process that does not read.
const socketBuffer = 500

// Alive reports whether the process exists.
func (p *process) Alive() bool { return p.group != nil }

// Running reports whether the process exists and is not paused.
func (p *process) Running() bool { return p.Alive() && !p.paused }

// Start starts the process; with resume, it finds what a crash left behind.
func (p *process) Start(resume bool) {
	if p.Alive() {
		return
	}
	p.lan.trace(p.name, "starts")
	p.make()
	for _, n := range p.nodes {
		if !resume {
			n.saved = nil
		}
		n.finished = false
		n.history.reset(p.lan.now)
	}
	saved := make([]*vrrp.Saved, len(p.nodes))
	for i, n := range p.nodes {
		saved[i] = n.saved
	}
	for _, n := range p.nodes {
		p.run(n, vrrp.LinkChanged{Up: n.linkUp, Source: n.source})
		p.run(n, n.track)
	}
	for i, n := range p.nodes {
		p.run(n, vrrp.Started{Resume: saved[i], Held: n.Holds()})
	}
}

// KillAfter lets the process carry out so many more effects, and ends it before the
// next one: of a few that belong together some are done, and the state that it leaves
// behind is the one of before. then, if it is not nil, is called.
func (p *process) KillAfter(effects int, then func()) { p.doom = &doom{effects, then} }

// Spare calls KillAfter off.
func (p *process) Spare() { p.doom = nil }

// dies reports whether its time has come: it is gone then.
func (p *process) dies() bool {
	d := p.doom
	if d == nil {
		return false
	}
	if d.left--; d.left >= 0 {
		return false
	}
	p.doom = nil
	p.Kill()
	if d.then != nil {
		d.then()
	}
	return true
}

// make makes the routers.
func (p *process) make() {
	var machines []*vrrp.Machine
	for _, n := range p.nodes {
		cfg := n.told(n.Config)
		cfg.Source = n.source
		m := vrrp.New(cfg)
		machines = append(machines, m)
		n.Router, n.hmac = m, p.lan.newHMAC()
		if n.Spoil != nil {
			n.Router = n.Spoil(m)
		}
	}
	if len(p.nodes) == 1 && p.spoil == nil {
		p.group = &alone{Router: p.nodes[0].Router}
		return
	}
	g := vrrp.NewGroup(machines...)
	p.group = g
	if p.spoil != nil {
		p.group = p.spoil(g, machines)
	}
}

// told is what a router gets to know of its configuration.
func (n *Node) told(c vrrp.Config) vrrp.Config {
	if n.mislead != nil {
		n.mislead(&c)
	}
	return c
}

// Kill ends the process. The kernel keeps what it holds.
func (p *process) Kill() {
	p.lan.trace(p.name, "is killed")
	p.gone()
}

func (p *process) gone() {
	p.group, p.inbox, p.paused, p.timerAt = nil, nil, false, never
	p.thaw()
	for _, n := range p.nodes {
		n.Router = nil
	}
}

// Pause stops the process for d; what arrives waits. With deaf it is lost: the
// whole host is paused.
func (p *process) Pause(d time.Duration, deaf bool) {
	if !p.Alive() || p.frozenAt != 0 {
		return
	}
	p.lan.trace(p.name, "pauses for %v", d)
	p.paused, p.deaf = true, deaf
	p.pausedUntil = p.lan.now.Add(d)
	p.lan.after(d, p.wake)
}

// Wake ends a pause.
func (p *process) Wake() {
	p.pausedUntil = p.lan.now
	p.wake()
}

// wake goes on after a pause: first with what waits, then with the timer.
func (p *process) wake() {
	if !p.paused || p.lan.now < p.pausedUntil {
		return
	}
	p.lan.trace(p.name, "goes on")
	p.paused, p.deaf = false, false
	p.thaw()
	for _, n := range p.nodes {
		n.awakeAt = p.lan.now
	}
	inbox := p.inbox
	p.inbox = nil
	p.draining = true
	for _, l := range inbox {
		l.to.deliver(l.ev)
	}
	p.draining = false
	for _, n := range p.nodes {
		n.robbed = false
	}
	if p.timerAt <= p.lan.now {
		p.run(p.nodes[0], vrrp.TimerFired{})
	}
	p.checkHolding()
}

// deliver hands an event to the process, now or when it goes on.
func (n *Node) deliver(ev vrrp.Event) {
	switch {
	case !n.Alive():
	case n.paused:
		n.inbox = append(n.inbox, letter{n, ev})
	default:
		n.run(n, ev)
	}
}

// run is the driver: it gives the event to the router, carries the effects out,
// and gives back their outcomes.
func (p *process) run(n *Node, ev vrrp.Event) {
	if !p.Alive() { // it died of what came before
		return
	}
	p.step(n, ev)
	if !p.Alive() {
		return
	}
	if !p.draining {
		p.checkHolding()
	}
	if at, ok := p.group.Deadline(); !ok {
		p.timerAt = never
	} else if at != p.armedFor {
		p.armedFor = at
		p.timerAt = at.Add(p.behind + p.lan.upTo(p.lan.Slack))
	} else if p.timerAt == never {
		p.timerAt = at.Add(p.behind)
	}
}

// step gives the event to the router of n and carries out what comes of it.
func (p *process) step(n *Node, ev vrrp.Event) {
	p.before = p.before[:0]
	for _, m := range p.nodes {
		p.before = append(p.before, m.snapshot())
	}
	given := ev
	if ev, ok := ev.(vrrp.Reconfigured); ok {
		ev.Config = n.told(ev.Config)
		given = ev
	}
	effects := p.group.Step(p.clock(), n.member, given)
	p.check(n, ev, effects)
	if ev, ok := ev.(vrrp.Reconfigured); ok {
		n.Config = ev.Config
		n.retimedAt = p.lan.now
	}
	var outcomes []letter
	for _, e := range effects {
		if p.dies() {
			return
		}
		n := p.nodes[e.Member]
		if outcome := n.do(e.Effect); outcome != nil {
			outcomes = append(outcomes, letter{n, outcome})
		}
	}
	if len(effects) > 0 && p.doom != nil && p.doom.left == 0 && p.dies() { // all is done, and not yet saved
		return
	}
	finished := true
	for _, n := range p.nodes {
		saved := n.Router.Saved()
		n.saved = &saved
		finished = finished && n.finished
	}
	for _, o := range outcomes {
		if p.Alive() {
			p.step(o.to, o.ev)
		}
	}
	if finished {
		p.gone()
		for _, n := range p.nodes {
			n.saved = nil
		}
	}
}

// check judges a Step, member by member and as a whole, and writes it down.
func (p *process) check(to *Node, ev vrrp.Event, effects []vrrp.MemberEffect) {
	before := p.before
	for i, n := range p.nodes {
		p.effects = p.effects[:0]
		for _, e := range effects {
			if e.Member == i {
				p.effects = append(p.effects, e.Effect)
			}
		}
		own := ev
		if n != to && !common(ev) {
			own = nil
		}
		n.checkStep(before[i], own, p.effects)
		n.traceEffects(ev, p.effects)
	}
	if len(p.nodes) > 1 {
		p.checkGroup(effects)
	}
}

// common reports whether an event is one of all members of a group.
func common(ev vrrp.Event) bool {
	switch ev.(type) {
	case vrrp.Started, vrrp.TimerFired, vrrp.Stopped, vrrp.HandOver, vrrp.HandOverLifted:
		return true
	}
	return false
}

// do carries out one effect and returns its outcome, if it has one.
func (n *Node) do(e vrrp.Effect) vrrp.Event {
	switch e := e.(type) {
	case vrrp.Send:
		return vrrp.AdvertSent{Err: n.send(e)}
	case vrrp.Claim:
		return vrrp.Claimed{Err: n.carryOutClaim(e)}
	case vrrp.Renew:
		if n.failRenews {
			return vrrp.Renewed{Err: errRefused}
		}
		n.renew(e.Lease)
		return vrrp.Renewed{}
	case vrrp.Release:
		return vrrp.Released{Err: n.release()}
	case vrrp.Announce:
		if n.failAnnounces {
			return vrrp.Announced{Err: errRefused}
		}
		n.announce()
		return vrrp.Announced{}
	case vrrp.Finished:
		n.finished = true
	}
	return nil
}
