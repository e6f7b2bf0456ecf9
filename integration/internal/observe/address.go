package observe

import (
	"encoding/binary"
	"encoding/hex"
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
	MAC   string    `json:"mac,omitempty"` // of the interface that has it
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
		return unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1<<(unix.RTNLGRP_LINK-1) | 1<<(unix.RTNLGRP_IPV4_IFADDR-1)})
	})
	if err != nil {
		return fmt.Errorf("%s: watch addresses: %w", h.Name, err)
	}
	w := &holder{fd: fd, buf: make([]byte, 1<<16), own: h.Interface(), links: map[int32]port{}, has: map[int32]bool{}}
	// The subscription is open: whatever changes from here on is delivered, between what is listed now and after it.
	for _, list := range []uint16{unix.RTM_GETLINK, unix.RTM_GETADDR} {
		if err := w.list(list); err != nil {
			return fmt.Errorf("%s: list what it has: %w", h.Name, err)
		}
	}
	now := mono.Now()
	holds, mac := w.holds()
	tape.add(now, Holding{At: now, Host: h.Name, Holds: holds, MAC: mac})
	go w.follow(h.Name, tape)
	return nil
}

// holder follows a host's interfaces and which of them have the VIP.
type holder struct {
	fd    int
	buf   []byte
	own   string // name of the interface on the segment
	links map[int32]port
	has   map[int32]bool // which have the VIP, by index
}

// port is an interface.
type port struct {
	name, mac string
	up        bool // and its carrier, too
}

// holds reports whether the host has the VIP, and at which MAC address. On its interface on the segment it is there whether or not there
// is a carrier: who had better have removed it shall be seen. On another it counts while that is up: FRR's vrrpd leaves the address on its
// macvlan for ever, and takes that down.
func (w *holder) holds() (holds bool, mac string) {
	for index := range w.has {
		if l := w.links[index]; l.up || l.name == w.own {
			return true, l.mac
		}
	}
	return false, ""
}

// list asks for all interfaces or all addresses and takes them in.
func (w *holder) list(what uint16) error {
	request := make([]byte, unix.NLMSG_HDRLEN+unix.SizeofIfInfomsg) // longer than an ifaddrmsg, and all zero
	binary.NativeEndian.PutUint32(request, uint32(len(request)))
	binary.NativeEndian.PutUint16(request[4:], what)
	binary.NativeEndian.PutUint16(request[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	if err := unix.Sendto(w.fd, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	for {
		messages, err := w.read()
		if err != nil {
			return err
		}
		for i := range messages {
			switch messages[i].Header.Type {
			case unix.NLMSG_DONE:
				return nil
			case unix.NLMSG_ERROR:
				return fmt.Errorf("the kernel refuses to list (%d)", what)
			}
			w.take(&messages[i])
		}
	}
}

func (w *holder) read() ([]syscall.NetlinkMessage, error) {
	n, _, err := unix.Recvfrom(w.fd, w.buf, 0)
	if err != nil {
		return nil, err
	}
	return syscall.ParseNetlinkMessage(w.buf[:n])
}

// follow runs on a thread of its own with a small real-time priority: notifications carry no time stamp, so they must be read
// at once.
func (w *holder) follow(host string, tape *Tape[Holding]) {
	runtime.LockOSThread()
	// Refused where real-time scheduling is not for us: then the times are merely less exact.
	_ = unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1}, 0)
	for {
		messages, err := w.read()
		at := mono.Now()
		if err != nil {
			continue // EINTR, or ENOBUFS, which 4 MB of addresses do not bring about
		}
		for i := range messages {
			before, _ := w.holds()
			w.take(&messages[i])
			if now, mac := w.holds(); now != before {
				tape.add(at, Holding{At: at, Host: host, Holds: now, MAC: mac})
			}
		}
	}
}

// take takes a message in: an interface or an address that came, changed or went.
func (w *holder) take(m *syscall.NetlinkMessage) {
	kind := m.Header.Type
	link := kind == unix.RTM_NEWLINK || kind == unix.RTM_DELLINK
	if !link && kind != unix.RTM_NEWADDR && kind != unix.RTM_DELADDR || len(m.Data) < unix.SizeofIfAddrmsg {
		return
	}
	attrs, err := syscall.ParseNetlinkRouteAttr(m)
	if err != nil {
		return
	}
	index := int32(binary.NativeEndian.Uint32(m.Data[4:])) // in ifinfomsg and ifaddrmsg alike
	switch {
	case kind == unix.RTM_DELLINK:
		delete(w.links, index)
		delete(w.has, index)
	case link:
		const ready = unix.IFF_UP | unix.IFF_LOWER_UP
		l := port{up: binary.NativeEndian.Uint32(m.Data[8:])&ready == ready}
		for _, a := range attrs {
			switch a.Attr.Type {
			case unix.IFLA_IFNAME:
				l.name = unix.ByteSliceToString(a.Value)
			case unix.IFLA_ADDRESS:
				l.mac = hex.EncodeToString(a.Value)
			}
		}
		w.links[index] = l
	case concernsVIP(attrs):
		if kind == unix.RTM_DELADDR {
			delete(w.has, index)
		} else {
			w.has[index] = true
		}
	}
}

// concernsVIP reports whether the attributes of an address are those of the VIP.
func concernsVIP(attrs []syscall.NetlinkRouteAttr) bool {
	for _, a := range attrs {
		if addr, ok := netip.AddrFromSlice(a.Value); ok && a.Attr.Type == unix.IFA_LOCAL && addr == netlab.VIP {
			return true
		}
	}
	return false
}
