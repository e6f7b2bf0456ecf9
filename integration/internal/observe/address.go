package observe

import (
	"fmt"
	"net/netip"
	"runtime"
	"syscall"

	"github.com/lbha/lbha/integration/internal/mono"
	"github.com/lbha/lbha/integration/internal/netlab"
	"golang.org/x/sys/unix"
)

// Holding is a change of who holds the VIP.
type Holding struct {
	At    mono.Time `json:"at"`
	Host  string    `json:"host"`
	Holds bool      `json:"holds"`
}

// WatchVIP records when the VIP comes to and leaves the host, from the kernel's own notifications. A renewed lifetime is no change.
func WatchVIP(h *netlab.Host, tape *Tape[Holding]) error {
	fd := -1
	err := h.Do(func() (err error) {
		if fd, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE); err != nil {
			return err
		}
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 4<<20); err != nil {
			return err
		}
		return unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1 << (unix.RTNLGRP_IPV4_IFADDR - 1)})
	})
	if err != nil {
		return fmt.Errorf("%s: watch addresses: %w", h.Name, err)
	}
	// The subscription is open: whatever changes from here on is delivered.
	addrs, err := h.Addresses()
	if err != nil {
		return err
	}
	holds := false
	for _, a := range addrs {
		holds = holds || a == netlab.VIP
	}
	now := mono.Now()
	tape.add(now, Holding{At: now, Host: h.Name, Holds: holds})
	go readHoldings(fd, h.Name, holds, tape)
	return nil
}

// readHoldings runs on a thread of its own with a small real-time priority: notifications carry no time stamp, so they must be read
// at once.
func readHoldings(fd int, host string, holds bool, tape *Tape[Holding]) {
	runtime.LockOSThread()
	// Refused where real-time scheduling is not for us: then the times are merely less exact.
	_ = unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1}, 0)
	buf := make([]byte, 1<<16)
	for {
		n, _, err := unix.Recvfrom(fd, buf, 0)
		at := mono.Now()
		if err != nil {
			continue // EINTR, or ENOBUFS, which 4 MB of addresses do not bring about
		}
		messages, err := syscall.ParseNetlinkMessage(buf[:n])
		if err != nil {
			continue
		}
		for i := range messages {
			if !concernsVIP(&messages[i]) {
				continue
			}
			if now := messages[i].Header.Type == unix.RTM_NEWADDR; now != holds {
				holds = now
				tape.add(at, Holding{At: at, Host: host, Holds: holds})
			}
		}
	}
}

// concernsVIP reports whether a message is about the VIP coming or going. Directors have it nowhere but on eth0.
func concernsVIP(m *syscall.NetlinkMessage) bool {
	if m.Header.Type != unix.RTM_NEWADDR && m.Header.Type != unix.RTM_DELADDR {
		return false
	}
	attrs, err := syscall.ParseNetlinkRouteAttr(m)
	if err != nil {
		return false
	}
	for _, a := range attrs {
		if addr, ok := netip.AddrFromSlice(a.Value); ok && a.Attr.Type == unix.IFA_LOCAL && addr == netlab.VIP {
			return true
		}
	}
	return false
}
