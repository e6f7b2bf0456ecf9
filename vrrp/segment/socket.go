//go:build linux

package segment

import (
	"fmt"
	"net"
	"os"
	"slices"
	"syscall"

	"golang.org/x/net/bpf"
	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/vrrp/wire"
)

// socket is a raw socket for VRRP in the shape of a net.IPConn, which is what
// x/net works on, but outside of the Go runtime's poller (see the
// package comment). The embedded IPConn is the zero one: it lends its methods'
// existence, and any that x/net were to call would answer EINVAL.
type socket struct {
	net.IPConn
	fd descriptor
}

// SyscallConn returns the descriptor for x/net.
func (s *socket) SyscallConn() (syscall.RawConn, error) { return s.fd, nil }

// LocalAddr is for the text of x/net's errors.
func (s *socket) LocalAddr() net.Addr { return localAddr }

// Close closes the descriptor.
func (s *socket) Close() error { return os.NewSyscallError("close", unix.Close(int(s.fd))) }

var localAddr = &net.IPAddr{IP: net.IPv4zero}

// descriptor is a syscall.RawConn that never waits: Read and Write try once.
type descriptor int

func (d descriptor) Control(f func(fd uintptr)) error { f(uintptr(d)); return nil }

func (d descriptor) Read(f func(fd uintptr) (done bool)) error { f(uintptr(d)); return nil }

func (d descriptor) Write(f func(fd uintptr) (done bool)) error { f(uintptr(d)); return nil }

// option is one socket option to set, with its name for the error.
type option struct {
	name string
	set  func() error
}

// openSocket4 opens a raw IPv4 socket on an interface with a filter and makes it
// a member of the group. receiveBuffer is in bytes of kernel memory.
func openSocket4(ifi *net.Interface, filter []bpf.RawInstruction, receiveBuffer int) (packetConn, descriptor, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, wire.Protocol)
	if err != nil {
		return nil, 0, os.NewSyscallError("socket", err)
	}
	conn := ipv4.NewPacketConn(&socket{fd: descriptor(fd)})
	options := slices.Concat(filtered(fd, ifi, conn, filter), []option{
		{"IP_MULTICAST_ALL", func() error { return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_ALL, 0) }},
		{"IP_MULTICAST_LOOP", func() error { return conn.SetMulticastLoopback(false) }},
		{"IP_MULTICAST_IF", func() error { return conn.SetMulticastInterface(ifi) }},
		{"IP_MULTICAST_TTL", func() error { return conn.SetMulticastTTL(wire.TTL) }},
		{"IP_TTL", func() error { return conn.SetTTL(wire.TTL) }},
		{"IP_TOS", func() error { return conn.SetTOS(tosInternetworkControl) }},
		{"IP_PKTINFO", func() error { return conn.SetControlMessage(ipv4.FlagInterface, true) }},
		// After IP_TOS, which derives a lower priority.
	}, queued(fd, receiveBuffer), []option{
		{"MCAST_JOIN_GROUP", func() error { return conn.JoinGroup(ifi, group) }},
	})
	if err := set(options); err != nil {
		conn.Close()
		return nil, 0, err
	}
	return conn, descriptor(fd), nil
}

// set sets options in order, up to the first that fails.
func set(options []option) error {
	for _, o := range options {
		if err := o.set(); err != nil {
			return fmt.Errorf("%s: %w", o.name, err)
		}
	}
	return nil
}

// filtered are the first options of a socket: until they are set it is open to
// unicast of any kind.
func filtered(fd int, ifi *net.Interface, conn packetConn, filter []bpf.RawInstruction) []option {
	return []option{
		{"SO_BINDTODEVICE", func() error { return unix.BindToDevice(fd, ifi.Name) }},
		{"SO_ATTACH_FILTER", func() error { return conn.SetBPF(filter) }},
		{"drain", func() error { return drain(fd) }},
	}
}

// queued are the options of a socket's queues.
func queued(fd, receiveBuffer int) []option {
	flag := func(name int) func() error {
		return func() error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, name, 1) }
	}
	return []option{
		{"SO_PRIORITY", func() error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PRIORITY, priorityControl) }},
		{"SO_RCVBUF", func() error { return setReceiveBuffer(fd, receiveBuffer) }},
		{"SO_TIMESTAMPNS", flag(unix.SO_TIMESTAMPNS)},
		{"SO_RXQ_OVFL", flag(unix.SO_RXQ_OVFL)},
	}
}

const (
	tosInternetworkControl = 0xc0 // RFC 9568 asks for none; keepalived sends this
	priorityControl        = 7    // TC_PRIO_CONTROL of linux/pkt_sched.h
)

var group = &net.IPAddr{IP: wire.Group4().AsSlice()}

// setReceiveBuffer sets the size of the queue, beyond net.core.rmem_max where
// we may. The kernel doubles what it is told.
func setReceiveBuffer(fd, bytes int) error {
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, bytes/2) == nil {
		return nil
	}
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, bytes/2)
}

// drain throws away what is queued.
func drain(fd int) error {
	var b [1]byte
	for {
		_, _, err := unix.Recvfrom(fd, b[:], unix.MSG_DONTWAIT|unix.MSG_TRUNC)
		switch err {
		case nil, unix.EINTR:
		case unix.EAGAIN:
			return nil
		default:
			return err
		}
	}
}

// interfaceByName finds an interface with one call; package net would list all
// of them.
func interfaceByName(name string) (*net.Interface, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	ifr, err := query(descriptor(fd), name, unix.SIOCGIFINDEX)
	if err != nil {
		return nil, err
	}
	return &net.Interface{Index: int(ifr.Uint32()), Name: name}, nil
}

// isUp reports whether an interface in the namespace of a socket is
// administratively up.
func isUp(fd descriptor, name string) bool {
	ifr, err := query(fd, name, unix.SIOCGIFFLAGS)
	return err == nil && ifr.Uint16()&unix.IFF_UP != 0
}

// query asks about an interface (netdevice(7)).
func query(fd descriptor, name string, request uint) (*unix.Ifreq, error) {
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		return nil, ErrNoInterface // a name that no interface can have
	}
	if err := unix.IoctlIfreq(int(fd), request, ifr); err != nil {
		return nil, os.NewSyscallError("ioctl", err)
	}
	return ifr, nil
}
