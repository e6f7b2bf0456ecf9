package elector

import (
	"fmt"
	"slices"
	"time"

	"github.com/lbha/lbha/cmd/internal/link"
	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/vrrp"
)

// group is what moves as one, and has one deadline: a sync group, or a virtual router by itself.
type group struct {
	name    string // of the sync group; empty: a router by itself
	members []*instance
	machine *vrrp.Group

	at    vrrp.Instant // its deadline, by which the schedule is ordered
	place int          // in the schedule
	due   vrrp.Instant // the deadline of the timer that is being delivered; 0: none
}

// outcome is what became of an effect, for the machine that it was of.
type outcome struct {
	in    *instance
	event vrrp.Event
}

// step delivers an event and carries out what comes of it, to the end.
func (e *elector) step(in *instance, ev vrrp.Event) {
	g := in.group
	e.carryOut(g, in.member, ev)
	e.schedule.update(g)
}

// carryOut carries out effects in order, then delivers the outcome of each.
func (e *elector) carryOut(g *group, member int, ev vrrp.Event) {
	first := len(e.outcomes)
	for _, effect := range g.machine.Step(now(), member, ev) {
		in := g.members[effect.Member]
		if event := e.do(in, effect.Effect); event != nil {
			e.outcomes = append(e.outcomes, outcome{in, event})
		}
	}
	for k, end := first, len(e.outcomes); k < end; k++ {
		e.carryOut(g, e.outcomes[k].in.member, e.outcomes[k].event)
	}
	e.outcomes = e.outcomes[:first]
}

// stepAll delivers an event that concerns the group, not one of its members.
func (e *elector) stepAll(g *group, ev vrrp.Event) { e.step(g.members[0], ev) }

// unite makes a group of instances that are in none: all started, or none.
func (e *elector) unite(name string, members []*instance) *group {
	machines := make([]*vrrp.Machine, len(members))
	g := &group{name: name, members: members, at: never}
	for k, in := range members {
		in.group, in.member = g, k
		machines[k] = in.machine
	}
	g.machine = vrrp.NewGroup(machines...)
	e.schedule.add(g)
	return g
}

// part ends a group. Its members are in none then.
func (e *elector) part(g *group) {
	g.machine.Disband()
	e.schedule.remove(g)
	for _, in := range g.members {
		in.group = nil
	}
}

// separate ends the sync groups that p changes. Their members go on by themselves, in the states that they have.
func (e *elector) separate(wanted []config.Group, kept func(*instance) bool) {
	for _, g := range slices.Clone(e.schedule) {
		if g.name == "" {
			continue
		}
		k := slices.IndexFunc(wanted, func(w config.Group) bool { return g.is(w.Members) })
		if k >= 0 && !slices.ContainsFunc(g.members, func(in *instance) bool { return !kept(in) }) {
			g.name = wanted[k].Name
			continue
		}
		e.part(g)
		for _, in := range g.members {
			e.unite("", []*instance{in})
			e.schedule.update(in.group)
		}
	}
}

func (g *group) finished() bool {
	return !slices.ContainsFunc(g.members, func(in *instance) bool { return !in.finished })
}

// is reports whether the group has these members, in this order.
func (g *group) is(names []string) bool {
	return slices.EqualFunc(g.members, names, func(in *instance, name string) bool { return in.cfg.Name == name })
}

// enrol puts new instances, none of them started, into groups: those of a sync group that is all new into it, the
// others by themselves.
func (e *elector) enrol(fresh []*instance, wanted []config.Group) {
	isNew := make(map[string]*instance, len(fresh))
	for _, in := range fresh {
		isNew[in.cfg.Name] = in
	}
	for _, w := range wanted {
		members := make([]*instance, 0, len(w.Members))
		for _, name := range w.Members {
			if in := isNew[name]; in != nil {
				members = append(members, in)
			}
		}
		if len(members) == len(w.Members) {
			e.unite(w.Name, members)
		}
	}
	for _, in := range fresh {
		if in.group == nil {
			e.unite("", []*instance{in})
		}
	}
}

// union is a sync group that a reload has formed of routers that run. They are put together when they are in one state:
// a new member first finds its own place, so that it does not take the others out of theirs. But not later than until:
// then the masters among them give way, as the rules of a group have it.
type union struct {
	config.Group
	until vrrp.Instant
}

// plan notes the sync groups that do not exist yet, and forms those that can be.
func (e *elector) plan(wanted []config.Group) {
	e.unions = nil
	for _, w := range wanted {
		if in := e.byName[w.Members[0]]; in != nil && in.group.name == w.Name && in.group.is(w.Members) {
			continue
		}
		patience := time.Duration(0)
		for _, name := range w.Members {
			patience = max(patience, finding(&e.byName[name].cfg))
		}
		e.unions = append(e.unions, union{w, now().Add(patience)})
	}
	e.form()
}

// finding is how long a new router may need to find its place: to hear of a master and to take over from one.
func finding(c *config.Instance) time.Duration {
	return c.StartupDelay + c.PreemptDelay + 2*vrrp.MasterDown(c.Version, vrrp.PriorityLowest, c.Interval, c.DownAdverts)
}

// form puts together what is ready to be.
func (e *elector) form() {
	t := now()
	e.unions = slices.DeleteFunc(e.unions, func(u union) bool {
		members := make([]*instance, len(u.Members))
		agreed := true
		for k, name := range u.Members {
			members[k] = e.byName[name]
			agreed = agreed && members[k].machine.State() == members[0].machine.State()
		}
		if !agreed && t < u.until || e.stops > 0 {
			return false
		}
		for _, in := range members {
			e.part(in.group)
		}
		g := e.unite(u.Name, members)
		e.stepAll(g, vrrp.TimerFired{}) // which makes them one
		e.dirty = true
		return true
	})
}

// checkGroups refuses groups that are not of instances of p, each in one group at most.
func checkGroups(p *link.Prepare) error {
	free := make(map[string]bool, len(p.Instances))
	for k := range p.Instances {
		free[p.Instances[k].Name] = true
	}
	for _, g := range p.Groups {
		if len(g.Members) == 0 {
			return fmt.Errorf("group %s has no members", g.Name)
		}
		for _, name := range g.Members {
			if !free[name] {
				return fmt.Errorf("group %s: %q is no instance, or a member already", g.Name, name)
			}
			free[name] = false
		}
	}
	return nil
}
