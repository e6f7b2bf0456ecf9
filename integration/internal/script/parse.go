package script

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Error is what is wrong at a place of a file.
type Error struct {
	Position Position
	Message  string
}

func (e *Error) Error() string { return e.Position.String() + ": " + e.Message }

// parser goes through a file line by line and collects what is wrong.
type parser struct {
	file    string
	s       *Scenario
	errs    []error
	snippet *snippet // the one whose lines are read now
	seen    map[string]Position
	appends []appended
}

// snippet is a configuration that is being read.
type snippet struct {
	name   string
	indent string // of its first line
}

// appended is a snippet that a director gets; the snippet may come later in the file.
type appended struct {
	at       Position
	director int
	name     string
}

// Parse reads a scenario. The error joins all that is wrong, each an [*Error].
func Parse(file, text string) (*Scenario, error) {
	name := filepath.Base(file)
	p := &parser{file: file, seen: map[string]Position{}, s: &Scenario{
		Name: strings.TrimSuffix(name, filepath.Ext(name)), Interval: time.Second, Snippets: map[string]string{},
		Directors: [2]Director{{Daemon: "lbha", Priority: 150}, {Daemon: "lbha", Priority: 100}},
	}}
	number := 0
	for line := range strings.Lines(text) {
		number++
		p.line(number, strings.TrimRight(line, "\r\n"))
	}
	p.finish(number)
	if len(p.errs) > 0 {
		return nil, errors.Join(p.errs...)
	}
	return p.s, nil
}

func (p *parser) fail(at Position, format string, args ...any) {
	p.errs = append(p.errs, &Error{at, fmt.Sprintf(format, args...)})
}

// word is a word of a line and where it begins.
type word struct {
	text string
	at   Position
}

// split cuts a line into words.
func (p *parser) split(number int, line string) (words []word) {
	for i := 0; i < len(line); {
		if line[i] == ' ' || line[i] == '\t' {
			i++
			continue
		}
		end := i
		for end < len(line) && line[end] != ' ' && line[end] != '\t' {
			end++
		}
		words = append(words, word{line[i:end], Position{p.file, number, i + 1}})
		i = end
	}
	return words
}

func (p *parser) line(number int, line string) {
	blank := strings.TrimSpace(line) == ""
	indented := line != strings.TrimLeft(line, " \t")
	if p.snippet != nil && (indented || blank) {
		p.configure(line, blank)
		return
	}
	p.snippet = nil
	words := p.split(number, line)
	if blank || strings.HasPrefix(words[0].text, "#") {
		return
	}
	switch Kind(words[0].text) {
	case Deed:
		p.deed(words)
	case Demand:
		if c, ok := p.sentence(Demand, words[0].at, words[1:]); ok {
			p.s.Demands = append(p.s.Demands, c)
		}
	default:
		p.setting(words)
	}
}

// configure adds a line to the snippet.
func (p *parser) configure(line string, blank bool) {
	if blank {
		line = ""
	} else if p.snippet.indent == "" {
		p.snippet.indent = line[:len(line)-len(strings.TrimLeft(line, " \t"))]
	}
	p.s.Snippets[p.snippet.name] += strings.TrimPrefix(line, p.snippet.indent) + "\n"
}

func (p *parser) setting(words []word) {
	if words[0].text == "title" {
		p.once(words[0], "title")
		p.s.Title = join(words[1:])
		return
	}
	c, ok := p.sentence(Setting, words[0].at, words)
	if !ok {
		return
	}
	switch c.Form {
	case SetDirector:
		p.once(words[0], "director "+c.Host())
		d := &p.s.Directors[index(c.Host())]
		d.Daemon, d.Position = c.Daemon, c.Position
		if c.Option {
			d.Priority = c.Number
		}
		if d.Priority < 1 || d.Priority > 254 {
			p.fail(c.Position, "priority %d: want 1 to 254", d.Priority)
		}
	case SetInterval:
		p.once(words[0], "interval")
		// The unit of the protocol is a hundredth of a second, in twelve bits.
		if p.s.Interval = c.Time; c.Time < 10*time.Millisecond || c.Time > 40950*time.Millisecond {
			p.fail(c.Position, "interval %v: want 10ms to 40.95s", c.Time)
		}
	case SetSchedule:
		p.once(words[0], "scheduler")
		p.s.Scheduler = &c
	case SetLength:
		p.once(words[0], "length")
		p.s.Length = c.Time
	case SetConfig:
		p.once(words[0], "config "+c.Name)
		p.s.Snippets[c.Name] = ""
		p.snippet = &snippet{name: c.Name}
	case SetAppend:
		p.appends = append(p.appends, appended{c.Position, index(c.Host()), c.Name})
	}
}

// once refuses what is said twice.
func (p *parser) once(w word, what string) {
	if before, ok := p.seen[what]; ok {
		p.fail(w.at, "%s is set already, in line %d", what, before.Line)
	}
	p.seen[what] = w.at
}

// index is that of a director in a pair.
func index(director string) int { return int(director[1] - '1') }

func (p *parser) deed(words []word) {
	if len(words) < 3 {
		p.fail(words[0].at, "want: at TIME, and what is done then")
		return
	}
	at, err := duration(words[1].text)
	if err != nil {
		p.fail(words[1].at, "%v", err)
		return
	}
	name := ""
	if n := len(words); n > 4 && words[n-2].text == "as" {
		name = words[n-1].text
		words = words[:n-2]
	}
	c, ok := p.sentence(Deed, words[0].at, words[2:])
	if !ok {
		return
	}
	p.s.Steps = append(p.s.Steps, Step{At: at, Name: cmp.Or(name, c.Text), Clause: c})
	if c.Form == Pause || c.Form == Starve {
		end := c.end()
		p.s.Steps = append(p.s.Steps, Step{At: at + c.Time, Name: end.Text, Clause: end})
	}
}

// end is the step that ends what lasts for a time.
func (c Clause) end() Clause {
	end := Clause{Form: Continue, Position: c.Position, Text: "continue " + c.Host(), Hosts: c.Hosts, Part: c.Part, Option: c.Option}
	if c.Form == Starve {
		end.Form, end.Text = Feed, "feed "+c.Host()
	}
	if c.Part != "" {
		end.Text += " " + c.Part
	}
	return end
}

func join(words []word) string {
	var texts []string
	for _, w := range words {
		texts = append(texts, w.text)
	}
	return strings.Join(texts, " ")
}

// sentence finds the form of a line. If there is none, the error is at the word at which the most likely form no longer fits.
func (p *parser) sentence(kind Kind, at Position, words []word) (Clause, bool) {
	if len(words) == 0 {
		p.fail(at, "the sentence ends too early")
		return Clause{}, false
	}
	furthest, wants := -1, []string{}
	for _, t := range templates[kind] {
		c := Clause{Form: t.form, Position: words[0].at, Text: join(words), Option: t.option}
		n, want := t.match(&c, words)
		if want == "" {
			return c, true
		}
		if n > furthest {
			furthest, wants = n, nil
		}
		if n == furthest && !slices.Contains(wants, want) {
			wants = append(wants, want)
		}
	}
	if furthest < len(words) {
		p.fail(words[furthest].at, "%q: want %s", words[furthest].text, strings.Join(wants, ", or "))
	} else {
		p.fail(words[len(words)-1].at, "after %q: want %s", words[len(words)-1].text, strings.Join(wants, ", or "))
	}
	return Clause{}, false
}
