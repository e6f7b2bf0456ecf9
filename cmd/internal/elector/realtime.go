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
	// The backstop of the collector: the loop asks for a collection itself long before.
	memoryLimit = 64 << 20
	// How much may come together before the loop asks: little enough that a router that has little to do shows within an hour that it keeps nothing.
	mostGarbage = 1 << 20
)

// enterRealTime asks for what keeps advertisements on time, and says what was granted. None of it is needed for
// correctness. It must run on the thread of the loop.
func enterRealTime() (realTime, locked bool) {
	runtime.GOMAXPROCS(max(4, runtime.NumCPU()))
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(memoryLimit)
	// All threads alike, and so those that are started by them. The others are the runtime's and have little to do; but
	// where the loop waits for one that watches or scans its goroutine, it spins, and yields its processor to equals
	// only. A thread of a lower class that was interrupted would never end the wait.
	err := inRealTime(unix.Gettid())
	tasks, _ := os.ReadDir("/proc/self/task")
	for _, task := range tasks {
		if tid, _ := strconv.Atoi(task.Name()); err == nil {
			_ = inRealTime(tid) // it may have ended
		}
	}
	// On fault: the address space that Go reserves is many times what it uses.
	lockErr := unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT)
	return err == nil, lockErr == nil
}

// inRealTime puts a thread into the real-time class.
func inRealTime(tid int) error {
	return unix.SchedSetAttr(tid, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_RR, Priority: realTimePriority}, 0)
}

// collector runs garbage collections beside the loop, when the loop has just sent its advertisements and has the
// longest time until the next.
type collector struct{ wake chan struct{} }

func newCollector() *collector {
	c := &collector{wake: make(chan struct{}, 1)}
	go func() {
		// Unlike runtime.ReadMemStats this does not stop the world.
		heap := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/gc/heap/live:bytes"}}
		for range c.wake {
			metrics.Read(heap)
			// Beyond what the last collection found alive: a thousand routers may need more than that.
			if heap[0].Value.Uint64() > heap[1].Value.Uint64()+mostGarbage {
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
