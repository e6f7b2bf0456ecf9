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

// newTicker locks the calling goroutine to its thread and gives that thread a small real-time priority: the judge must not be late because those
// whom it judges are busy. What the clients do is so little that it disturbs nobody.
func newTicker(period time.Duration) (*ticker, error) {
	runtime.LockOSThread()
	attr := &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1}
	// Refused where real-time scheduling is not for us: then the client is merely noisier, and the quiet run shows it.
	_ = unix.SchedSetAttr(0, attr, 0)
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
