//go:build linux

package segment

import (
	"errors"
	"net"
	"os"
	"slices"

	"golang.org/x/net/bpf"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/vrrp/wire"
)

// openSocket6 is openSocket4 for IPv6. IPV6_CHECKSUM stays off: the kernel would
// throw a packet with a bad checksum away without a word, and count it with the
// wanted ones for which the queue had no room. Package wire makes and tests it.
func openSocket6(ifi *net.Interface, filter []bpf.RawInstruction, receiveBuffer int) (packetConn, descriptor, error) {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, wire.Protocol)
	if err != nil {
		return nil, 0, os.NewSyscallError("socket", err)
	}
	conn := &conn6{PacketConn: ipv6.NewPacketConn(&socket{fd: descriptor(fd)}), fd: fd}
	options := slices.Concat(filtered(fd, ifi, conn, filter), []option{
		{"IPV6_MULTICAST_ALL", func() error {
			err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MULTICAST_ALL, 0)
			if err == unix.ENOPROTOOPT {
				return nil // before Linux 4.20; the filter knows the group too
			}
			return err
		}},
		{"IPV6_MULTICAST_LOOP", func() error { return conn.SetMulticastLoopback(false) }},
		{"IPV6_MULTICAST_IF", func() error { return conn.SetMulticastInterface(ifi) }},
		{"IPV6_MULTICAST_HOPS", func() error { return conn.SetMulticastHopLimit(wire.TTL) }},
		{"IPV6_UNICAST_HOPS", func() error { return conn.SetHopLimit(wire.TTL) }},
		{"IPV6_TCLASS", func() error { return conn.SetTrafficClass(tosInternetworkControl) }},
		{"IPV6_RECVPKTINFO", func() error {
			return conn.SetControlMessage(ipv6.FlagDst|ipv6.FlagInterface|ipv6.FlagHopLimit, true)
		}},
	}, queued(fd, receiveBuffer), []option{
		{"MCAST_JOIN_GROUP", func() error { return conn.JoinGroup(ifi, group6) }},
	})
	if err := set(options); err != nil {
		conn.Close()
		return nil, 0, err
	}
	return conn, descriptor(fd), nil
}

var group6 = &net.IPAddr{IP: wire.Group6().AsSlice()}

// conn6 reads by itself: x/net gives a link-local source its zone, by the name
// of the interface, for which it reads a list of all interfaces every minute.
type conn6 struct {
	*ipv6.PacketConn
	fd int
}

// ReadBatch does what that of the embedded PacketConn does, but for the zone,
// and in one system call a packet.
func (c *conn6) ReadBatch(ms []ipv6.Message, flags int) (n int, err error) {
	for n < len(ms) {
		m := &ms[n]
		var from unix.Sockaddr
		m.N, m.NN, m.Flags, from, err = unix.RecvmsgBuffers(c.fd, m.Buffers, m.OOB, flags)
		if err != nil {
			break
		}
		m.Addr = nil
		if from, ok := from.(*unix.SockaddrInet6); ok {
			m.Addr = &net.IPAddr{IP: from.Addr[:]}
		}
		n++
	}
	if n > 0 && errors.Is(err, unix.EAGAIN) {
		err = nil
	}
	return n, os.NewSyscallError("recvmsg", err)
}
