package mono

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A stamp is where it was taken, also when the one who converts it is interrupted again and again: an announcement
// seemed to come before the advert that it followed.
func TestFromReal(t *testing.T) {
	stop := make(chan struct{})
	defer func() { stop <- struct{}{} }()
	go func() { // somebody to share the processor with
		for {
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	const tolerance = Time(100 * time.Microsecond)
	for range 20_000 {
		var real unix.Timespec
		before := Now()
		_ = unix.ClockGettime(unix.CLOCK_REALTIME, &real)
		after := Now()
		if got := FromReal(real); got < before-tolerance || got > after+tolerance {
			t.Fatalf("read between %d and %d, converted to %d", before, after, got)
		}
	}
}
