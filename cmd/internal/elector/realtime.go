package elector

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"

	"golang.org/x/sys/unix"
)

const (
	// In the middle of the real-time range, as keepalived's users do: above everything ordinary, below what a kernel
	// thread needs to be served first.
	realTimePriority = 50
	// The least there is in that range: for the other threads of this process, which are those of Go's runtime. They have
	// little to do, but the loop may have to wait for one that watches or scans its goroutine, and that one would wait
	// for a processor behind everything ordinary.
	runtimePriority = 1
	// The backstop of the collector: the loop asks for a collection itself long before.
	memoryLimit = 64 << 20
	collectAt   = 8 << 20
)

// enterRealTime asks for what keeps advertisements on time, and says what was granted. None of it is needed for
// correctness. It must run on the thread of the loop.
func enterRealTime() (realTime, locked bool) {
	runtime.GOMAXPROCS(max(4, runtime.NumCPU()))
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(memoryLimit)
	// The runtime starts no thread from this one, which is locked: those to come are of the others' class.
	err := inRealTime(unix.Gettid(), realTimePriority)
	tasks, _ := os.ReadDir("/proc/self/task")
	for _, task := range tasks {
		if tid, _ := strconv.Atoi(task.Name()); tid != unix.Gettid() && err == nil {
			_ = inRealTime(tid, runtimePriority) // it may have ended
		}
	}
	// On fault: the address space that Go reserves is many times what it uses.
	lockErr := unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT)
	return err == nil, lockErr == nil
}

// inRealTime puts a thread into the real-time class.
func inRealTime(tid, priority int) error {
	return unix.SchedSetAttr(tid, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_RR, Priority: uint32(priority)}, 0)
}

// collector runs garbage collections beside the loop, when the loop has just sent its advertisements and has the
// longest time until the next.
type collector struct{ wake chan struct{} }

func newCollector() *collector {
	c := &collector{wake: make(chan struct{}, 1)}
	go func() {
		// Unlike runtime.ReadMemStats this does not stop the world.
		live := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		for range c.wake {
			if metrics.Read(live); live[0].Value.Uint64() > collectAt {
				runtime.GC()
			}
		}
	}()
	return c
}

func (c *collector) nudge() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}
