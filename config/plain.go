package config

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Nearly every configuration is plain: keys without quotes, strings of one line with the
// simplest escapes, whole numbers and simple fractions, booleans, arrays, inline tables, and no
// dotted key but in headers. Of that, scan reads the values as well: the tree of places is
// all that a large configuration costs. Whatever else there is makes the text odd, an error
// above all: then the parser proper reads all of it, and its word counts. FuzzPlain holds
// that a text without anything odd is one that the parser takes, and takes for the same.

// plainLetters reports whether a text has no control characters but line ends and tabs, and
// no broken letters.
func plainLetters(text []byte) bool {
	ascii := true
	for _, c := range text {
		if c < ' ' && c != '\n' && c != '\t' || c == 0x7f {
			return false
		}
		ascii = ascii && c < utf8.RuneSelf
	}
	return ascii || utf8.Valid(text) && !bytes.ContainsRune(text, utf8.RuneError)
}

// bareKey reports whether a key needs no quotes.
func bareKey(key []byte) bool {
	for _, c := range key {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-') {
			return false
		}
	}
	return len(key) > 0
}

// endOfLine looks for what a line must end with: nothing, or a comment.
func (s *scanner) endOfLine() {
	s.spaces()
	if c := s.peek(); s.pos < len(s.text) && c != '\n' && c != '#' {
		s.odd = true
	}
}

// value takes the scalar that has been read from start into n, if it is plain. It is true,
// whatever the scalar is.
func (s *scanner) value(n *node, start int) bool {
	text := s.text[start:s.pos]
	switch q := text[0]; {
	case s.odd: // nobody will ask for it
	case q != '"' && q != '\'':
		n.data = number(bytes.TrimRight(text, " \t"))
		s.odd = n.data == nil
	case bytes.HasPrefix(text, []byte{q, q, q}) || bytes.IndexByte(text, '\t') >= 0:
		s.odd = true
	case q == '"' && bytes.IndexByte(text, '\\') >= 0:
		text, s.odd = unescape(text[1 : len(text)-1])
		n.text = string(text)
	default:
		n.text = string(text[1 : len(text)-1])
	}
	return true
}

// unescape replaces the escapes of a string, unless one is odd.
func unescape(text []byte) (out []byte, odd bool) {
	for {
		before, rest, found := bytes.Cut(text, []byte{'\\'})
		if out = append(out, before...); !found {
			return out, false
		}
		i := strings.IndexByte(`"\nrt`, rest[0]) // the text ends with no escape
		if i < 0 {
			return nil, true
		}
		out, text = append(out, "\"\\\n\r\t"[i]), rest[1:]
	}
}

// number reads a boolean, a whole number or a fraction in their simplest forms, nil for
// whatever else there is.
func number(text []byte) any {
	switch string(text) {
	case "true":
		return true
	case "false":
		return false
	}
	const most = 18 // digits that any int64 can have
	digits, fraction, isFraction := bytes.Cut(bytes.TrimPrefix(text, []byte("-")), []byte("."))
	switch {
	case !decimal(digits) || len(digits) > most || digits[0] == '0' && len(digits) > 1:
		return nil
	case isFraction && !decimal(fraction):
		return nil
	case isFraction:
		if f, err := strconv.ParseFloat(string(text), 64); err == nil {
			return f
		}
		return nil
	}
	i, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return nil
	}
	return i
}

// decimal reports whether a text is digits.
func decimal(text []byte) bool {
	for _, c := range text {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(text) > 0
}
