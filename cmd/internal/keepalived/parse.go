package keepalived

import (
	"fmt"
	"regexp"
	"strings"
)

// Bounds of what is read.
const (
	maxFile       = 4 << 20
	maxFiles      = 1000
	maxDepth      = 16 // of blocks, and of files that include files
	maxStatements = 500_000
	maxDefinition = 4096     // bytes of a definition
	maxExpanded   = 16 << 20 // bytes that definitions put in the place of their names, in all: one may name others
)

// A Place is a line of a file.
type Place struct {
	File string `json:"file"`
	Line int    `json:"line"`
}

func (p Place) String() string { return fmt.Sprintf("%s:%d", p.File, p.Line) }

// A Note is something that the result has not, or has in another way.
type Note struct {
	Place
	Text string `json:"text"`
}

func (n Note) String() string { return n.Place.String() + ": " + n.Text }

// A statement is a line: words, and a block if one follows.
type statement struct {
	words []string
	at    Place
	block []*statement
	open  bool // it has a block, if an empty one
}

// arg is a word after the first; "" if there are not so many.
func (s *statement) arg(n int) string {
	if n < len(s.words) {
		return s.words[n]
	}
	return ""
}

// has is the first statement of its block with a word; nil if there is none.
func (s *statement) has(word string) *statement {
	for _, b := range s.block {
		if b.words[0] == word {
			return b
		}
	}
	return nil
}

// A File is a configuration file.
type File struct {
	Name string
	Text string
}

// A Reader returns the files that an include names, as a pattern, in order. from is the
// file that it stands in.
type Reader func(from, pattern string) ([]File, error)

// A parser reads files into one tree.
type parser struct {
	read        Reader
	notes       []Note
	definitions map[string]string
	files       int
	statements  int
	expanded    int
	stack       []*statement // the blocks that are open; the first is the whole
	last        *statement   // the one that a brace would belong to
}

// parse reads a file, and those that it includes.
func parse(f File, read Reader) (*statement, []Note) {
	p := &parser{read: read, definitions: map[string]string{}, stack: []*statement{{open: true}}}
	p.file(f, 0)
	for _, s := range p.stack[1:] {
		p.note(s.at, "the block is not closed")
	}
	return p.stack[0], p.notes
}

func (p *parser) note(at Place, format string, args ...any) {
	p.notes = append(p.notes, Note{at, fmt.Sprintf(format, args...)})
}

func (p *parser) file(f File, depth int) {
	at := Place{File: f.Name}
	if p.files++; p.files > maxFiles || depth > maxDepth || len(f.Text) > maxFile {
		p.note(at, "left out: too many or too large files, or one that includes itself")
		return
	}
	joined, first := "", 0 // a line that goes on
	for text := range strings.Lines(f.Text) {
		at.Line++
		text = uncomment(strings.TrimRight(text, "\r\n"))
		if joined == "" {
			first = at.Line
		}
		if head, more := strings.CutSuffix(text, `\`); more && len(joined) < maxDefinition {
			joined += head
			if definition.MatchString(joined) {
				joined += "\n" // the lines of a definition stay lines
			} else {
				joined += " "
			}
			continue
		}
		p.line(Place{f.Name, first}, joined+text, depth)
		joined = ""
	}
	if joined != "" {
		p.line(Place{f.Name, first}, joined, depth)
	}
}

var (
	definition = regexp.MustCompile(`(?s)^\s*\$([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*$`)
	reference  = regexp.MustCompile(`\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?`)
)

func (p *parser) line(at Place, text string, depth int) {
	if m := definition.FindStringSubmatch(text); m != nil {
		if len(m[2]) > maxDefinition {
			p.note(at, "left out: a definition of more than %d bytes", maxDefinition)
			return
		}
		p.definitions[m[1]] = p.expand(at, m[2])
		return
	}
	for one := range strings.Lines(p.expand(at, text)) {
		p.statement(at, words(one), depth)
	}
}

// statement takes the words of a line.
func (p *parser) statement(at Place, all []string, depth int) {
	switch {
	case len(all) == 0:
		return
	case strings.HasPrefix(all[0], "@"):
		p.note(at, "left out: a line for some directors only (%.40s): import on each of them what is meant for it", all[0])
		return
	case strings.HasPrefix(all[0], "~SEQ") || strings.HasPrefix(all[0], "~LST"):
		p.note(at, "left out: loops (%.40s) are not read: write the lines out", all[0])
		return
	case strings.HasPrefix(all[0], "include"):
		p.include(at, all, depth)
		return
	}
	begin := 0
	flush := func(end int) {
		if end > begin {
			p.add(&statement{words: all[begin:end], at: at})
		}
		begin = end + 1
	}
	for i, w := range all {
		switch w {
		case "{":
			flush(i)
			p.openBlock(at)
		case "}":
			flush(i)
			p.closeBlock(at)
		}
	}
	flush(len(all))
}

func (p *parser) include(at Place, all []string, depth int) {
	if len(all) < 2 {
		p.note(at, "%s: names no file", all[0])
		return
	}
	files, err := p.read(at.File, all[1])
	if err != nil {
		p.note(at, "%s: %v", all[0], err)
	} else if len(files) == 0 {
		p.note(at, "%s: there is no file %.80q", all[0], all[1])
	}
	for _, f := range files {
		p.file(f, depth+1)
	}
}

func (p *parser) add(s *statement) {
	if p.statements++; p.statements > maxStatements {
		if p.statements == maxStatements+1 {
			p.note(s.at, "left out, and all that follows: more than %d lines", maxStatements)
		}
		return
	}
	top := p.stack[len(p.stack)-1]
	top.block = append(top.block, s)
	p.last = s
}

func (p *parser) openBlock(at Place) {
	s := p.last
	if s == nil || s.open {
		s = &statement{words: []string{"{"}, at: at} // of nothing
		p.add(s)
	}
	if len(p.stack) > maxDepth {
		p.note(at, "blocks within more than %d blocks", maxDepth)
	}
	s.open = true
	p.stack = append(p.stack, s)
	p.last = nil
}

func (p *parser) closeBlock(at Place) {
	p.last = nil
	if len(p.stack) == 1 {
		p.note(at, "a } without a {")
		return
	}
	p.stack = p.stack[:len(p.stack)-1]
}

// expand puts what is defined in the place of its name.
func (p *parser) expand(at Place, text string) string {
	if !strings.Contains(text, "$") || len(text) > maxDefinition {
		return text
	}
	return reference.ReplaceAllStringFunc(text, func(name string) string {
		value, ok := p.definitions[strings.Trim(name, "${}")]
		if !ok {
			p.note(at, "%.40s is not defined", name)
			return name
		}
		if p.expanded += len(value); p.expanded > maxExpanded {
			if p.expanded-len(value) <= maxExpanded {
				p.note(at, "%.40s, and all that follow, stay as they are: what is defined would grow to more than %d bytes", name, maxExpanded)
			}
			return name
		}
		return value
	})
}

// uncomment cuts a comment off a line. It begins with # or ! wherever that stands outside of double
// quotes, in the middle of a word as well; behind a \ they are themselves.
func uncomment(text string) string {
	if !strings.ContainsAny(text, "#!") {
		return text
	}
	var b strings.Builder
	quoted := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && i+1 < len(text):
			i++
			if quoted || text[i] != '#' && text[i] != '!' {
				b.WriteByte(c)
			}
			b.WriteByte(text[i])
			continue
		case c == '"':
			quoted = !quoted
		case !quoted && (c == '#' || c == '!'):
			return b.String()
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

// words splits a line at blanks outside of quotes; an apostrophe within a word is none. A word that
// is nothing but a brace opens or closes a block, in quotes as well.
func words(text string) []string {
	var out []string
	var word strings.Builder
	var quote rune
	within := false
	end := func() {
		if within {
			out = append(out, word.String())
		}
		word.Reset()
		within = false
	}
	for _, r := range text {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '"' || r == '\'' && !within:
			quote, within = r, true
		case r == ' ' || r == '\t' || r == '\v' || r == '\f' || r == '\r' || r == '\n':
			end()
		default:
			within = true
			word.WriteRune(r)
		}
	}
	end()
	return out
}
