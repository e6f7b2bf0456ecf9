package vrrp

import (
	"net/netip"
	"slices"
	"time"
)

// Group is a sync group: virtual routers of one node that are master, backup or in
// fault together, such as the two sides of a router, or both address families of
// one service. It composes machines and has their interface: events go in, each
// with the member that it is for, and effects come out, each with the member that
// it is of. It is as pure as a [Machine], and its driver has the same contract;
// but all members have one deadline, that of the group, and one TimerFired.
//
// At the end of each Step all members are in one state. The way down is each
// member's own, and the others follow in the same Step: into Fault (group-fault),
// or out of mastership (group). The way up is common:
//
//   - The group takes over when the silence of every member is complete. A member
//     that hears a master keeps all from a takeover, so a segment that is cut,
//     or one where preemption has to wait, makes no group flap.
//   - But a master that resigns on one segment has left all of them, which need
//     not wait for a master-down interval then.
//   - The group leaves Fault when no member has a reason of its own to stay.
//   - It starts when each member was Started, as master only if all members can.
//
// All members compete with the lowest of their priorities: otherwise two groups
// could each win one election and lose the other, for ever.
//
// Stopped, HandOver and HandOverLifted concern the group, whichever member they
// are given for. A relieved group is done (Finished) when each member has seen its
// own successor announce the addresses, or has waited long enough for it.
//
// The peers have to be grouped in the same way. Members are fixed for the life of
// a Group. A group of one is its machine.
type Group struct {
	members []*Machine
	starts  []*Started // of the members, until all are there
	now     Instant    // of the Step in progress
	effects []MemberEffect
	// headStart is what the others get in the next election, after one that the
	// addresses decided: see agreeRole. ties is how many such there were in a row.
	headStart time.Duration
	ties      int
}

// maxTies is how often in a row the head start that follows a tie grows.
const maxTies = 4

// MemberEffect is an effect and the member that it is of: the index in the
// arguments of [NewGroup].
type MemberEffect struct {
	Member int
	Effect Effect
}

// NewGroup makes a group of machines: all in Initialize, or all started (then they
// are brought together in the next Step). From now on they are stepped, and their
// deadline is asked for, only through the group; State, Status and Saved are their
// own. NewGroup panics if some are started and some are not.
func NewGroup(members ...*Machine) *Group {
	g := &Group{members: slices.Clone(members), starts: make([]*Started, len(members))}
	if g.first(Initialize) >= 0 && !g.every(Initialize) {
		panic("vrrp: a group of machines that were started and others that were not")
	}
	for _, m := range members {
		m.group = membership{bound: len(members) > 1}
		g.now = max(g.now, m.now)
	}
	return g
}

// Disband makes the members independent again, in the state that they have. Each
// has to be asked for its deadline then.
func (g *Group) Disband() {
	for _, m := range g.members {
		m.group = membership{}
	}
	g.members = nil
}

// Step tells the group what happened to one of its members at now, and returns
// what has to be done about it, in this order. TimerFired, Stopped, HandOver and
// HandOverLifted concern all. The slice is valid until the next Step.
func (g *Group) Step(now Instant, member int, ev Event) []MemberEffect {
	g.now = max(g.now, now)
	g.effects = g.effects[:0]
	if _, ok := ev.(Stopped); ok {
		clear(g.starts)
	}
	for i, m := range g.members {
		if m.group.fault != "" {
			m.group.fault = g.faulty(i) // time may have ended one
		}
	}
	g.noticeStall()

	switch ev := ev.(type) {
	case AdvertReceived:
		g.hear(member, &ev)
	case Started:
		g.start(member, ev)
	case TimerFired, Stopped, HandOver, HandOverLifted:
		for i := range g.members {
			g.step(i, ev)
		}
	default:
		g.step(member, ev)
	}

	g.agree()
	if _, ok := ev.(TimerFired); ok {
		g.takeOver()
	}
	return g.effects
}

// Deadline returns when TimerFired is due, or false if no timer is armed.
func (g *Group) Deadline() (Instant, bool) {
	if len(g.members) == 1 {
		return g.members[0].Deadline()
	}
	at := never
	for _, m := range g.members {
		at = min(at, m.lingerAt, m.releaseAt)
		if m.state == Master {
			at = min(at, m.master.deadline())
		}
	}
	switch {
	case g.every(Backup):
		takeover, _ := g.takeoverAt()
		at = min(at, takeover)
	case g.every(Fault):
		at = min(at, g.faultOver())
	case !g.every(g.members[0].state):
		at = g.now // machines that were just put together
	}
	return at, at != never
}

// step gives an event to one member.
func (g *Group) step(i int, ev Event) { g.collect(i, g.members[i].Step(g.now, ev)) }

// act makes one member do something that is not its event.
func (g *Group) act(i int, do func(*Machine)) {
	m := g.members[i]
	m.now = max(m.now, g.now)
	m.effects = m.effects[:0]
	do(m)
	g.collect(i, m.effects)
}

func (g *Group) collect(i int, effects []Effect) {
	for _, e := range effects {
		g.effects = append(g.effects, MemberEffect{i, e})
	}
}

func (g *Group) every(s State) bool { return !g.some(func(m *Machine) bool { return m.state != s }) }

func (g *Group) some(is func(*Machine) bool) bool { return slices.ContainsFunc(g.members, is) }

// first returns the first member that is in a state, or -1.
func (g *Group) first(s State) int {
	return slices.IndexFunc(g.members, func(m *Machine) bool { return m.state == s })
}

// noticeStall asks all members, before any of them judges the event: they were
// asleep together.
func (g *Group) noticeStall() {
	if g.first(Master) < 0 {
		return
	}
	for i := range g.members {
		g.act(i, (*Machine).noticeStall)
	}
	g.agreeRole()
}

// start waits until all members were started, then starts them: as masters if all
// can be.
func (g *Group) start(member int, ev Started) {
	if g.members[member].state != Initialize {
		panic("vrrp: Started in state " + g.members[member].state.String())
	}
	g.starts[member] = &ev
	if slices.Contains(g.starts, nil) {
		return
	}
	g.agreePriority()
	commanded := slices.ContainsFunc(g.starts, func(s *Started) bool { return s.Resume != nil && s.Resume.HandOver })
	asMaster := true
	for i, m := range g.members {
		m.now = max(m.now, g.now)
		g.starts[i].handOver(commanded)
		asMaster = asMaster && (len(g.members) == 1 || m.startsAsMaster(g.starts[i]))
	}
	for i, m := range g.members {
		m.group.fault = g.faulty(i)
		g.act(i, func(m *Machine) { m.start(*g.starts[i], asMaster) })
	}
	clear(g.starts)
}

// handOver sets the command that a former process remembered, for one member at
// least.
func (s *Started) handOver(commanded bool) {
	resume := Saved{}
	if s.Resume != nil {
		resume = *s.Resume
	}
	resume.HandOver = commanded
	s.Resume = &resume
}

// hear gives an advert to a member, and a resignation to all.
func (g *Group) hear(member int, ad *AdvertReceived) {
	m := g.members[member]
	before := m.backup
	g.step(member, *ad)
	if heard := m.backup.heard; (ad.Priority >= m.Priority() || !m.cfg.Preempt) &&
		heard > before.heard.Add(m.interval()/2) && heard < before.heard.Add(2*m.interval()) {
		g.headStart, g.ties = 0, 0 // two adverts in a row
	}
	if m.state != Backup || ad.Priority != PriorityResign || m.backup.resigned == before.resigned {
		return
	}
	for i := range g.members {
		if i != member {
			g.act(i, func(other *Machine) { other.resignedElsewhere(&m.backup, min(ad.ReceivedAt, g.now)) })
		}
	}
}

// agree makes the members be one again, whatever has happened to some of them. It
// looks at what they are, not at what they did, and does nothing if all is well.
func (g *Group) agree() {
	if len(g.members) == 1 || g.first(Initialize) >= 0 {
		return
	}
	g.agreePriority()
	g.agreeFault()
	g.agreeRole()
	g.agreeHandOver()
	if !g.some(func(m *Machine) bool { return !m.left() }) {
		for i := range g.members {
			g.act(i, func(m *Machine) { m.finish(ReasonStopped) })
		}
	}
}

// agreePriority lets the lowest priority be that of all.
func (g *Group) agreePriority() {
	if len(g.members) == 1 {
		return
	}
	lowest := PriorityOwner
	for _, m := range g.members {
		lowest = min(lowest, m.ownPriority())
	}
	for i, m := range g.members {
		if m.group.ceiling != lowest {
			g.act(i, func(m *Machine) { m.limitPriority(lowest) })
		}
	}
}

// agreeFault tells each member of another that cannot serve, or that all can. A
// fault that was caused by another has to settle like any, which the others have
// to be told in turn: hence the loop.
func (g *Group) agreeFault() {
	for changed := true; changed; {
		changed = false
		for i, m := range g.members {
			by := g.faulty(i)
			alone := by == "" && m.state == Fault && !m.inFault(g.now) && !g.every(Fault)
			if by != m.group.fault || alone {
				m.group.fault, changed = by, true
				g.act(i, (*Machine).judge)
			}
		}
	}
}

// faulty names the first member but one that by itself cannot serve, or "".
func (g *Group) faulty(but int) string {
	for i, m := range g.members {
		if i != but && m.inFault(g.now) {
			return m.cfg.Name
		}
	}
	return ""
}

// faultOver returns when the group can leave Fault without another event.
func (g *Group) faultOver() Instant {
	at := Instant(0)
	for _, m := range g.members {
		if reason, _ := m.ownCause(); reason != "" && !m.settling() {
			return never
		}
		at = max(at, m.fault.over())
	}
	return at
}

// agreeRole makes every master a backup if one member is.
//
// Of equal priorities the addresses decide, on each segment anew. Two groups that
// are master both may each lose one of the elections, leave all, and would meet
// again in the same instant, for ever. They did not lose on the same segment: so
// the one that lost on the earlier gives the other a head start, until a winner is
// seen to stay. What else they wait for may differ by as much as their head starts
// do, and in the same way each time: so these grow.
func (g *Group) agreeRole() {
	down := g.first(Backup)
	if down < 0 || g.first(Master) < 0 {
		return
	}
	cause := g.members[down]
	for i, m := range g.members {
		if m.state == Master {
			g.act(i, func(m *Machine) { m.stepDown(cause) })
		}
	}
	if cause.reason == ReasonHigherAddress {
		longest := time.Duration(0)
		for _, m := range g.members {
			longest = max(longest, m.interval())
		}
		g.ties = min(g.ties+1, maxTies)
		g.headStart = time.Duration(g.ties*(len(g.members)-1-down)) * longest
	}
}

// agreeHandOver makes the members wait equally long for their successors, which
// come together: as long as the slowest needs.
func (g *Group) agreeHandOver() {
	latest := Instant(0)
	for _, m := range g.members {
		if m.master.handOverAt != never {
			latest = max(latest, m.master.handOverAt)
		}
	}
	for _, m := range g.members {
		if m.master.handOverAt != never {
			m.master.handOverAt = latest
		}
	}
}

// takeoverAt returns when a group of backups takes over, and the member for which
// it waits so long.
func (g *Group) takeoverAt() (at Instant, last int) {
	at = g.members[0].takeoverAt()
	for i, m := range g.members[1:] {
		if t := m.takeoverAt(); t > at {
			at, last = t, i+1
		}
	}
	return at.Add(g.headStart), last
}

// takeOver makes all members master when the silence of the last is complete.
func (g *Group) takeOver() {
	if len(g.members) == 1 || !g.every(Backup) {
		return
	}
	at, last := g.takeoverAt()
	if g.now < at {
		return
	}
	late := false
	for i := range g.members {
		g.act(i, func(m *Machine) { late = m.wokenLate(at) || late })
	}
	if late {
		return
	}
	g.headStart = 0
	cause := g.members[last]
	reason, by := cause.takeoverReason()
	for i := range g.members {
		if i == last {
			g.act(i, func(m *Machine) { m.promote(reason, by, "") })
		} else {
			g.act(i, func(m *Machine) { m.promote(ReasonGroup, netip.Addr{}, cause.cfg.Name) })
		}
	}
}
