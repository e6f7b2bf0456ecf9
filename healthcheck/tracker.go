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

	// Grace is how long after the tracker was made failures do not count: the time
	// in which a host that boots, or a server that starts, is not yet itself.
	Grace   time.Duration
	Damping Damping
}

// recent is the number of results that a tracker remembers.
const recent = 5

// A State is a picture of all that a [Tracker] knows.
type State struct {
	Verdict   Verdict
	Since     time.Time // when the verdict was reached
	Reason    Reason    // why
	Cause     Result    // the result that decided it; zero if none did
	Before    Result    // the last result of the former verdict's kind: how it was until then; zero if none
	Last      Result    // the last result, whether it counted or not; zero if none
	Successes int       // successes in a row, of those that count
	Failures  int       // failures in a row, of those that count
	Results   uint64    // results seen
	Ignored   uint64    // of these, those that did not count
	Weight    Weight    // what the last success said of it
	Flapping  bool      // it fell too often: down until it has been well for Damping.Hold
	Well      time.Time // when the first success of the row was; zero if there is none

	ring [recent]note
}

// Recent returns the last results, oldest first; at most five.
func (s *State) Recent() []Result {
	n := min(s.Results, recent)
	out := make([]Result, 0, n)
	for i := s.Results - n; i < s.Results; i++ {
		out = append(out, s.ring[i%recent].result())
	}
	return out
}

// Saved returns what is to survive a restart.
func (s *State) Saved() Saved {
	return Saved{Verdict: s.Verdict, Since: s.Since, Cause: s.Cause, Before: s.Before, Weight: s.Weight}
}

// Saved is what survives a restart of the process; it is JSON-able. Results in a
// row are not among it: how long the row was broken nobody knows.
type Saved struct {
	Verdict Verdict   `json:"verdict"`
	Since   time.Time `json:"since"`
	Cause   Result    `json:"cause,omitzero"`
	Before  Result    `json:"before,omitzero"`
	Weight  Weight    `json:"weight,omitzero"` // a server that drains must not be given clients until it says so again
}

// A Tracker turns the results of one check into a verdict. It is not safe for
// concurrent use, has no clock and starts nothing: time comes with the results.
type Tracker struct {
	policy Policy
	begun  time.Time

	// What is known is a State, told in little memory.
	verdict             Verdict
	flapping            bool
	weight              Weight
	reason              Reason
	since, well         time.Time
	successes, failures int
	results, ignored    uint64
	cause, before       note
	ring                [recent]note

	agreeing note        // the last that counted and was as the verdict says
	falls    []time.Time // the last, as many as damping counts
}

// NewTracker returns a tracker that knows nothing but the policy.
func NewTracker(p Policy, now time.Time) *Tracker {
	t := &Tracker{policy: p, begun: now, since: now, reason: ReasonInitial}
	if p.Initial == Up {
		t.verdict = Up
	}
	return t
}

// Adopt makes the server up because the kernel's table carries it: a restart of
// the director is no reason to take it out before it fails.
func (t *Tracker) Adopt(now time.Time) { t.become(Up, ReasonAdopted, note{}, now) }

// Restore takes over the verdict of the time before a restart. Nothing known
// then is nothing to restore.
func (t *Tracker) Restore(s Saved) {
	if s.Verdict == Up || s.Verdict == Down {
		t.become(s.Verdict, ReasonRestored, noteOf(s.Cause), s.Since)
		t.before, t.weight = noteOf(s.Before), s.Weight
	}
}

// SetPolicy changes the policy. The verdict stays; the results in a row are
// measured by the new numbers from the next result on.
func (t *Tracker) SetPolicy(p Policy) { t.policy = p }

// BreakRow forgets the results in a row, not the verdict: another probe is asked
// from now on, and the answers to the former one do not add up with its answers.
func (t *Tracker) BreakRow() {
	t.successes, t.failures, t.well = 0, 0, time.Time{}
}

// State returns what is known.
func (t *Tracker) State() State {
	s := State{
		Verdict: t.verdict, Since: t.since, Reason: t.reason, Cause: t.cause.result(), Before: t.before.result(),
		Successes: t.successes, Failures: t.failures, Results: t.results, Ignored: t.ignored,
		Weight: t.weight, Flapping: t.flapping, Well: t.well, ring: t.ring,
	}
	if t.results > 0 {
		s.Last = t.ring[(t.results-1)%recent].result()
	}
	return s
}

// Settled reports whether the verdict agrees with the last result that counted, or
// waits for nothing but time.
func (t *Tracker) Settled() bool {
	switch t.verdict {
	case Up:
		return t.failures == 0
	case Down:
		return t.successes == 0 || t.flapping
	}
	return false
}

// Observe takes in a result and reports whether the verdict changed, or the weight
// of a server that is up. A result
// that does not count (see [Result.Counts]), or a failure within the grace, neither
// adds to a row nor breaks it.
func (t *Tracker) Observe(r Result) (changed bool) {
	n := noteOf(r)
	t.ring[t.results%recent] = n
	t.results++
	if !r.Counts() || !r.OK() && r.At.Before(t.begun.Add(t.policy.Grace)) {
		t.ignored++
		return false
	}
	if r.OK() {
		if t.successes == 0 {
			t.well = r.At
		}
		t.successes, t.failures = t.successes+1, 0
		changed = t.verdict == Up && t.weight != r.Weight
		t.weight = r.Weight
	} else {
		t.successes, t.failures, t.well = 0, t.failures+1, time.Time{}
	}
	switch {
	case t.verdict != Up && t.successes >= t.policy.Rise && !t.held(r.At):
		t.become(Up, ReasonPassed, n, r.At)
		changed = true
	case t.verdict == Up && t.failures >= t.policy.Fall:
		t.become(Down, ReasonFailed, n, r.At)
		t.fell(r.At)
		changed = true
	case t.verdict == Unknown && t.failures > 0:
		// The server is not in use: nothing is lost by believing its first failure.
		t.become(Down, ReasonFailed, n, r.At)
		changed = true
	}
	if r.OK() == (t.verdict != Down) {
		t.agreeing = n
	}
	return changed
}

func (t *Tracker) become(v Verdict, reason Reason, cause note, at time.Time) {
	t.before = t.agreeing
	if t.verdict == Unknown && v == Up {
		t.before = note{} // it was no different
	}
	t.verdict, t.reason, t.cause, t.since, t.flapping = v, reason, cause, at, false
}
