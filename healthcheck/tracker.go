package healthcheck

import (
	"fmt"
	"time"
)

// A Verdict is what is held of a server.
type Verdict uint8

// The verdicts.
const (
	Unknown Verdict = iota // nothing is known yet: not to be used, not yet given up
	Up                     // fit to serve
	Down                   // unfit
)

var verdictNames = [...]string{Unknown: "unknown", Up: "up", Down: "down"}

// String returns "unknown", "up" or "down".
func (v Verdict) String() string {
	if int(v) < len(verdictNames) {
		return verdictNames[v]
	}
	return fmt.Sprintf("verdict(%d)", uint8(v))
}

// MarshalText returns the name.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText accepts the name.
func (v *Verdict) UnmarshalText(text []byte) error {
	for i, name := range verdictNames {
		if name == string(text) {
			*v = Verdict(i)
			return nil
		}
	}
	return unknown("verdict", string(text), verdictNames[:])
}

// And combines the verdicts of two checks that must both pass: down if either
// is down, else unknown if either is unknown, else up.
func (v Verdict) And(w Verdict) Verdict {
	switch {
	case v == Down || w == Down:
		return Down
	case v == Unknown || w == Unknown:
		return Unknown
	}
	return Up
}

// A Reason says, in one word, why a verdict is what it is.
type Reason string

// The reasons.
const (
	ReasonInitial  Reason = "initial"  // nothing was known: the configured start
	ReasonAdopted  Reason = "adopted"  // the kernel's table carried the server
	ReasonRestored Reason = "restored" // taken over from the time before a restart
	ReasonPassed   Reason = "passed"   // rise successes in a row
	ReasonFailed   Reason = "failed"   // fall failures in a row, or the first answer ever
)

// A Policy says how many results in a row make a verdict.
type Policy struct {
	Rise    int     // successes in a row until up; at least 1
	Fall    int     // failures in a row until down; at least 1
	Initial Verdict // Up: up until it fails; else unknown until the first result, and not in use
}

// recent is the number of results that a tracker remembers.
const recent = 5

// A State is all that a [Tracker] knows; a copy of it is a snapshot.
type State struct {
	Verdict   Verdict
	Since     time.Time // when the verdict was reached
	Reason    Reason    // why
	Cause     Result    // the result that decided it; zero if none did
	Last      Result    // the last result, whether it counted or not; zero if none
	Successes int       // successes in a row, of those that count
	Failures  int       // failures in a row, of those that count
	Results   uint64    // results seen
	Ignored   uint64    // of these, those that did not count

	ring [recent]Result
}

// Recent returns the last results, oldest first; at most five.
func (s *State) Recent() []Result {
	n := min(s.Results, recent)
	out := make([]Result, 0, n)
	for i := s.Results - n; i < s.Results; i++ {
		out = append(out, s.ring[i%recent])
	}
	return out
}

// Settled reports whether the verdict agrees with the last result that counted.
func (s *State) Settled() bool {
	switch s.Verdict {
	case Up:
		return s.Failures == 0
	case Down:
		return s.Successes == 0
	}
	return false
}

// Saved returns what is to survive a restart.
func (s *State) Saved() Saved {
	return Saved{Verdict: s.Verdict, Since: s.Since, Successes: s.Successes, Failures: s.Failures}
}

// Saved is what survives a restart of the process; it is JSON-able.
type Saved struct {
	Verdict   Verdict   `json:"verdict"`
	Since     time.Time `json:"since"`
	Successes int       `json:"successes,omitempty"`
	Failures  int       `json:"failures,omitempty"`
}

// A Tracker turns the results of one check into a verdict. It is not safe for
// concurrent use, has no clock and starts nothing: time comes with the results.
type Tracker struct {
	policy Policy
	state  State
}
