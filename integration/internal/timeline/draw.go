package timeline

import (
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lbha/lbha/integration/internal/load"
	"github.com/lbha/lbha/integration/internal/mono"
	"github.com/lbha/lbha/integration/internal/stage"
)

// Measures of the picture, in its own units.
const (
	width       = 1200.0
	left        = 130.0
	right       = 20.0
	lane        = 26.0
	top         = 44.0
	bar         = 14.0
	labelHeight = 13.0
)

// lanes is how many there are, and lanesUnobserved where nobody listened on the segment and no client asked: then an empty lane would say
// that nothing was sent.
const (
	lanes           = 9
	lanesUnobserved = 2
)

// observed reports whether there was anybody to see more than who is master.
func observed(e *stage.Evidence) bool {
	return len(e.Adverts)+len(e.Probes)+len(e.TCPAttempts)+len(e.Tables) > 0
}

// A gap is drawn if it is longer than this, and than as many requests: clients in containers ask more slowly than the lab's.
const (
	shortGap      = 20 * time.Millisecond
	shortRequests = 10
)

// colours of the directors, and of what is bad.
var colours = map[string]string{"d1": "#3b6ea5", "d2": "#c2802d"}

const bad = "#c0392b"

// canvas is a picture in the making.
type canvas struct {
	b        strings.Builder
	from, to mono.Time
	y        float64
}

// x is where a time is.
func (c *canvas) x(t mono.Time) float64 {
	t = min(max(t, c.from), c.to)
	return left + (width-left-right)*float64(t-c.from)/float64(max(c.to-c.from, 1))
}

func (c *canvas) printf(format string, args ...any) { fmt.Fprintf(&c.b, format, args...) }

// escape makes text safe between tags and in attributes.
func escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a Builder does not fail
	return b.String()
}

func (c *canvas) text(x, y float64, anchor, text string) {
	c.printf("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n", x, y, anchor, escape(text))
}

// begin starts the next lane.
func (c *canvas) begin(title string) {
	c.y += lane
	c.text(left-8, c.y+4, "end", title)
	c.printf("<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/>\n", left, width-right, c.y, c.y)
}

// block draws a time; its title is what a pointer shows.
func (c *canvas) block(from, to mono.Time, colour, title string) {
	x := c.x(from)
	c.printf("<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\"><title>%s</title></rect>\n",
		x, c.y-bar/2, max(c.x(to)-x, 1), bar, colour, escape(title))
}

// tick draws a moment.
func (c *canvas) tick(at mono.Time, colour, title string) {
	c.printf("<line x1=\"%.1[1]f\" x2=\"%.1[1]f\" y1=\"%.1[2]f\" y2=\"%.1[3]f\" stroke=\"%[4]s\" stroke-width=\"1.5\"><title>%[5]s</title></line>\n",
		c.x(at), c.y-bar/2, c.y+bar/2, colour, escape(title))
}

// Draw renders the evidence of a window as an SVG document.
func Draw(title string, e *stage.Evidence) string {
	c := &canvas{from: e.From, to: e.To}
	names, rows := c.arrange(e.Marks)
	c.y = top + labelHeight*float64(rows)
	count := lanes
	if !observed(e) {
		count = lanesUnobserved
	}
	first, bottom := c.y, c.y+float64(count+1)*lane
	c.axis(first, bottom) // under everything else
	clock := e.Clock
	for _, host := range []string{"d1", "d2"} {
		c.begin(host + " holds the VIP")
		for _, h := range e.Holds() {
			if h.Host == host {
				c.block(h.From, h.To, colours[host], fmt.Sprintf("%s–%s s", clock(h.From), clock(h.To)))
			}
		}
	}
	if observed(e) {
		c.segment(e)
	}
	c.marks(names, first, bottom)
	return fmt.Sprintf("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" font-family=\"sans-serif\" font-size=\"11\">\n"+
		"<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n<text x=\"%.0f\" y=\"20\" font-size=\"14\">%s</text>\n%s</svg>\n",
		width, bottom+lane+10, width, left, escape(title), c.b.String())
}

// segment draws what was seen on the wire, by clients, and in the kernels' tables.
func (c *canvas) segment(e *stage.Evidence) {
	clock := e.Clock
	for _, host := range []string{"d1", "d2"} {
		c.begin(host + " adverts")
		for _, a := range e.AdvertsOf(host) {
			c.tick(a.At, colours[host], fmt.Sprintf("%s s, priority %d", clock(a.At), a.Priority))
		}
	}
	c.begin("announcements")
	for _, a := range e.Announcements {
		colour, who := "#888", a.MAC
		for host := range colours {
			if a.MAC == stage.MACOf(host) {
				colour, who = colours[host], host
			}
		}
		c.tick(a.At, colour, fmt.Sprintf("%s s, %s", clock(a.At), who))
	}
	for _, client := range []struct {
		name     string
		attempts []load.Attempt
	}{{"requests: gaps", e.TCPAttempts}, {"datagrams: gaps", e.UDPAttempts}} {
		c.begin(client.name)
		for _, g := range gaps(client.attempts, e.From, e.To) {
			c.block(g.From, g.From.Add(g.Long), bad, fmt.Sprintf("%s s: no answer for %v", clock(g.From), g.Long.Round(100*time.Microsecond)))
		}
	}
	for _, host := range []string{"d1", "d2"} {
		c.begin(host + " table")
		for _, change := range e.Changes(host) {
			c.tick(change.At, colours[host], fmt.Sprintf("%s s: %s", clock(change.At), change.Rule))
		}
	}
}

// axis draws the seconds, with a line for each between top and bottom.
func (c *canvas) axis(top, bottom float64) {
	total := c.to.Sub(c.from)
	step := time.Second
	for total/step > 25 {
		step *= 2
	}
	for at := time.Duration(0); at <= total; at += step {
		x := c.x(c.from.Add(at))
		c.printf("<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#eee\"/>\n", x, x, top, bottom)
		c.text(x, bottom+14, "middle", fmt.Sprintf("%.0f s", at.Seconds()))
	}
}

// gaps finds the times without an answer that can be seen.
func gaps(attempts []load.Attempt, from, to mono.Time) (list []load.Gap) {
	if len(attempts) == 0 {
		return nil
	}
	last, short := from, max(shortGap, shortRequests*rhythm(attempts))
	add := func(t mono.Time) {
		if d := t.Sub(last); d > short {
			list = append(list, load.Gap{From: last, Long: d})
		}
		last = max(last, t)
	}
	for i := range attempts {
		// Answers may overtake each other; a late one then opens no gap.
		if at := attempts[i].Answered; at != 0 && at > last && at <= to {
			add(at)
		}
	}
	add(to)
	return list
}

// rhythm is how far apart a client's requests usually begin: the median.
func rhythm(attempts []load.Attempt) time.Duration {
	var apart []time.Duration
	for i := 1; i < len(attempts); i++ {
		apart = append(apart, attempts[i].Start.Sub(attempts[i-1].Start))
	}
	if len(apart) == 0 {
		return 0
	}
	slices.Sort(apart)
	return apart[len(apart)/2]
}
