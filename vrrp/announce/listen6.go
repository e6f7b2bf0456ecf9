//go:build linux

package announce

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// ListenNeighbours is Listen for neighbour advertisements: IPv4 addresses
// among vips are passed over. It hears as far as the interface has IPv6.
func ListenNeighbours(index int, own []net.HardwareAddr, vips []netip.Addr) (*Listener, error) {
	return listen(protocol{"neighbour advertisements", openICMP, programNA, parseNA}, index, own, vips)
}

// icmpSocket is a raw ICMPv6 socket. A packet socket would put every IPv6 packet
// that this host forwards through its filter; this one meets ICMPv6 only. The Go
// runtime's poller does not know it.
type icmpSocket int

func openICMP(index int, filter []bpf.RawInstruction) (filtered, error) {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMPV6)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	s := icmpSocket(fd)
	var only unix.ICMPv6Filter
	for i := range only.Data {
		only.Data[i] = ^uint32(0)
	}
	only.Data[typeNA>>5] &^= 1 << (typeNA & 31)
	err = exists(fd, index) // to bind to an index that nobody has is no error
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX, index)
	}
	if err == nil {
		err = unix.SetsockoptICMPv6Filter(fd, unix.IPPROTO_ICMPV6, unix.ICMPV6_FILTER, &only)
	}
	if err == nil {
		err = s.SetBPF(filter)
	}
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("set up ICMPv6 socket: %w", err)
	}
	return s, nil
}

// exists returns ENODEV if there is no such interface (netdevice(7)).
func exists(fd, index int) error {
	ifr, err := unix.NewIfreq("")
	if err != nil {
		return err
	}
	ifr.SetUint32(uint32(index))
	return unix.IoctlIfreq(fd, unix.SIOCGIFNAME, ifr)
}

func (s icmpSocket) SyscallConn() (syscall.RawConn, error) { return s, nil }

// Control, Read and Write make it a syscall.RawConn that never waits.
func (s icmpSocket) Control(f func(fd uintptr)) error           { f(uintptr(s)); return nil }
func (s icmpSocket) Read(f func(fd uintptr) (done bool)) error  { f(uintptr(s)); return nil }
func (s icmpSocket) Write(f func(fd uintptr) (done bool)) error { f(uintptr(s)); return nil }

// SetBPF attaches a filter.
func (s icmpSocket) SetBPF(filter []bpf.RawInstruction) error {
	return unix.SetsockoptSockFprog(int(s), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{
		Len:    uint16(len(filter)),
		Filter: (*unix.SockFilter)(unsafe.Pointer(unsafe.SliceData(filter))), // the same struct
	})
}

// Close closes the descriptor.
func (s icmpSocket) Close() error { return os.NewSyscallError("close", unix.Close(int(s))) }

const (
	// maxFiltered6 is maxFiltered for addresses that take longer to compare.
	maxFiltered6 = 100
	// netHeader is SKF_NET_OFF of linux/filter.h: where a program finds the IP
	// header of a packet that it is given without.
	netHeader = 0xfff00000
)

// programNA lets through neighbour advertisements whose target is one of vips at
// a MAC that is none of own. It sees the ICMPv6 message. One that is too short
// ends the program as refused.
func programNA(own []net.HardwareAddr, vips []netip.Addr) []bpf.Instruction {
	p := slices.Concat(
		require(netHeader+7, 1, hopLimit),
		require(0, 2, typeNA<<8),
	)
	// The MAC is where everybody puts it, or Heard looks for it.
	for _, mac := range own {
		if len(mac) != 6 {
			continue
		}
		p = append(p,
			bpf.LoadExtension{Num: bpf.ExtLen},
			bpf.JumpIf{Cond: bpf.JumpLessThan, Val: offOptions + 8, SkipTrue: 5},
			bpf.LoadAbsolute{Off: offOptions, Size: 4},
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: optionMAC<<24 | 1<<16 | uint32(binary.BigEndian.Uint16(mac)), SkipTrue: 3},
			bpf.LoadAbsolute{Off: offOptions + 4, Size: 4},
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: binary.BigEndian.Uint32(mac[2:]), SkipTrue: 1},
			bpf.RetConstant{Val: toss},
		)
	}
	if len(vips) > maxFiltered6 {
		return append(p, bpf.RetConstant{Val: keep})
	}
	for _, vip := range vips {
		if !vip.Is6() {
			continue
		}
		b := vip.As16()
		for off := 12; off >= 0; off -= 4 { // addresses differ at the end
			p = append(p,
				bpf.LoadAbsolute{Off: uint32(offTarget + off), Size: 4},
				bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: binary.BigEndian.Uint32(b[off:]), SkipTrue: uint8(off/2 + 1)},
			)
		}
		p = append(p, bpf.RetConstant{Val: keep})
	}
	return append(p, bpf.RetConstant{Val: toss})
}
