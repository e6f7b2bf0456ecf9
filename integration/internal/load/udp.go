package load

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"runtime"
	"time"

	"github.com/lbha/lbha/integration/internal/mono"
	"golang.org/x/sys/unix"
)

// UDP is the client that sends datagrams.
type UDP struct {
	Target  netip.AddrPort
	Period  time.Duration
	Timeout time.Duration // after which a datagram counts as lost
}

// datagram is the number of the attempt, and in the answer the number of the server.
const datagram = 9

// Run sends datagrams until the process ends. It returns only when it cannot go on.
func (c UDP) Run(record *Record) error {
	t, err := newTicker(c.Period)
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: int(c.Target.Port()), Addr: c.Target.Addr().As4()}); err != nil {
		return fmt.Errorf("connect to %v: %w", c.Target, err)
	}
	if err := t.watch(fd, unix.EPOLLIN); err != nil {
		return err
	}
	// The last attempts, to find the one that an answer belongs to and those that are overdue.
	var (
		pending [1 << 14]*Attempt
		number  uint64
		overdue uint64
		buf     [64]byte
		events  [8]unix.EpollEvent
	)
	for {
		n, err := t.wait(events[:])
		if err != nil {
			return fmt.Errorf("epoll: %w", err)
		}
		for _, e := range events[:n] {
			if int(e.Fd) == fd {
				for {
					size, err := unix.Read(fd, buf[:])
					if err != nil {
						break // EAGAIN, or a refusal of an earlier datagram: that one stays unanswered
					}
					if size != datagram {
						continue
					}
					k := binary.BigEndian.Uint64(buf[:])
					if a := pending[k%uint64(len(pending))]; k < number && number-k < uint64(len(pending)) && a.Failure == None {
						a.Server, a.Answered = uint32(buf[8]), mono.Now()
					}
				}
				continue
			}
			t.tick(buf[:])
			now := mono.Now()
			for ; overdue < number; overdue++ {
				a := pending[overdue%uint64(len(pending))]
				if now.Sub(a.Start) < c.Timeout {
					break
				}
				if a.Answered == 0 {
					a.Failure = Timeout
				}
			}
			a := record.begin(now)
			pending[number%uint64(len(pending))] = a
			binary.BigEndian.PutUint64(buf[:], number)
			buf[8] = 0
			number++
			if _, err := unix.Write(fd, buf[:datagram]); err != nil && err != unix.ECONNREFUSED {
				a.Failure = NoRoute
			}
		}
	}
}

// Echo answers datagrams at addr, with the server's number in the last byte, until the process ends.
func Echo(addr netip.AddrPort, server byte) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	// Bound to the VIP, so that answers come from it.
	if err := unix.Bind(fd, &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}); err != nil {
		return fmt.Errorf("bind %v: %w", addr, err)
	}
	runtime.LockOSThread()
	RealTime(0)
	buf := make([]byte, 64)
	from := new(unix.RawSockaddrInet4)
	for {
		if n, err := receive(fd, buf, from); err == nil && n == datagram {
			buf[8] = server
			answerTo(fd, buf[:n], from)
		}
	}
}
