package config

import (
	"bytes"
	"strings"

	"github.com/BurntSushi/toml"
)

// Limits of the text. They keep a file that is not a configuration from costing more than
// an error message: the parser behind us recurses into arrays and joins key names.
const (
	maxDepth  = 32  // nested tables and arrays
	maxKeyLen = 256 // bytes of one key as written
	maxWidth  = 250 // of one table
)

// scan builds the tree of places of a TOML document: which key and which value stands
// where. It reads structure and trusts its input to be TOML: at the first thing that
// is not, it stops and returns what it has, and the parser proper, which must run after
// it, reports what is wrong. Only what would be too much for that parser is an error here.
//
// A text that is plain has its values in the tree, too, and needs no other parser: see
// plain.go.
func scan(file string, text []byte) (root *node, plain bool, excess *Diagnostic) {
	root = &node{name: file, key: place(1, 1), value: place(1, 1)}
	root.become(table)
	s := &scanner{text: text, line: 1, odd: !plainLetters(text), names: make(map[string]string)}
	complete := s.document(root)
	if s.excess == "" {
		return root, complete && !s.odd, nil
	}
	at := s.here()
	return root, false, &Diagnostic{File: file, Line: int(at.line), Column: int(at.column), Message: s.excess, Severity: Error}
}

type scanner struct {
	text      []byte
	pos       int
	line      int // from 1
	lineStart int // pos of its first byte
	depth     int
	odd       bool   // there is something that plain text does not have
	excess    string // which limit was passed; it ends the scan

	names map[string]string // of keys, each once in memory
	new   nursery
}

// Every method returns false when the scan is over: at the end of what it understands.

func (s *scanner) document(root *node) bool {
	current := root
	for {
		s.blank()
		at := s.here()
		switch {
		case s.pos == len(s.text):
			return true
		case s.accept("[["):
			parent, last, ok := s.keys(root)
			if !ok || !s.accept("]]") {
				return false
			}
			list, fresh, ok := s.member(parent, last.name, at)
			if !ok {
				return false
			}
			s.odd = s.odd || !fresh && (list.kind != array || list.written)
			list.become(array)
			current = s.new.adopt(list, "", at)
			current.become(table)
			s.endOfLine()
		case s.accept("["):
			parent, last, ok := s.keys(root)
			if !ok || !s.accept("]") {
				return false
			}
			var fresh bool
			if current, fresh, ok = s.member(parent, last.name, at); !ok {
				return false
			}
			s.odd = s.odd || !fresh && (current.kind != table || current.written || current.opened)
			current.become(table)
			current.key, current.value, current.opened = at, at, true
			s.endOfLine()
		default:
			if !s.pair(current) {
				return false
			}
			s.endOfLine()
		}
	}
}

// pair reads key = value into the table.
func (s *scanner) pair(t *node) bool {
	parent, last, ok := s.keys(t)
	if !ok || !s.accept("=") {
		return false
	}
	s.spaces()
	leaf, fresh, ok := s.member(parent, last.name, last.at)
	if !ok {
		return false
	}
	s.odd = s.odd || parent != t || !fresh
	leaf.value = s.here()
	return s.val(leaf)
}

type key struct {
	name string
	at   position
}

// keys reads a dotted key below t, walks to the table that holds its last part, and
// returns both. On the way, a table that is an array means its last item.
func (s *scanner) keys(t *node) (*node, key, bool) {
	for depth := 0; ; depth++ {
		s.spaces()
		k := key{at: s.here()}
		var ok bool
		if k.name, ok = s.keyPart(); !ok {
			return nil, k, false
		}
		if depth > maxDepth {
			return nil, k, s.tooMuch("key has too many parts")
		}
		s.spaces()
		if !s.accept(".") {
			return t, k, true
		}
		var fresh bool
		if t, fresh, ok = s.member(t, k.name, k.at); !ok {
			return nil, k, false
		}
		s.odd = s.odd || !fresh && (t.kind == scalar || t.written)
		if t.kind == array && len(t.members) > 0 {
			t = t.members[len(t.members)-1]
		}
		t.become(table)
	}
}

// member returns the member of a table with that name, and whether it is new. It refuses
// to make too many.
func (s *scanner) member(t *node, name string, at position) (m *node, fresh, ok bool) {
	if m := t.member(name); m != nil {
		return m, false, true
	}
	if t.kind == table && len(t.members) >= maxWidth {
		return nil, false, s.tooMuch("table has too many keys")
	}
	t.become(table)
	return s.new.adopt(t, name, at), true, true
}

// keyPart reads one bare or quoted key.
func (s *scanner) keyPart() (string, bool) {
	start := s.pos
	switch s.peek() {
	case '"':
		if !s.quoted() {
			return "", false
		}
	case '\'':
		if !s.literal() {
			return "", false
		}
	default:
		for s.pos < len(s.text) && !endsKey(s.text[s.pos]) {
			s.pos++
		}
	}
	part := s.text[start:s.pos]
	switch {
	case len(part) == 0:
		return "", false
	case len(part) > maxKeyLen:
		return "", s.tooMuch("key is too long")
	case part[0] == '"' || part[0] == '\'' || !bareKey(part):
		s.odd = true
	}
	switch {
	case part[0] == '"' && bytes.IndexByte(part, '\\') >= 0:
		var v struct{ Key string }
		_, err := toml.Decode("Key = "+string(part), &v)
		return v.Key, err == nil
	case part[0] == '"' || part[0] == '\'':
		return string(part[1 : len(part)-1]), true
	}
	name, known := s.names[string(part)]
	if !known {
		name = string(part)
		s.names[name] = name
	}
	return name, true
}

// endsKey reports whether a key without quotes is over.
func endsKey(c byte) bool {
	switch c {
	case ' ', '\t', '\r', '\n', '.', '=', ']', '#', '"', '\'':
		return true
	}
	return false
}

// val reads one value into n.
func (s *scanner) val(n *node) bool {
	start := s.pos
	switch s.peek() {
	case '"':
		return s.quoted() && s.value(n, start)
	case '\'':
		return s.literal() && s.value(n, start)
	case '[':
		return s.nest(func() bool { return s.array(n) })
	case '{':
		return s.nest(func() bool { return s.inline(n) })
	}
	// A number, a boolean or a date.
	for s.pos < len(s.text) && strings.IndexByte(",]}#\r\n", s.text[s.pos]) < 0 {
		s.pos++
	}
	return s.pos > start && s.value(n, start)
}

func (s *scanner) nest(body func() bool) bool {
	if s.depth++; s.depth > maxDepth {
		return s.tooMuch("nested too deeply")
	}
	s.pos++ // the bracket
	ok := body()
	s.depth--
	return ok
}

func (s *scanner) array(n *node) bool {
	n.become(array)
	n.written = true
	for {
		s.blank()
		if s.accept("]") {
			return true
		}
		if !s.val(s.new.adopt(n, "", s.here())) {
			return false
		}
		s.blank()
		if !s.accept(",") && s.peek() != ']' {
			return false
		}
	}
}

func (s *scanner) inline(n *node) bool {
	n.become(table)
	n.written = true
	line := s.line
	for comma := false; ; {
		s.blank()
		if s.accept("}") {
			s.odd = s.odd || comma || s.line != line // of a later version of TOML
			return true
		}
		if !s.pair(n) {
			return false
		}
		s.blank()
		if comma = s.accept(","); !comma && s.peek() != '}' {
			return false
		}
	}
}

// quoted reads a basic string, of one line or of several.
func (s *scanner) quoted() bool {
	if s.accept(`"""`) {
		return s.multiline(`"""`, true)
	}
	for s.pos++; s.pos < len(s.text); s.pos++ {
		switch s.text[s.pos] {
		case '\\':
			s.pos++
		case '\n':
			return false
		case '"':
			s.pos++
			return true
		}
	}
	return false
}

// literal reads a literal string, of one line or of several.
func (s *scanner) literal() bool {
	if s.accept(`'''`) {
		return s.multiline(`'''`, false)
	}
	for s.pos++; s.pos < len(s.text) && s.text[s.pos] != '\n'; s.pos++ {
		if s.text[s.pos] == '\'' {
			s.pos++
			return true
		}
	}
	return false
}

// multiline reads up to and with the closing delimiter. Up to two more quotes before it
// belong to the string.
func (s *scanner) multiline(delimiter string, escapes bool) bool {
	for s.pos < len(s.text) {
		switch {
		case s.accept(delimiter):
			for i := 0; i < 2 && s.peek() == delimiter[0]; i++ {
				s.pos++
			}
			return true
		case escapes && s.text[s.pos] == '\\':
			s.pos++
			s.next()
		default:
			s.next()
		}
	}
	return false
}

// blank skips white space, line ends and comments.
func (s *scanner) blank() {
	for s.pos < len(s.text) {
		switch s.text[s.pos] {
		case ' ', '\t', '\r', '\n':
			s.next()
		case '#':
			for s.pos < len(s.text) && s.text[s.pos] != '\n' {
				s.pos++
			}
		default:
			return
		}
	}
}

// spaces skips white space within a line.
func (s *scanner) spaces() {
	for s.pos < len(s.text) && (s.text[s.pos] == ' ' || s.text[s.pos] == '\t') {
		s.pos++
	}
}

// next steps over one byte and counts lines.
func (s *scanner) next() {
	if s.pos >= len(s.text) {
		return
	}
	if s.text[s.pos] == '\n' {
		s.line++
		s.lineStart = s.pos + 1
	}
	s.pos++
}

// peek returns the byte at hand, 0 at the end.
func (s *scanner) peek() byte {
	if s.pos < len(s.text) {
		return s.text[s.pos]
	}
	return 0
}

func (s *scanner) accept(prefix string) bool {
	if rest := s.text[min(s.pos, len(s.text)):]; len(rest) < len(prefix) || string(rest[:len(prefix)]) != prefix {
		return false
	}
	s.pos += len(prefix)
	return true
}

func (s *scanner) here() position { return place(s.line, s.pos-s.lineStart+1) }

func (s *scanner) tooMuch(what string) bool {
	s.excess = what
	return false
}
