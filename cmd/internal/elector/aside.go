package elector

import (
	"encoding/binary"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/vrrp/address"
)

// aside speaks to rtnetlink beside the loop. Whoever asks there waits for everybody else who configures the network of
// this host, in any namespace: tens of milliseconds where containers come and go. What only a change of role asks for
// has to wait; what a master asks for all the time, renewals and looks, must not keep adverts waiting, and is done here.
//
// There is one job at a time. What it leaves to do comes back to the loop.
type aside struct {
	conn *address.Conn // the worker's
	fd   int           // an eventfd: a job is done

	mu      sync.Mutex
	changed sync.Cond
	job     job
	then    func() // what the job that is done leaves to do
}

// job runs beside the loop and touches nothing of the loop's. It returns what the loop has to do then.
type job func(conn *address.Conn) (then func())

// newAside starts the worker, which lives as long as the process.
func newAside() (*aside, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	conn, err := address.Dial()
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	a := &aside{conn: conn, fd: fd}
	a.changed.L = &a.mu
	go a.work()
	return a, nil
}

// begin begins a job, unless one is under way, or what it left to do is.
func (a *aside) begin(j job) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.job != nil || a.then != nil {
		return false
	}
	a.job = j
	a.changed.Broadcast()
	return true
}

// settle waits for the job under way: a renewal must not come after a release. It takes no longer than what comes next
// would have to wait for.
func (a *aside) settle() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for a.job != nil {
		a.changed.Wait()
	}
}

func (a *aside) work() {
	a.mu.Lock()
	for {
		for a.job == nil {
			a.changed.Wait()
		}
		j := a.job
		a.mu.Unlock()
		then := j(a.conn)
		a.mu.Lock()
		a.job, a.then = nil, then
		a.changed.Broadcast()
		_, _ = unix.Write(a.fd, binary.NativeEndian.AppendUint64(nil, 1)) // cannot fail: nobody counts so far
	}
}

// done does what the job that is done has left.
func (a *aside) done() {
	var buf [8]byte
	_, _ = unix.Read(a.fd, buf[:])
	a.mu.Lock()
	then := a.then
	a.then = nil
	a.mu.Unlock()
	if then != nil {
		then()
	}
}

// roles is the connection for addresses that are claimed and released. Nothing is under way beside the loop then.
func (e *elector) roles() *address.Conn {
	e.aside.settle()
	e.asked++
	return e.rtnl
}
