package suite

import "testing"

func TestRepeat(t *testing.T) {
	for _, tt := range []struct {
		name  string
		plays []Play // all of them are played, and no more
	}{
		{"holds", []Play{Held}},
		{"broken", []Play{Broken}},
		{"noise once", []Play{Missed, Held, Held}},
		{"too slow", []Play{Missed, Missed}},
		{"too slow, mostly", []Play{Missed, Held, Missed}},
		{"broken in the end", []Play{Missed, Held, Broken}},
		{"spoiled once", []Play{Spoiled, Held}},
		{"spoiled always", []Play{Spoiled, Spoiled, Spoiled, Spoiled, Spoiled}},
		{"spoiled in between", []Play{Missed, Spoiled, Held, Held}},
	} {
		next := 0
		plays := Repeat(func() Play {
			if next == len(tt.plays) {
				t.Fatalf("%s: played once more than %v", tt.name, tt.plays)
			}
			next++
			return tt.plays[next-1]
		})
		if plays != len(tt.plays) {
			t.Errorf("%s: played %d times of %v", tt.name, plays, tt.plays)
		}
	}
}

func TestWeigh(t *testing.T) {
	late, lost := Failure{"gap: 18 ms", true}, Failure{What: "1 request lost"}
	for _, tt := range []struct {
		failures []Failure
		want     Play
		why      string
	}{
		{nil, Held, "it held"},
		{[]Failure{late, late}, Missed, "it missed a figure: gap: 18 ms; gap: 18 ms"},
		{[]Failure{late, lost}, Broken, "1 request lost"},
	} {
		if got, why := Weigh(tt.failures); got != tt.want || why != tt.why {
			t.Errorf("%v: %v, %q", tt.failures, got, why)
		}
	}
}
