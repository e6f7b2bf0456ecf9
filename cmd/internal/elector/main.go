package elector

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/cmd/internal/keep"
	"github.com/lbha/lbha/cmd/internal/link"
	"github.com/lbha/lbha/cmd/internal/observe"
	"github.com/lbha/lbha/cmd/internal/supervisor"
	"github.com/lbha/lbha/vrrp/address"
)

// Main is the process. It returns the exit status.
func Main() int {
	signal.Ignore(syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGPIPE)
	stop := make(chan os.Signal, 4)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	runtime.LockOSThread()

	e, err := open()
	if err != nil {
		fmt.Fprintln(os.Stderr, "lbha: vrrp:", err)
		return supervisor.ExitFatal
	}
	defer e.close()
	e.realTime, e.locked = enterRealTime()
	// The wake-up of a signal crosses into the loop by an eventfd, like everything else that it waits for.
	go func() {
		for range stop {
			_, _ = unix.Write(e.stopFD, []byte{1, 0, 0, 0, 0, 0, 0, 0})
		}
	}()
	if err := e.run(); err != nil {
		fmt.Fprintln(os.Stderr, "lbha: vrrp:", err)
		return 1
	}
	return 0
}

// open makes an elector of the descriptors that the supervisor gave, and takes up what its predecessor saved.
func open() (*elector, error) {
	conn, err := link.Open(supervisor.FDLink)
	if err != nil {
		return nil, err
	}
	region, err := keep.Open(os.NewFile(supervisor.FDMemory, "memory"))
	if err != nil {
		return nil, err
	}
	rtnl, err := address.Dial()
	if err != nil {
		return nil, fmt.Errorf("rtnetlink: %w", err)
	}
	watch, err := rtnl.Watch()
	if err != nil {
		return nil, fmt.Errorf("watch links and addresses: %w", err)
	}
	beside, err := newAside()
	if err != nil {
		return nil, fmt.Errorf("rtnetlink: %w", err)
	}
	e := &elector{
		link:   conn,
		notify: observe.NewNotifier(supervisor.FDNotify),
		region: region,
		rtnl:   rtnl,
		aside:  beside,
		watch:  watch,
		ifaces: make(map[string]*iface),
		byName: make(map[string]*instance),
		limits: make(map[limitKey]*limit),
	}
	if err := e.openLoop(); err != nil {
		return nil, err
	}
	return e, nil
}

// openLoop makes the descriptors of the loop itself.
func (e *elector) openLoop() (err error) {
	if e.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	if e.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK); err != nil {
		return fmt.Errorf("timerfd: %w", err)
	}
	if e.stopFD, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return fmt.Errorf("eventfd: %w", err)
	}
	return errors.Join(
		e.listenFor(e.timer, unix.EPOLLIN|unix.EPOLLET, e.onTimer),
		e.listen(e.stopFD, e.onStop),
		e.listen(e.link.FD(), e.onMessages),
		e.listen(e.watch.FD(), e.onWatch),
		e.listen(e.aside.fd, e.aside.done),
	)
}

func (e *elector) close() {
	for _, i := range e.ifaces {
		e.closeSockets(i)
	}
	e.watch.Close()
	e.rtnl.Close()
	unix.Close(e.epoll)
}
