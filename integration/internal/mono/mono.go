package mono

import (
	"time"

	"golang.org/x/sys/unix"
)

// Time is nanoseconds on CLOCK_MONOTONIC. Zero means "never".
type Time int64

// Now reads the clock.
func Now() Time {
	var ts unix.Timespec
	// The call cannot fail for CLOCK_MONOTONIC: clock_gettime(2) knows EINVAL and EFAULT only.
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return Time(ts.Nano())
}

// FromReal converts a wall-clock stamp of the kernel (SO_TIMESTAMPNS is CLOCK_REALTIME) to the monotonic clock by what
// lies between the clocks now. Only a step of the wall clock between the stamp and this call falsifies it.
func FromReal(stamp unix.Timespec) Time { return Time(stamp.Nano() - int64(ahead())) }

const (
	readings = 5           // at most
	closeBy  = Time(2_000) // near enough
)

// ahead returns how far the wall clock is ahead of the monotonic one. Whoever reads one clock after the other may lose
// the processor in between, for milliseconds: of some readings the quickest counts, which is off by half its time.
func ahead() Time {
	var best, took Time
	for n := range readings {
		var real unix.Timespec
		before := Now()
		_ = unix.ClockGettime(unix.CLOCK_REALTIME, &real)
		if after := Now(); n == 0 || after-before < took {
			took = after - before
			best = Time(real.Nano()) - before - took/2
		}
		if took <= closeBy {
			break
		}
	}
	return best
}

// Add returns t + d.
func (t Time) Add(d time.Duration) Time { return t + Time(d) }

// Sub returns t - u.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t - u) }

// Until returns how long it is from now to t.
func (t Time) Until() time.Duration { return t.Sub(Now()) }
