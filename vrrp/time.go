package vrrp

import (
	"math"
	"time"
)

// Instant is a point on the monotonic clock (Linux: CLOCK_MONOTONIC), in
// nanoseconds since an origin that is fixed until the next boot. It is a type of
// its own so that wall-clock time cannot reach a deadline by mistake.
type Instant int64

// never is the deadline of a timer that is not armed.
const never Instant = math.MaxInt64

// Add returns the instant d after i.
func (i Instant) Add(d time.Duration) Instant { return i + Instant(d) }

// Sub returns the time from u to i.
func (i Instant) Sub(u Instant) time.Duration { return time.Duration(i - u) }

// Before reports whether i is earlier than u.
func (i Instant) Before(u Instant) bool { return i < u }

// After reports whether i is later than u.
func (i Instant) After(u Instant) bool { return i > u }
