package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Plan is what a change from one configuration to another means, thing by thing. It is
// for people (String) and programs (JSON); it holds no secret. The zero Plan changes
// nothing.
type Plan struct {
	Global    []Field         `json:"global,omitempty"`
	Instances []Change        `json:"instances,omitempty"`
	Groups    []Change        `json:"groups,omitempty"`
	Services  []ServiceChange `json:"services,omitempty"`
}

// Op is what happens to a thing.
type Op string

// The operations of a plan.
const (
	Added   Op = "added"
	Removed Op = "removed"
	Changed Op = "changed"
)

// Change is what happens to one named thing.
type Change struct {
	Op   Op     `json:"op"`
	Name string `json:"name"`
	// Summary says in a few words what an added thing is.
	Summary string `json:"summary,omitempty"`
	// Fields are the settings that differ, in the order of the struct. Changed only.
	Fields []Field `json:"fields,omitempty"`
	// NewMachine is set on a changed instance whose interface, VRID, version or family differs: to
	// the network that is another virtual router, so its state cannot be carried over.
	NewMachine bool `json:"new_machine,omitempty"`
}

// ServiceChange is what happens to one service and to its servers, each of which is named
// by its address.
type ServiceChange struct {
	Change
	Servers []Change `json:"servers,omitempty"`
}

// Field is one setting that differs. A secret that differs is "(secret)" on both sides.
type Field struct {
	Name string `json:"name"` // as in the file where it is one: "persistence.timeout"
	Old  string `json:"old"`  // "" if it was not there
	New  string `json:"new"`  // "" if it is no longer there
	// Restart is set on a global setting that only a restart of lbha can change.
	Restart bool `json:"restart,omitempty"`
}

// needRestart are the global settings that are fixed when the processes start: sockets
// and files that others know them by, and the shape of the log.
var needRestart = []string{"control", "log.format", "metrics", "state_dir"}

// Compare returns what a change from old to new means. Instances, groups and services are
// matched by name, servers by address within their service.
func Compare(old, new *Config) Plan {
	var p Plan
	p.Global = differences(old.Global, new.Global)
	for i := range p.Global {
		p.Global[i].Restart = slices.Contains(needRestart, p.Global[i].Name)
	}

	match(old.Instances, new.Instances, func(in *Instance) string { return in.Name }, equal[Instance],
		func(c Change, was, is *Instance) {
			switch c.Op {
			case Added:
				c.Summary = fmt.Sprintf("virtual router %d on %s, priority %d, %s", is.VRID, is.Interface, is.Priority, join(is.Addresses))
			case Changed:
				c.NewMachine = was.VRID != is.VRID || was.Interface != is.Interface || was.Family != is.Family || was.Version != is.Version
				c.Fields = differences(*was, *is, "name")
			}
			p.Instances = append(p.Instances, c)
		})

	match(old.Groups, new.Groups, func(g *Group) string { return g.Name }, equal[Group],
		func(c Change, was, is *Group) {
			switch c.Op {
			case Added:
				c.Summary = join(is.Members)
			case Changed:
				c.Fields = differences(*was, *is, "name")
			}
			p.Groups = append(p.Groups, c)
		})

	match(old.Services, new.Services, func(s *Service) string { return s.Name }, (*Service).equal,
		func(c Change, was, is *Service) {
			sc := ServiceChange{Change: c}
			switch c.Op {
			case Added:
				sc.Summary = fmt.Sprintf("%s, servers %s", join(is.Keys), join(addresses(is.Servers)))
			case Changed:
				sc.Fields = differences(*was, *is, "name", "servers")
				sc.Servers = compareServers(was.Servers, is.Servers)
			}
			p.Services = append(p.Services, sc)
		})
	return p
}

func compareServers(old, new []Server) []Change {
	var out []Change
	match(old, new, func(v *Server) string { return v.Address.String() }, (*Server).equal,
		func(c Change, was, is *Server) {
			switch c.Op {
			case Added:
				c.Summary = "weight " + is.Weight.String()
			case Changed:
				c.Fields = differences(*was, *is, "address")
			}
			out = append(out, c)
		})
	return out
}

func addresses(servers []Server) []string {
	out := make([]string, len(servers))
	for i, v := range servers {
		out[i] = v.Address.String()
	}
	return out
}

func equal[T any](a, b *T) bool { return reflect.DeepEqual(a, b) }

// match pairs two lists by name and calls found for each thing that was removed, in the
// order of old, then for each that was added or differs, in the order of new.
func match[T any](old, new []T, name func(*T) string, equal func(a, b *T) bool, found func(c Change, was, is *T)) {
	before := make(map[string]*T, len(old))
	for i := range old {
		before[name(&old[i])] = &old[i]
	}
	after := make(map[string]bool, len(new))
	for i := range new {
		after[name(&new[i])] = true
	}
	for i := range old {
		if n := name(&old[i]); !after[n] {
			found(Change{Op: Removed, Name: n}, &old[i], nil)
		}
	}
	for i := range new {
		n := name(&new[i])
		switch was := before[n]; {
		case was == nil:
			found(Change{Op: Added, Name: n}, nil, &new[i])
		case !equal(was, &new[i]):
			found(Change{Op: Changed, Name: n}, was, &new[i])
		}
	}
}

// Empty reports whether the plan changes nothing.
func (p Plan) Empty() bool {
	return len(p.Global) == 0 && len(p.Instances) == 0 && len(p.Groups) == 0 && len(p.Services) == 0
}

// String renders the plan, one line for each difference, each ended by a newline:
//
//	~ global: log.level INFO → DEBUG
//	+ instance inside: virtual router 52 on eth1, priority 150, [10.10.0.1/24 dev eth1]
//	- service www: server 10.9.0.4:80
//	~ service www: server 10.9.0.3:80 weight 2 → 4
func (p Plan) String() string {
	var b strings.Builder
	for _, f := range p.Global {
		note := ""
		if f.Restart {
			note = " (needs a restart)"
		}
		fmt.Fprintf(&b, "~ global: %s%s\n", f, note)
	}
	for _, c := range p.Instances {
		c.render(&b, "instance "+c.Name, "")
	}
	for _, c := range p.Groups {
		c.render(&b, "vrrp_group "+c.Name, "")
	}
	for _, c := range p.Services {
		c.render(&b, "service "+c.Name, "")
		for _, v := range c.Servers {
			v.render(&b, "service "+c.Name, "server "+v.Name)
		}
	}
	return b.String()
}

// render writes the lines of c; part names it within the thing, if it is a part of one.
func (c Change) render(b *strings.Builder, thing, part string) {
	line := func(sign, text string) {
		rest := strings.TrimSpace(part + " " + text)
		if rest != "" {
			rest = ": " + rest
		}
		fmt.Fprintf(b, "%s %s%s\n", sign, thing, rest)
	}
	switch c.Op {
	case Added:
		line("+", c.Summary)
	case Removed:
		line("-", "")
	case Changed:
		for _, f := range c.Fields {
			note := ""
			if c.NewMachine && slices.Contains([]string{"interface", "id", "version", "family"}, f.Name) {
				note = " (another virtual router: it starts anew)"
			}
			line("~", f.String()+note)
		}
	}
}

// String renders the difference: "weight 2 → 4".
func (f Field) String() string {
	switch {
	case f.Old == f.New:
		return f.Name + " changed"
	case f.Old == "":
		return f.Name + " + " + f.New
	case f.New == "":
		return f.Name + " - " + f.Old
	}
	return f.Name + " " + f.Old + " → " + f.New
}
