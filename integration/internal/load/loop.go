package load

import (
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// ticker is a timerfd on an absolute schedule in an epoll set, on a thread of its own: the frame of both clients.
type ticker struct {
	epoll int
	timer int
}

// RealTime gives a thread (0: the calling one), or a process of one thread, a small real-time priority. Clients and real servers are machines of
// their own: they must not be late because a director on the same processor is busy. What they do is so little that it
// disturbs nobody. Where that is refused the lab is merely noisier, and the quiet run shows it.
func RealTime(pid int) {
	_ = unix.SchedSetAttr(pid, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1}, 0)
}

// newTicker locks the calling goroutine to its thread.
func newTicker(period time.Duration) (*ticker, error) {
	runtime.LockOSThread()
	RealTime(0)
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	timer, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("timerfd: %w", err)
	}
	every := unix.NsecToTimespec(period.Nanoseconds())
	if err := unix.TimerfdSettime(timer, 0, &unix.ItimerSpec{Interval: every, Value: every}, nil); err != nil {
		return nil, fmt.Errorf("timerfd: %w", err)
	}
	t := &ticker{epoll: epoll, timer: timer}
	return t, t.watch(timer, unix.EPOLLIN)
}

// watch adds a descriptor to the set.
func (t *ticker) watch(fd int, events uint32) error {
	e := unix.EpollEvent{Events: events, Fd: int32(fd)}
	if err := unix.EpollCtl(t.epoll, unix.EPOLL_CTL_ADD, fd, &e); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	return nil
}

// wait fills events with what is ready.
func (t *ticker) wait(events []unix.EpollEvent) (int, error) { return epollWait(t.epoll, events) }

// tick acknowledges the timer. However many periods have passed, it is one tick.
func (t *ticker) tick(buf []byte) { _, _ = unix.Read(t.timer, buf[:8]) }
