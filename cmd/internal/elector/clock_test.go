package elector

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/vrrp"
)

// The kernel's timers go by CLOCK_MONOTONIC: a timer that was armed for a deadline must find it due.
func TestNowIsTheKernelsMonotonicClock(t *testing.T) {
	for range 1000 {
		var before, after unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &before); err != nil {
			t.Fatal(err)
		}
		n := now()
		if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &after); err != nil {
			t.Fatal(err)
		}
		if n < vrrp.Instant(before.Nano()) || n > vrrp.Instant(after.Nano()).Add(10*time.Millisecond) {
			t.Fatalf("now is %d, between %d and %d on the kernel's clock", n, before.Nano(), after.Nano())
		}
	}
}
