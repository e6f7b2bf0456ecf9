//go:build linux

package scan

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/vrrp/wire"
)

// maxPacket is more than the longest advert with its headers.
const maxPacket = wire.MaxLen + 128

// A Listener hears adverts.
type Listener struct {
	file    *os.File
	names   map[int]string // of interfaces
	members []int          // sockets that are members of the groups
}

// Listen opens a socket in the network namespace of the calling thread: for one interface,
// or for all that are up if the name is empty. That needs CAP_NET_RAW.
func Listen(iface string) (*Listener, error) {
	l := &Listener{names: map[int]string{}}
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	index := 0
	for _, i := range all {
		if i.Name == iface {
			if index = i.Index; i.Flags&net.FlagUp == 0 {
				return nil, fmt.Errorf("%s is not up: nobody can be heard on it; ip link set %[1]s up", iface)
			}
		}
		if iface == "" && i.Flags&net.FlagUp != 0 && i.Flags&net.FlagLoopback == 0 || i.Name == iface {
			l.names[i.Index] = i.Name
		}
	}
	if iface != "" && index == 0 {
		return nil, fmt.Errorf("no interface %s", iface)
	}
	// Protocol 0 hears nothing until the filter stands.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, explain(err)
	}
	l.file = os.NewFile(uintptr(fd), "packet socket")
	if err := l.prepare(fd, index); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

func (l *Listener) prepare(fd, index int) error {
	if err := filter(fd); err != nil {
		return fmt.Errorf("listen for VRRP: filter: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: binary.NativeEndian.Uint16([]byte{0, unix.ETH_P_ALL}), Ifindex: index}); err != nil {
		return fmt.Errorf("listen for VRRP: bind: %w", err)
	}
	l.join()
	return nil
}

// join makes this host a member of the groups on all interfaces. One that cannot be, for
// lack of an address or of IPv6, may hear the adverts all the same. Each interface has its
// own sockets: one socket may be a member of 20 groups of IPv4 (igmp_max_memberships).
func (l *Listener) join() {
	for i := range l.names {
		if fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err == nil {
			l.members = append(l.members, fd)
			_ = unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, &unix.IPMreqn{Multiaddr: wire.Group4().As4(), Ifindex: int32(i)})
		}
		if fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err == nil {
			l.members = append(l.members, fd)
			_ = unix.SetsockoptIPv6Mreq(fd, unix.IPPROTO_IPV6, unix.IPV6_JOIN_GROUP, &unix.IPv6Mreq{Multiaddr: wire.Group6().As16(), Interface: uint32(i)})
		}
	}
}

// filter lets only IP packets of protocol 112 in, which begin with the IP header. One with a tag
// of a VLAN is of that VLAN's wire, not of the interface below, where the kernel shows it first.
func filter(fd int) error {
	program, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtVLANTagPresent},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 0, SkipTrue: 9},
		bpf.LoadAbsolute{Off: 0, Size: 1},
		bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 4, SkipFalse: 2},
		bpf.LoadAbsolute{Off: 9, Size: 1},
		bpf.Jump{Skip: 2},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 6, SkipTrue: 3},
		bpf.LoadAbsolute{Off: 6, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: wire.Protocol, SkipTrue: 1},
		bpf.RetConstant{Val: maxPacket},
		bpf.RetConstant{Val: 0},
	})
	if err != nil {
		return err
	}
	code := make([]unix.SockFilter, len(program))
	for i, p := range program {
		code[i] = unix.SockFilter{Code: p.Op, Jt: p.Jt, Jf: p.Jf, K: p.K}
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]})
}

// Run puts into the log what comes until the deadline.
func (l *Listener) Run(log *Log, until time.Time) error {
	if err := l.file.SetReadDeadline(until); err != nil {
		return err
	}
	raw, err := l.file.SyscallConn()
	if err != nil {
		return err
	}
	packet := make([]byte, maxPacket)
	for time.Now().Before(until) {
		var n int
		var from unix.Sockaddr
		var failed error
		err := raw.Read(func(fd uintptr) bool {
			n, from, failed = unix.Recvfrom(int(fd), packet, 0)
			return failed != unix.EAGAIN && failed != unix.EINTR
		})
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		case err != nil:
			return err
		case errors.Is(failed, unix.ENETDOWN): // one interface of all went down
			continue
		case failed != nil:
			return os.NewSyscallError("recvfrom", failed)
		}
		if link, ok := from.(*unix.SockaddrLinklayer); ok && l.names[link.Ifindex] != "" {
			log.Hear(l.names[link.Ifindex], packet[:n])
		}
	}
	return nil
}

// Interfaces returns the names of those that are heard, sorted.
func (l *Listener) Interfaces() []string {
	var out []string
	for _, name := range l.names {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// Close ends it.
func (l *Listener) Close() error {
	for _, fd := range l.members {
		unix.Close(fd)
	}
	return l.file.Close()
}

func explain(err error) error {
	if errors.Is(err, unix.EPERM) {
		return errors.New("listen for VRRP: needs root or CAP_NET_RAW")
	}
	return fmt.Errorf("listen for VRRP: %w", err)
}
