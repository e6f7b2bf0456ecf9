package config

import (
	"cmp"
	"slices"
	"time"

	"github.com/lbha/lbha/vrrp"
)

// track reads one [[vrrp.track]]: exactly one of six keys says what it watches.
func (b *builder) track(raw *rawTrack, in *rawVRRP) Track {
	var t Track
	var chosen []*node
	pick := func(kind TrackKind, at *node, target string) {
		if at != nil {
			chosen = append(chosen, at)
			t.Kind, t.Target = kind, target
		}
	}
	pick(TrackInterface, raw.Interface.Node, raw.Interface.Value)
	pick(TrackService, raw.Service.Node, raw.Service.Value)
	pick(TrackScript, raw.Script.Node, "")
	pick(TrackFile, raw.File.Node, raw.File.Value)
	pick(TrackProcess, raw.Process.Node, raw.Process.Value)
	pick(TrackInstance, raw.Instance.Node, raw.Instance.Value)
	const kinds = "interface, service, script, file, process or instance"
	switch {
	case len(chosen) > 1:
		b.error(chosen[1], "track: watches one thing: one of "+kinds)
		return t
	case len(chosen) == 0:
		for _, key := range []string{"interface", "service", "script", "file", "process", "instance"} {
			if !raw.Node.lacks(key) {
				return t // it did not decode
			}
		}
		b.error(raw.Node, "track: must say what it watches: "+kinds)
		return t
	}

	b.trackTarget(raw, &t)
	t.Weight = b.number(raw.Weight, 0, -254, 254)
	switch {
	case raw.Weight.set() && t.Kind == TrackFile:
		b.error(raw.Weight.Node, "weight: the content of the file is the weight")
	case (t.Kind == TrackFile || t.Kind == TrackService) && in.Priority.Value == vrrp.PriorityOwner:
		b.error(chosen[0], "%s: changes the priority, and that of an address owner (255) does not change", t.Kind)
	case t.Weight != 0 && in.Priority.Value == vrrp.PriorityOwner:
		b.error(raw.Weight.Node, "weight: the priority of an address owner (255) does not change; with weight 0 a failure means FAULT")
	}
	return t
}

// trackTarget reads the keys that only some kinds of tracks have, once the kind is known.
func (b *builder) trackTarget(raw *rawTrack, t *Track) {
	switch t.Kind {
	case TrackInterface:
		b.ifname(raw.Interface)
	case TrackService:
		if !b.services[t.Target] {
			b.errorHint(raw.Service.Node, didYouMean(t.Target, b.serviceNames()), "service: there is no service %.80q", t.Target)
		}
	case TrackScript:
		var args []string
		if args, t.User = b.program(raw.Node, raw.Script, raw.User); len(args) > 0 {
			t.Target, t.Args = args[0], args[1:]
		}
		t.Interval = b.duration(raw.Interval, defaultTrackInterval, 10*time.Millisecond, 24*time.Hour)
		t.Timeout = b.duration(raw.Timeout, b.scriptTimeout, time.Millisecond, time.Hour)
		t.Rise = b.number(raw.Rise, defaultRise, 1, 1000)
		t.Fall = b.number(raw.Fall, defaultFall, 1, 1000)
	case TrackFile:
		b.path(raw.File, "", maxPath)
	case TrackProcess:
		if t.Target == "" {
			b.error(raw.Process.Node, "process: must name a process")
		}
	}
	if t.Kind != TrackScript {
		for _, n := range []*node{raw.Interval.Node, raw.Timeout.Node, raw.Rise.Node, raw.Fall.Node, raw.User.Node} {
			if n != nil {
				b.error(n, "%s: only a script has one: a track of kind %s is told of every change", n.label(), t.Kind)
			}
		}
	}
}

// follow is the track of another instance.
type follow struct {
	by     string
	weight int
	opt[string]
}

// followed checks the tracks of other instances: each exists, and none waits for itself. The members of a group wait
// together, so a group is as one instance.
func (b *builder) followed(raw []rawVRRP, groups []Group) {
	group := make(map[string]string)
	for _, g := range groups {
		for _, name := range g.Members {
			group[name] = "group " + g.Name // no instance's name: it has a space
		}
	}
	one := func(name string) string { return cmp.Or(group[name], name) }
	names := make([]string, len(raw))
	follows := make(map[string][]follow)
	for i := range raw {
		names[i] = raw[i].Name.Value
		for _, t := range raw[i].Tracks.Items {
			if t.Instance.set() {
				follows[one(names[i])] = append(follows[one(names[i])], follow{names[i], t.Weight.Value, t.Instance})
			}
		}
	}
	const (
		open = iota + 1
		done
	)
	state := make(map[string]int, len(raw))
	var visit func(string)
	visit = func(who string) {
		state[who] = open
		for _, o := range follows[who] {
			other := one(o.Value)
			switch {
			case !slices.Contains(names, o.Value):
				b.errorHint(o.Node, didYouMean(o.Value, names), "instance: there is no vrrp instance %.80q", o.Value)
			case o.Value == o.by:
				b.error(o.Node, "instance: it is itself")
			case other == who && o.weight == 0:
				b.errorHint(o.Node, "they are in FAULT together anyway", "instance: %s is in a group with %s: each would wait for the other", o.Value, o.by)
			case other == who: // a preference for where the group is
			case state[other] == open:
				b.error(o.Node, "instance: %s follows %s already: each would wait for the other", other, who)
			case state[other] == 0:
				visit(other)
			}
		}
		state[who] = done
	}
	for _, name := range names {
		if state[one(name)] == 0 {
			visit(one(name))
		}
	}
}

func (b *builder) groups(raw []rawGroup, instances []Instance) []Group {
	member := make(map[string]string)
	var out []Group
	for i := range raw {
		g := &raw[i]
		group := Group{Name: b.name(g.Node, g.Name), Members: values(g.Members)}
		b.need(g.Node, g.Members.Node, "members", "")
		if g.Members.set() && len(g.Members.Items) == 0 {
			b.error(g.Members.Node, "members: must name at least one instance")
		}
		for _, o := range g.Members.Items {
			if !o.set() {
				continue
			}
			if !slices.ContainsFunc(instances, func(in Instance) bool { return in.Name == o.Value }) {
				names := make([]string, len(instances))
				for i, in := range instances {
					names[i] = in.Name
				}
				b.errorHint(o.Node, didYouMean(o.Value, names), "%s: there is no vrrp instance %.80q", o.Node.label(), o.Value)
			}
			if other, dup := member[o.Value]; dup {
				b.error(o.Node, "%s: %q is already a member of group %q", o.Node.label(), o.Value, other)
			}
			member[o.Value] = group.Name
		}
		out = append(out, group)
	}
	return out
}
