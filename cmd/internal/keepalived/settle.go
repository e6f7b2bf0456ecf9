package keepalived

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/lbha/lbha/config"
)

// A line of the result, and where it comes from.
type line struct {
	text string
	at   Place
	gone bool // taken out: it stays as a comment

	holds int // the lines after it that are of its list
}

func (l *line) header() bool { return strings.HasPrefix(l.text, "[") }

// within reports whether a line stands under a header, in its table or in one of that.
func (l *line) within(header *line) bool {
	return !l.header() || strings.HasPrefix(strings.Trim(l.text, "[]"), strings.Trim(header.text, "[]")+".")
}

// A Result is a configuration of lbha that loads, and what became of the rest.
type Result struct {
	TOML  []byte
	Notes []Note // in the order of places
}

// A Loader says what is wrong with a configuration: [config.Parse] or [config.Load].
type Loader func(text []byte) error

// Import converts a configuration of keepalived.
func Import(f File, read Reader, load Loader) Result {
	root, notes := parse(f, read)
	c := &converter{names: map[string]bool{}, notes: notes}
	c.convert(root)
	c.settle(load)
	if len(c.lines)+len(c.notes) == 0 {
		c.notes = append(c.notes, Note{Place{f.Name, 1}, "nothing is configured here: the result is empty, which lbha does not load"})
	}
	order := map[string]int{}
	for _, n := range c.notes {
		if _, seen := order[n.File]; !seen {
			order[n.File] = len(order)
		}
	}
	slices.SortStableFunc(c.notes, func(a, b Note) int {
		return cmp.Or(cmp.Compare(order[a.File], order[b.File]), cmp.Compare(a.Line, b.Line))
	})
	return Result{TOML: render(c.lines), Notes: slices.Compact(c.notes)}
}

func render(lines []line) []byte {
	var b strings.Builder
	for i := range lines {
		l := &lines[i]
		if l.header() && i > 0 {
			b.WriteByte('\n')
		}
		if l.gone {
			b.WriteString("# ")
		}
		b.WriteString(l.text + "\n")
	}
	return []byte(b.String())
}

// settle takes out what is refused until nothing is: the line, or what stands under its
// header. Each turn takes out at least one line, so that it ends.
func (c *converter) settle(load Loader) {
	for c.left() > 0 { // of nothing there is nothing to take out; it does not load, either
		err := load(render(c.lines))
		if err == nil {
			return
		}
		found, ok := err.(config.Diagnostics)
		before := c.left()
		for _, d := range found {
			if d.Severity == config.Error {
				c.takeOut(d)
			}
		}
		if !ok || c.left() == before { // a fault without a place: nothing can stay
			for i := range c.lines {
				c.lines[i].gone = true
			}
			c.notes = append(c.notes, Note{Text: "nothing of it loads: " + err.Error()})
			return
		}
	}
}

func (c *converter) left() int {
	n := 0
	for i := range c.lines {
		if !c.lines[i].gone {
			n++
		}
	}
	return n
}

// takeOut takes out what a finding is about.
func (c *converter) takeOut(d config.Diagnostic) {
	row := 0 // in the text: an empty line stands before each header
	for i := range c.lines {
		l := &c.lines[i]
		if l.header() && i > 0 {
			row++
		}
		if row++; row != d.Line {
			continue
		}
		if l.gone {
			return
		}
		what := d.Message
		if d.Hint != "" {
			what += " (" + d.Hint + ")"
		}
		if !l.header() {
			for j := range c.lines[i : i+l.holds+1] {
				c.lines[i+j].gone = true
			}
			c.note(l.at, "left out: %s", what)
			return
		}
		c.note(l.at, "left out, with all that is in it: %s", what)
		for j := i; j < len(c.lines) && (j == i || c.lines[j].within(l)); j++ {
			c.lines[j].gone = true
		}
		return
	}
}

// quote writes a string of TOML.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range strings.ToValidUTF8(s, "\ufffd") {
		switch {
		case r == '"' || r == '\\':
			b.WriteRune('\\')
			b.WriteRune(r)
		case unicode.IsControl(r):
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func quoteAll(all []string) string {
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = quote(s)
	}
	return "[" + strings.Join(out, ", ") + "]"
}

var notInNames = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// seconds reads a time in seconds, which may have a fraction.
func seconds(text string) (time.Duration, bool) {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || !(f >= 0 && f < 1e6) {
		return 0, false
	}
	return time.Duration(f * float64(time.Second)).Round(time.Millisecond), true
}

// short is a duration as people write it.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}
