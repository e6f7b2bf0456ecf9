package healthcheck

import (
	"math"
	"slices"
	"time"
)

// A note is a [Result] as it is remembered, in less than half the memory: a director
// remembers eight of each check, and may have tens of thousands of checks. Its time is
// that of the wall clock, its latency in microseconds and an hour at most.
type note struct {
	detail  string
	at      int64 // nanoseconds since 1970; 0: there is no result
	latency uint32
	weight  uint16
	failure uint8 // place in failures
	flags   uint8
}

// The flags of a note.
const (
	noteLate = 1 << iota
	noteSaid // the server said its weight
	notePercent
)

// failures are what a probe can end in, success first.
var failures = [...]Failure{"", FailureDNS, FailureRefused, FailureUnreachable, FailureConnect, FailureReset, FailureTLS,
	FailureTimeout, FailureStatus, FailureBody, FailureProtocol, FailureExit, FailureLocal, FailureCanceled}

// noteOf notes a result. A failure that is none of [Failures], which only the state of
// another version of this program can hold, becomes [FailureProtocol].
func noteOf(r Result) note {
	n := note{detail: r.Detail, latency: uint32(min(max(r.Latency/time.Microsecond, 0), math.MaxUint32)), weight: uint16(r.Weight.value)}
	if !r.At.IsZero() {
		n.at = r.At.UnixNano()
	}
	f := slices.Index(failures[:], r.Failure)
	if f < 0 {
		f = slices.Index(failures[:], FailureProtocol)
	}
	n.failure = uint8(f)
	if r.Late {
		n.flags |= noteLate
	}
	if r.Weight.said {
		n.flags |= noteSaid
	}
	if r.Weight.percent {
		n.flags |= notePercent
	}
	return n
}

// result is the result that was noted.
func (n note) result() Result {
	r := Result{
		Failure: failures[n.failure], Detail: n.detail, Latency: time.Duration(n.latency) * time.Microsecond, Late: n.flags&noteLate != 0,
		Weight: Weight{said: n.flags&noteSaid != 0, percent: n.flags&notePercent != 0, value: uint32(n.weight)},
	}
	if n.at != 0 {
		r.At = time.Unix(0, n.at)
	}
	return r
}
