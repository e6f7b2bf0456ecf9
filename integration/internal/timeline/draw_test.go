package timeline

import (
	"encoding/xml"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/lbha/lbha/integration/internal/load"
	"github.com/lbha/lbha/integration/internal/mono"
	"github.com/lbha/lbha/integration/internal/observe"
	"github.com/lbha/lbha/integration/internal/stage"
)

func s(seconds float64) mono.Time { return mono.Time(seconds * float64(time.Second)) }

// element is what a test looks at.
type element struct {
	name  string
	attrs map[string]string
	text  string // of it and of its title
}

// elements reads an SVG document; one that is not well-formed fails the test.
func elements(t *testing.T, picture string) (list []element) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(picture))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, picture)
		}
		switch token := token.(type) {
		case xml.StartElement:
			if token.Name.Local == "title" {
				continue
			}
			e := element{name: token.Name.Local, attrs: map[string]string{}}
			for _, a := range token.Attr {
				e.attrs[a.Name.Local] = a.Value
			}
			list = append(list, e)
		case xml.CharData:
			if text := strings.TrimSpace(string(token)); text != "" {
				list[len(list)-1].text += text
			}
		}
	}
}

// A hand-over from d1 to d2 at 4 s, in ten seconds on a width of 1050: a second is 105 wide and begins at 130.
func TestDraw(t *testing.T) {
	e := &stage.Evidence{
		From: s(100), To: s(110),
		Before:        map[string]stage.Side{"d1": {Holds: true, Table: observe.Table{"-A a"}}, "d2": {}},
		Holdings:      []observe.Holding{{At: s(104), Host: "d1"}, {At: s(104), Host: "d2", Holds: true}},
		Adverts:       []observe.Advert{{At: s(101), Source: netip.MustParseAddr("10.9.0.1"), Priority: 150}, {At: s(104), Source: netip.MustParseAddr("10.9.0.2"), Priority: 100}},
		Announcements: []observe.Announcement{{At: s(104), MAC: "020000000002"}, {At: s(105), MAC: "aabbccddeeff"}},
		Tables:        []observe.TableChange{{At: s(106), Host: "d1", Table: observe.Table{"-A a", "-a b"}}},
		Marks:         []stage.Mark{{At: s(103), Name: "stop d1 & <more>"}, {At: s(109), Name: "bad, and too long for what is left", Err: "refused"}},
	}
	for at := s(100); at < s(110); at += s(0.01) {
		if at < s(103) || at >= s(104) {
			e.TCPAttempts = append(e.TCPAttempts, load.Attempt{Start: at, Answered: at + 1})
		}
	}
	list := elements(t, Draw(`a "pair"`, e))
	find := func(name, text string) element {
		t.Helper()
		for _, e := range list {
			if e.name == name && strings.Contains(e.text, text) {
				return e
			}
		}
		t.Errorf("no %s that says %q", name, text)
		return element{}
	}
	for _, tt := range []struct{ name, text, attr, want string }{
		{"text", `a "pair"`, "font-size", "14"},
		{"rect", "0.00–4.00 s", "width", "420.0"},
		{"rect", "0.00–4.00 s", "fill", colours["d1"]},
		{"rect", "4.00–10.00 s", "x", "550.0"},
		{"rect", "4.00–10.00 s", "fill", colours["d2"]},
		{"line", "1.00 s, priority 150", "x1", "235.0"},
		{"line", "4.00 s, d2", "stroke", colours["d2"]},
		{"line", "5.00 s, aabbccddeeff", "stroke", "#888"},
		{"rect", "no answer for 1.01s", "fill", bad},
		{"line", "6.00 s: + -a b", "x1", "760.0"},
		{"text", "stop d1 & <more>", "text-anchor", "start"},
		{"text", "bad", "text-anchor", "end"},
		{"line", "refused", "stroke", bad},
		{"text", "10 s", "x", "1180.0"},
	} {
		if got := find(tt.name, tt.text).attrs[tt.attr]; got != tt.want {
			t.Errorf("%s %q: %s=%q, want %q", tt.name, tt.text, tt.attr, got, tt.want)
		}
	}
}

// Names of steps cover neither each other nor what is below them, however many there are.
func TestNamesHaveRoom(t *testing.T) {
	c := &canvas{from: s(0), to: s(10)}
	var marks []stage.Mark
	for i := range 40 {
		marks = append(marks, stage.Mark{At: s(float64(i/4) + 0.05*float64(i%4)), Name: "reload d1 servers rs1 rs2"})
	}
	marks = append(marks, stage.Mark{At: s(9.99), Name: "at the end"})
	list, rows := c.arrange(marks)
	if rows != mostRows {
		t.Errorf("%d rows, want all %d", rows, mostRows)
	}
	shown := 0
	for i := range list {
		a := &list[i]
		if a.row < 0 {
			continue
		}
		shown++
		from, to := a.ends()
		if to > width || from < 0 {
			t.Errorf("%q at %.0f to %.0f leaves the picture", a.text, from, to)
		}
		for j := range list[:i] {
			b := &list[j]
			if otherFrom, otherTo := b.ends(); b.row == a.row && from < otherTo && otherFrom < to {
				t.Errorf("%q at %.0f covers %q at %.0f", a.text, from, b.text, otherFrom)
			}
		}
	}
	if shown < 20 {
		t.Errorf("%d names are shown", shown)
	}
}

// The lanes that are drawn are as many as there is room for. Where nobody observed anything there are none that would look as if nothing was
// sent.
func TestLanes(t *testing.T) {
	for _, tt := range []struct {
		e    stage.Evidence
		want int
	}{{stage.Evidence{Probes: []mono.Time{1}}, lanes}, {stage.Evidence{}, lanesUnobserved}} {
		n := 0
		for _, e := range elements(t, Draw("", &tt.e)) {
			if e.attrs["stroke"] == "#ddd" {
				n++
			}
		}
		if n != tt.want {
			t.Errorf("%d lanes, want %d", n, tt.want)
		}
	}
}

// Without anything seen there is a picture, too.
func TestDrawNothing(t *testing.T) {
	if n := len(elements(t, Draw("", &stage.Evidence{}))); n < 8 {
		t.Errorf("%d elements", n)
	}
}

func TestGaps(t *testing.T) {
	answered := func(at ...float64) (list []load.Attempt) {
		for _, a := range at {
			list = append(list, load.Attempt{Answered: s(a)})
		}
		return list
	}
	tests := []struct {
		name     string
		attempts []load.Attempt
		want     int
	}{
		{"no client", nil, 0},
		{"no answer", []load.Attempt{{Start: 1, Failure: load.Timeout}}, 1},
		{"a gap at both ends and one between", answered(0.1, 0.11, 0.5, 0.51), 3},
		{"answers overtake each other", answered(0.01, 0.03, 0.02, 0.04), 1},
	}
	for _, tt := range tests {
		if got := gaps(tt.attempts, 0, s(1)); len(got) != tt.want {
			t.Errorf("%s: %v, want %d", tt.name, got, tt.want)
		}
	}
}
