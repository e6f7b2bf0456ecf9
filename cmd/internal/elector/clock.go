package elector

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/vrrp"
)

// epoch ties the clock of the runtime, which is CLOCK_MONOTONIC and is read without a system call, to its instants. The
// kernel's is read second: so now is ahead of it by less than a microsecond, and no timer is found to be early.
var epoch = func() (e struct {
	started time.Time
	at      vrrp.Instant
}) {
	e.started = time.Now()
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic("elector: no monotonic clock: " + err.Error())
	}
	e.at = vrrp.Instant(ts.Nano())
	return e
}()

// now reads CLOCK_MONOTONIC, the clock of all deadlines.
func now() vrrp.Instant { return epoch.at.Add(time.Since(epoch.started)) }
