package interop

import (
	"runtime"
	"sync"
	"time"
	"unsafe"

	"github.com/lbha/lbha/integration/internal/mono"
	"golang.org/x/sys/unix"
)

// witness knows when the machine itself stood still: on a virtual machine the host may take a processor away for tens of milliseconds,
// and no priority helps against that. On each processor a thread above every daemon does nothing but sleep and look at the clock.
type witness struct {
	mu     sync.Mutex
	stalls []stall
	end    chan struct{}
	all    sync.WaitGroup
}

// stall is a time in which a processor did not run what it should have.
type stall struct {
	at     mono.Time // its end
	length time.Duration
}

const (
	// Above the directors' 50.
	witnessPriority = 60
	witnessRhythm   = 2 * time.Millisecond
	// A stall shorter than this explains nothing.
	witnessLimit = busyInterval
)

// newWitness starts to look. It returns nil where it may not have the priority that it needs.
func newWitness() *witness {
	w := &witness{end: make(chan struct{})}
	for cpu := range runtime.NumCPU() {
		ready := make(chan bool)
		w.all.Go(func() { w.watch(cpu, ready) })
		if !<-ready {
			w.stop()
			return nil
		}
	}
	return w
}

func (w *witness) stop() {
	close(w.end)
	w.all.Wait()
}

func (w *witness) watch(cpu int, ready chan<- bool) {
	runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
	var set unix.CPUSet
	set.Set(cpu)
	// A processor that is not ours to use needs no witness.
	_ = unix.SchedSetaffinity(0, &set)
	err := unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: witnessPriority}, 0)
	ready <- err == nil
	if err != nil {
		return
	}
	ts := unix.NsecToTimespec(int64(witnessRhythm))
	for last := mono.Now(); ; {
		select {
		case <-w.end:
			return
		default:
		}
		// Raw: after an ordinary call the thread might have to wait for Go's scheduler.
		_, _, _ = unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&ts)), 0, 0)
		now := mono.Now()
		if late := now.Sub(last) - witnessRhythm; late > witnessLimit {
			w.mu.Lock()
			w.stalls = append(w.stalls, stall{now, late})
			w.mu.Unlock()
		}
		last = now
	}
}

// longest is the longest stall that overlaps [from, to].
func (w *witness) longest(from, to mono.Time) (longest time.Duration) {
	if w == nil {
		return 0
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range w.stalls {
		if s.at >= from && s.at.Add(-s.length) <= to {
			longest = max(longest, s.length)
		}
	}
	return longest
}
