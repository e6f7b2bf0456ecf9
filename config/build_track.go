package config

import (
	"slices"
	"time"

	"github.com/lbha/lbha/vrrp"
)

// track reads one [[vrrp.track]]: exactly one of five keys says what it watches.
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
	const kinds = "interface, service, script, file or process"
	switch {
	case len(chosen) > 1:
		b.error(chosen[1], "track: watches one thing: one of "+kinds)
		return t
	case len(chosen) == 0:
		for _, key := range []string{"interface", "service", "script", "file", "process"} {
			if !raw.Node.lacks(key) {
				return t // it did not decode
			}
		}
		b.error(raw.Node, "track: must say what it watches: "+kinds)
		return t
	}

	switch t.Kind {
	case TrackInterface:
		b.ifname(raw.Interface)
	case TrackService:
		if !b.services[t.Target] {
			b.errorHint(raw.Service.Node, didYouMean(t.Target, b.serviceNames()), "service: there is no service %.80q", t.Target)
		}
	case TrackScript:
		if args := b.command(raw.Script); len(args) > 0 {
			t.Target, t.Args = args[0], args[1:]
		}
		t.Interval = b.duration(raw.Interval, defaultTrackInterval, 10*time.Millisecond, 24*time.Hour)
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
		for _, n := range []*node{raw.Interval.Node, raw.Rise.Node, raw.Fall.Node} {
			if n != nil {
				b.error(n, "%s: only a script has one: a track of kind %s is told of every change", n.label(), t.Kind)
			}
		}
	}
	t.Weight = b.number(raw.Weight, 0, -254, 254)
	switch {
	case raw.Weight.set() && t.Kind == TrackFile:
		b.error(raw.Weight.Node, "weight: the content of the file is the weight")
	case t.Weight != 0 && in.Priority.Value == vrrp.PriorityOwner:
		b.error(raw.Weight.Node, "weight: the priority of an address owner (255) does not change; with weight 0 a failure means FAULT")
	}
	return t
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
