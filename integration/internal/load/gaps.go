package load

import (
	"slices"
	"time"

	"github.com/lbha/lbha/integration/internal/mono"
)

// Gap is a time without any success.
type Gap struct {
	From mono.Time     `json:"from"`
	Long time.Duration `json:"long"`
}

// Summary is what a client saw in a window.
type Summary struct {
	Attempts    int             `json:"attempts"`
	Lost        int             `json:"lost"`        // not answered
	Unconnected int             `json:"unconnected"` // TCP: of these, the ones that never became a connection
	Failures    map[Failure]int `json:"failures,omitempty"`
	Gap         Gap             `json:"gap"`         // the longest between answers
	ConnectGap  Gap             `json:"connect_gap"` // TCP: the longest between completed connections
	Stall       Gap             `json:"stall"`       // the longest between starts: how late the client itself was
	Servers     map[uint32]int  `json:"servers,omitempty"`
}

// Summarise judges the attempts that began in [from, to). A window without any answer is one gap as long as the window.
func Summarise(attempts []Attempt, from, to mono.Time) Summary {
	s := Summary{Failures: map[Failure]int{}, Servers: map[uint32]int{}}
	var starts, connects, answers []mono.Time
	for i := range attempts {
		a := &attempts[i]
		if a.Start < from || a.Start >= to {
			continue
		}
		s.Attempts++
		starts = append(starts, a.Start)
		if a.Connected != 0 {
			connects = append(connects, a.Connected)
		}
		if a.Answered != 0 {
			answers = append(answers, a.Answered)
			s.Servers[a.Server]++
			continue
		}
		if a.Failure != None {
			s.Lost++
			if a.Connected == 0 {
				s.Unconnected++
			}
			s.Failures[a.Failure]++
		}
	}
	s.Gap = longest(answers, from, to)
	s.Stall = longest(starts, from, to)
	if len(connects) > 0 {
		s.ConnectGap = longest(connects, from, to)
	}
	return s
}

// longest finds the longest time without an event in [from, to]. Events outside count as the borders do.
func longest(events []mono.Time, from, to mono.Time) Gap {
	slices.Sort(events)
	gap := Gap{From: from}
	last := from
	for _, t := range append(events, to) {
		t = min(max(t, from), to)
		if d := t.Sub(last); d > gap.Long {
			gap = Gap{From: last, Long: d}
		}
		last = t
	}
	return gap
}

// LostBetween counts the attempts that began in [from, to) and failed.
func LostBetween(attempts []Attempt, from, to mono.Time) int {
	lost := 0
	for i := range attempts {
		if a := &attempts[i]; a.Start >= from && a.Start < to && a.Failure != None {
			lost++
		}
	}
	return lost
}
