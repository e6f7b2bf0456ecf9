package script

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// finish checks what only the whole file shows.
func (p *parser) finish(lines int) {
	end := Position{p.file, max(lines, 1), 1}
	slices.SortStableFunc(p.s.Steps, func(a, b Step) int { return cmp.Compare(a.At, b.At) })
	for _, a := range p.appends {
		if p.known(a.at, a.name) {
			d := &p.s.Directors[a.director]
			d.Append = append(d.Append, a.name)
		}
	}
	if p.s.Length == 0 {
		p.fail(end, "the scenario has no length: want %s", SetLength)
	}
	if len(p.s.Demands) == 0 {
		p.fail(end, "the scenario expects nothing")
	}
	if p.s.Directors[0].Priority == p.s.Directors[1].Priority {
		p.fail(end, "both directors have priority %d: who is master at rest must be certain", p.s.Directors[0].Priority)
	}
	m := model{p: p, down: map[string]bool{}, paused: map[string]time.Duration{}, daemon: map[string]string{}}
	for i, d := range p.s.Directors {
		m.daemon[directors[i]] = d.Daemon
	}
	for i := range p.s.Steps {
		m.step(&p.s.Steps[i])
	}
	p.name()
	p.refer()
}

// name makes the names of steps unlike each other.
func (p *parser) name() {
	count := map[string]int{}
	for i := range p.s.Steps {
		name := p.s.Steps[i].Name
		if count[name]++; count[name] > 1 {
			p.s.Steps[i].Name = fmt.Sprintf("%s (%d)", name, count[name])
		}
	}
}

// refer checks the steps that demands speak of.
func (p *parser) refer() {
	for _, d := range p.s.Demands {
		if d.Step == "" {
			continue
		}
		var names []string
		matches := 0
		for _, s := range p.s.Steps {
			names = append(names, fmt.Sprintf("%q", s.Name))
			if s.Name == d.Step || strings.HasPrefix(s.Name, d.Step+" (") {
				matches++
			}
		}
		switch {
		case matches == 0:
			p.fail(d.Position, "no step is called %q; there are %s", d.Step, cmp.Or(strings.Join(names, ", "), "none"))
		case matches > 1 && !strings.HasSuffix(d.Step, ")"):
			p.fail(d.Position, "%d steps are called %q: give one a name with `as NAME`", matches, d.Step)
		}
	}
}

// known checks that a snippet is there.
func (p *parser) known(at Position, name string) bool {
	if _, ok := p.s.Snippets[name]; !ok {
		p.fail(at, "no snippet is called %q; there are %s", name, cmp.Or(strings.Join(slices.Sorted(maps.Keys(p.s.Snippets)), ", "), "none"))
		return false
	}
	return true
}

// model follows what is up and what is down, as far as that can be known beforehand.
type model struct {
	p      *parser
	down   map[string]bool
	paused map[string]time.Duration // until when
	daemon map[string]string        // of each director
}

// step checks that a step makes sense when its time has come.
func (m *model) step(s *Step) {
	fail := func(format string, args ...any) { m.p.fail(s.Position, format, args...) }
	if s.At >= m.p.s.Length && m.p.s.Length > 0 {
		fail("at %v: the scenario ends at %v", s.At, m.p.s.Length)
	}
	host := ""
	if len(s.Hosts) > 0 {
		host = s.Host()
	}
	if until, ok := m.paused[host]; ok && !slices.Contains([]string{Continue, Link, Cut, Loss, Delay, Disk}, s.Form) {
		fail("%s is paused until %v", host, until)
	}
	switch s.Form {
	case Kill, Pause, Starve, Reload, Reprior, Reserve, Misread, Failover, Lift, Status:
		if m.down[host] {
			fail("%s does not run at that time", host)
		}
	}
	m.offered(s)
	switch s.Form {
	case Kill:
		// The others die with the supervisor.
		m.down[host] = m.down[host] || s.Part == "" || s.Part == "supervisor"
	case Stop:
		m.service(s, host)
		if m.down[host] {
			fail("%s does not run at that time", host)
		}
		m.down[host] = true
	case Start:
		m.service(s, host)
		if !m.down[host] {
			fail("%s runs at that time", host)
		}
		if s.Daemon != "" && !slices.Contains(directors, host) {
			fail("%s is no director", host)
		}
		m.down[host] = false
		m.daemon[host] = cmp.Or(s.Daemon, m.daemon[host])
	case Pause:
		// The others of its processes go on, and can be asked.
		if s.Part == "" {
			m.paused[host] = s.At + s.Time
		}
	case Continue:
		if s.Part == "" {
			delete(m.paused, host)
		}
	case Reload:
		if s.Option {
			m.p.known(s.Position, s.Clause.Name)
		}
	case Reprior:
		if s.Number < 1 || s.Number > 254 {
			fail("priority %d: want 1 to 254", s.Number)
		}
	case Cut, Loss, Delay, Link:
		if s.Form == Cut && s.Hosts[0] == s.Hosts[1] {
			fail("a host is not cut off from itself")
		}
	case AddVIP, DeleteVIP:
		if s.Option && (s.Number < 1 || s.Number > 32) {
			fail("prefix %d: want 1 to 32", s.Number)
		}
	case Flood, Claim:
		if s.Number == 0 {
			fail("a flood of nothing")
		}
	}
}

// service checks that a host has something to stop and to start.
func (m *model) service(s *Step, host string) {
	if !slices.Contains(directors, host) && !slices.Contains(servers, host) {
		m.p.fail(s.Position, "%s has nothing to stop or to start", host)
	}
}

// withoutFRR is what cannot be done to FRR's vrrpd, and why.
var withoutFRR = map[string]string{
	Starve:    "has no process of that name",
	Misread:   "reads its file when it starts, and never again",
	Failover:  "has no such command",
	Lift:      "has no such command",
	Status:    "is not asked",
	DeleteVIP: "has the address on an interface of its own",
	AddVIP:    "has the address on an interface of its own",
	Cut:       "sends from the virtual MAC address, by which no director can be told from the other",
}

// offered checks that a step is one that the director's daemon offers. lbha and keepalived offer all, or fail at the time.
func (m *model) offered(s *Step) {
	if s.Form == Continue || s.Form == Feed {
		return // the step that it ends was told of
	}
	for _, h := range s.Hosts {
		if m.daemon[h] != "frr" {
			continue
		}
		why, refused := withoutFRR[s.Form]
		switch {
		case refused:
		case s.Part != "":
			why = withoutFRR[Starve]
		case s.Form == Reload && s.Option:
			why = "is told lines, and a snippet's would stay"
		default:
			continue
		}
		m.p.fail(s.Position, "frr on %s %s", h, why)
	}
}
