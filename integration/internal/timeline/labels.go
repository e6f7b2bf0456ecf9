package timeline

import (
	"strings"
	"unicode/utf8"

	"github.com/lbha/lbha/integration/internal/stage"
)

const (
	letter   = 6.3 // width of one, on average
	mostRows = 8
)

// label is the name of something that was done, beside the line that marks its time.
type label struct {
	x      float64 // of the line
	text   string
	said   string
	colour string
	anchor string
	row    int // -1: there is no room for the text
}

// left and right are the ends of the text.
func (l *label) ends() (left, right float64) {
	long := letter*float64(utf8.RuneCountInString(l.text)) + labelGap
	if l.anchor == "end" {
		return l.x - long, l.x
	}
	return l.x, l.x + long
}

// labelGap is the room between a line and its text, and behind it.
const labelGap = 6.0

// arrange gives each step a row in which its name covers no other, and returns how many rows that takes. A name for which all rows are taken is
// left out: a pointer on its line shows it.
func (c *canvas) arrange(marks []stage.Mark) (list []label, rows int) {
	var taken [mostRows][][2]float64
	for _, m := range marks {
		l := label{x: c.x(m.At), text: m.Name, said: strings.TrimSpace(m.Name + " " + m.Said + " " + m.Err), colour: "#333", anchor: "start", row: -1}
		if m.Err != "" {
			l.colour = bad
		}
		if _, right := l.ends(); right > width {
			l.anchor = "end"
		}
		from, to := l.ends()
		for row := range taken {
			if free(taken[row], from, to) {
				taken[row] = append(taken[row], [2]float64{from, to})
				l.row, rows = row, max(rows, row+1)
				break
			}
		}
		list = append(list, l)
	}
	return list, rows
}

// free reports whether nothing is between two ends.
func free(taken [][2]float64, from, to float64) bool {
	for _, t := range taken {
		if from < t[1] && t[0] < to {
			return false
		}
	}
	return true
}

// marks draws what was done, as lines through all lanes, and then the names, which no line shall cross.
func (c *canvas) marks(list []label, top, bottom float64) {
	y := func(l *label) float64 { return top - labelHeight*float64(max(l.row, 0)) }
	for i := range list {
		l := &list[i]
		c.printf("<line x1=\"%.1[1]f\" x2=\"%.1[1]f\" y1=\"%.1[2]f\" y2=\"%.1[3]f\" stroke=\"%[4]s\" stroke-dasharray=\"4 3\"><title>%[5]s</title></line>\n",
			l.x, y(l)-labelHeight/2, bottom, l.colour, escape(l.said))
	}
	for i := range list {
		l := &list[i]
		if l.row < 0 {
			continue
		}
		shift := labelGap / 2
		if l.anchor == "end" {
			shift = -shift
		}
		c.printf("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" stroke=\"white\" stroke-width=\"3\" paint-order=\"stroke\">%s</text>\n",
			l.x+shift, y(l), l.anchor, escape(l.text))
	}
}
