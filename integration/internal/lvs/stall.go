package lvs

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/integration/internal/load"
	"github.com/lbha/lbha/integration/internal/mono"
)

// stalls watches the lab's own machine: a thread in a real-time class that sleeps a little, over and over. No director can make it late, the
// machine below the lab can.
type stalls struct {
	stop    chan struct{}
	longest chan time.Duration
}

func watchStalls() *stalls {
	s := &stalls{stop: make(chan struct{}), longest: make(chan time.Duration, 1)}
	go func() {
		runtime.LockOSThread() // and never unlocked: the class goes with the thread
		load.RealTime(0)
		longest := time.Duration(0)
		const nap = 5 * time.Millisecond
		for {
			select {
			case <-s.stop:
				s.longest <- longest
				return
			default:
			}
			begin, sleep := mono.Now(), unix.NsecToTimespec(nap.Nanoseconds())
			// Interrupted, it is merely early.
			_ = unix.Nanosleep(&sleep, nil)
			longest = max(longest, mono.Now().Sub(begin)-nap)
		}
	}()
	return s
}

// end returns by how much the thread was late at most.
func (s *stalls) end() time.Duration {
	close(s.stop)
	return <-s.longest
}
