//go:build linux

package segment

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/vrrp/wire"
)

// Frames sends adverts to the group as whole Ethernet frames, from MACs that are
// not the interface's: virtual ones. They leave the interface itself, whatever
// the state of the link that has the MAC, so the first advert of a master need
// not wait for it. Conn hears the answers. One Frames serves all virtual routers
// of an interface: to close such a socket takes the kernel tens of milliseconds.
// It is for one goroutine.
type Frames struct {
	op    string // for errors
	fd    int
	to    unix.SockaddrLinklayer
	frame []byte
}

// OpenFrames opens a socket in the network namespace of the calling thread.
func OpenFrames(index int) (*Frames, error) {
	op := fmt.Sprintf("send frames on interface %d", index)
	// Protocol 0 receives nothing.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, explain(op, os.NewSyscallError("socket", err))
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PRIORITY, priorityControl); err != nil {
		unix.Close(fd)
		return nil, explain(op, os.NewSyscallError("setsockopt", err))
	}
	return &Frames{op: op, fd: fd, to: unix.SockaddrLinklayer{Ifindex: index, Halen: 6}}, nil
}

// Send sends a message from src, at a MAC of 6 bytes, to the group of its family.
// On IPv6 the checksum in it must be right: no kernel fills it in.
func (f *Frames) Send(payload []byte, src netip.Addr, mac net.HardwareAddr) error {
	if len(mac) != 6 {
		return fmt.Errorf("%s: %v is no MAC of Ethernet", f.op, mac)
	}
	if src.Is4() {
		f.frame = appendFrame4(f.frame[:0], mac, src, payload)
	} else {
		f.frame = appendFrame6(f.frame[:0], mac, src, payload)
	}
	if err := unix.Sendto(f.fd, f.frame, unix.MSG_DONTWAIT, &f.to); err != nil {
		return explain(f.op, os.NewSyscallError("sendto", err))
	}
	return nil
}

// Close closes the socket.
func (f *Frames) Close() error { return os.NewSyscallError("close", unix.Close(f.fd)) }

// The IPv4 header: not to be fragmented, and therefore without an identification
// (RFC 6864).
func appendFrame4(b []byte, mac net.HardwareAddr, src netip.Addr, payload []byte) []byte {
	const headerLen = 20
	dst := wire.Group4().As4()
	from := src.As4()
	b = append(b, 0x01, 0x00, 0x5e, dst[1]&0x7f, dst[2], dst[3])
	b = append(b, mac...)
	b = binary.BigEndian.AppendUint16(b, unix.ETH_P_IP)
	start := len(b)
	b = append(b, 0x45, tosInternetworkControl)
	b = binary.BigEndian.AppendUint16(b, uint16(headerLen+len(payload)))
	b = append(b, 0, 0, 0x40, 0, wire.TTL, wire.Protocol, 0, 0)
	b = append(b, from[:]...)
	b = append(b, dst[:]...)
	var sum uint32
	for i := start; i < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	sum = sum>>16 + sum&0xffff
	binary.BigEndian.PutUint16(b[start+10:], ^uint16(sum+sum>>16))
	return append(b, payload...)
}

func appendFrame6(b []byte, mac net.HardwareAddr, src netip.Addr, payload []byte) []byte {
	dst := wire.Group6().As16()
	from := src.As16()
	b = append(b, 0x33, 0x33, dst[12], dst[13], dst[14], dst[15])
	b = append(b, mac...)
	b = binary.BigEndian.AppendUint16(b, unix.ETH_P_IPV6)
	b = binary.BigEndian.AppendUint32(b, 6<<28|tosInternetworkControl<<20)
	b = binary.BigEndian.AppendUint16(b, uint16(len(payload)))
	b = append(b, wire.Protocol, wire.TTL)
	b = append(b, from[:]...)
	b = append(b, dst[:]...)
	return append(b, payload...)
}
