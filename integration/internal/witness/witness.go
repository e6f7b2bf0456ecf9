package witness

import (
	"runtime"
	"sync"
	"time"
	"unsafe"

	"github.com/lbha/lbha/integration/internal/mono"
	"golang.org/x/sys/unix"
)

// Witness has, on each processor, a thread above every daemon that does nothing but sleep and look at the clock: no director can make it late.
type Witness struct {
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
	priority = 60
	rhythm   = 2 * time.Millisecond
	// A stall of less explains nothing that the lab measures.
	shortest = 10 * time.Millisecond
)

// Start starts to look, until Stop. It returns nil, which has seen nothing, where it may not have the priority that it needs.
func Start() *Witness {
	w := &Witness{end: make(chan struct{})}
	for cpu := range runtime.NumCPU() {
		ready := make(chan bool)
		w.all.Go(func() { w.watch(cpu, ready) })
		if !<-ready {
			w.Stop()
			return nil
		}
	}
	return w
}

// Stop ends it; what it has seen can be asked still.
func (w *Witness) Stop() {
	if w == nil {
		return
	}
	close(w.end)
	w.all.Wait()
}

func (w *Witness) watch(cpu int, ready chan<- bool) {
	runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
	var set unix.CPUSet
	set.Set(cpu)
	// A processor that is not ours to use needs no witness.
	_ = unix.SchedSetaffinity(0, &set)
	err := unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: priority}, 0)
	ready <- err == nil
	if err != nil {
		return
	}
	ts := unix.NsecToTimespec(int64(rhythm))
	for last := mono.Now(); ; {
		select {
		case <-w.end:
			return
		default:
		}
		// Raw: after an ordinary call the thread might have to wait for Go's scheduler.
		_, _, _ = unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&ts)), 0, 0)
		now := mono.Now()
		if late := now.Sub(last) - rhythm; late > shortest {
			w.mu.Lock()
			w.stalls = append(w.stalls, stall{now, late})
			w.mu.Unlock()
		}
		last = now
	}
}

// Longest is the longest stall that overlaps [from, to]; those of 10 ms and less are none.
func (w *Witness) Longest(from, to mono.Time) (longest time.Duration) {
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
