package suite

import "strings"

// Play is what became of something that was played once.
type Play int

const (
	Held    Play = iota // all was as it must be
	Missed              // only figures of milliseconds were missed, which have the machine's own noise in them
	Spoiled             // something failed, and the machine itself stood still meanwhile
	Broken              // something else failed
)

// maxSpoiled is how many plays may be spoiled before a failure is one all the same.
const maxSpoiled = 4

// Repeat plays until it is certain what came of it, and returns how often that was. The last play is the verdict.
//
// A spoiled play counts for nothing. A figure that was missed is measured twice more at most, and the median counts: two of three plays decide.
// So noise that spoils one play in twenty fails one run in two hundred, and what misses its figure half of the time fails three times in eight.
func Repeat(play func() Play) (plays int) {
	spoiled, held, missed := 0, 0, 0
	for {
		plays++
		switch play() {
		case Broken:
			return plays
		case Spoiled:
			if spoiled == maxSpoiled {
				return plays
			}
			spoiled++
		case Missed:
			if missed++; missed == 2 {
				return plays
			}
		case Held:
			if held++; held > missed || held == 2 {
				return plays
			}
		}
	}
}

// Failure is something that was demanded and not seen.
type Failure struct {
	What   string // and what was seen instead
	Figure bool   // it is about a time in milliseconds
}

// Weigh says what a play with these failures is worth, and why, where the machine did not stand still.
func Weigh(failures []Failure) (Play, string) {
	if len(failures) == 0 {
		return Held, "it held"
	}
	var figures []string
	for _, f := range failures {
		if !f.Figure {
			return Broken, f.What
		}
		figures = append(figures, f.What)
	}
	return Missed, "it missed a figure: " + strings.Join(figures, "; ")
}
