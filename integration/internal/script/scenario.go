package script

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Scenario is a file that was understood.
type Scenario struct {
	Name      string // of the file, without its ending
	Title     string
	Interval  time.Duration
	Scheduler *Clause // nil: rr
	Length    time.Duration
	Directors [2]Director // d1, d2
	Snippets  map[string]string
	Steps     []Step   // in order of time
	Demands   []Clause // in order of the file
}

// Director is what a scenario says of one of the pair.
type Director struct {
	Daemon   string // lbha, keepalived or frr
	Priority int
	Append   []string // names of snippets
	Position Position // of the sentence; zero: the scenario says nothing of it
}

// Step is something done at a time.
type Step struct {
	At   time.Duration
	Name string // unlike that of any other step
	Clause
}

// Clause is a sentence: its form, and the operands that the form has.
type Clause struct {
	Form     string
	Position Position
	Text     string // as it was written, with single spaces
	Option   bool   // the part in brackets was there
	Hosts    []string
	Time     time.Duration
	Number   int
	Percent  float64
	Part     string
	Daemon   string
	Name     string // of a snippet; a word, or some
	Step     string // name of a step; empty in a demand: of the last one
	Up       bool   // full, forward
	Servers  []string
}

// Host is the only or first host of a sentence.
func (c Clause) Host() string { return c.Hosts[0] }

// Position is a place in a file. Line and column count from 1.
type Position struct {
	File         string
	Line, Column int
}

func (p Position) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column) }

// MasterDown is how long a director waits after the last advertisement of a master: RFC 9568 §6.1.
func (s *Scenario) MasterDown(director int) time.Duration {
	return 3*s.Interval + time.Duration(256-s.Directors[director].Priority)*s.Interval/256
}

// Favourite is the director that is master at rest.
func (s *Scenario) Favourite() string {
	if s.Directors[1].Priority >= s.Directors[0].Priority {
		return "d2" // it has the higher address
	}
	return "d1"
}

// NeedsQuiet reports whether a demand compares with a quiet run.
func (s *Scenario) NeedsQuiet() bool {
	return slices.ContainsFunc(s.Demands, func(c Clause) bool { return c.Form == GapQuiet })
}

// Use gives the directors other daemons. A step that starts one with a daemon of its own keeps that.
func (s *Scenario) Use(d1, d2 string) { s.Directors[0].Daemon, s.Directors[1].Daemon = d1, d2 }

// NeedsOwnKernel reports whether a step concerns all that the kernel runs.
func (s *Scenario) NeedsOwnKernel() bool {
	return slices.ContainsFunc(s.Steps, func(step Step) bool { return step.Form == IPVS || step.Form == Clock })
}

// MustFail reports whether a step's command is expected to fail.
func (s *Scenario) MustFail(step string) bool {
	return slices.ContainsFunc(s.Demands, func(c Clause) bool { return c.Form == Fails && c.Step == step })
}

// Daemons lists the daemons that a scenario uses.
func (s *Scenario) Daemons() []string {
	used := map[string]bool{s.Directors[0].Daemon: true, s.Directors[1].Daemon: true}
	for _, step := range s.Steps {
		if step.Daemon != "" {
			used[step.Daemon] = true
		}
	}
	return slices.Sorted(maps.Keys(used))
}

// String writes the scenario in the language. Parsing that gives the same scenario, positions aside.
func (s *Scenario) String() string {
	var b strings.Builder
	if s.Title != "" {
		fmt.Fprintf(&b, "title %s\n", s.Title)
	}
	for i, d := range s.Directors {
		fmt.Fprintf(&b, "director d%d %s priority %d\n", i+1, d.Daemon, d.Priority)
	}
	fmt.Fprintf(&b, "interval %v\n", s.Interval)
	if s.Scheduler != nil {
		b.WriteString(s.Scheduler.Text + "\n")
	}
	fmt.Fprintf(&b, "length %v\n", s.Length)
	for _, name := range slices.Sorted(maps.Keys(s.Snippets)) {
		fmt.Fprintf(&b, "config %s\n", name)
		for line := range strings.Lines(s.Snippets[name]) {
			if line != "\n" {
				line = "    " + line
			}
			b.WriteString(line)
		}
	}
	for i, d := range s.Directors {
		for _, name := range d.Append {
			fmt.Fprintf(&b, "append %s to d%d\n", name, i+1)
		}
	}
	for _, step := range s.Steps {
		if step.Form == Continue || step.Form == Feed {
			continue
		}
		fmt.Fprintf(&b, "at %v %s", step.At, step.Text)
		if step.Name != step.Text && !strings.HasPrefix(step.Name, step.Text+" (") {
			fmt.Fprintf(&b, " as %s", step.Name)
		}
		b.WriteString("\n")
	}
	for _, d := range s.Demands {
		fmt.Fprintf(&b, "expect %s\n", d.Text)
	}
	return b.String()
}
