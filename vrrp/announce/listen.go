//go:build linux

package announce

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"

	"github.com/mdlayher/arp"
	"github.com/mdlayher/ethernet"
	"github.com/mdlayher/packet"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Conflict is a packet in which somebody else claims to have one of our
// addresses.
type Conflict struct {
	IP  netip.Addr
	MAC net.HardwareAddr // nil: a neighbour advertisement that does not say where
	// Kind is the packet in words: "gratuitous ARP request", "ARP reply", "unsolicited neighbour advertisement".
	Kind string
}

// Listener hears packets that claim our addresses of one family from other MACs.
// It is for one goroutine.
type Listener struct {
	protocol
	conn filtered
	raw  syscall.RawConn
	fd   int
	own  []net.HardwareAddr
	vips map[netip.Addr]bool

	// The last read: read is made once, so that it allocates nothing.
	buf  []byte
	n    int
	err  error
	read func(fd uintptr) (done bool)
}

// filtered is a socket whose filter can be replaced.
type filtered interface {
	SyscallConn() (syscall.RawConn, error)
	SetBPF(filter []bpf.RawInstruction) error
	Close() error
}

// protocol is what differs between the families.
type protocol struct {
	name    string
	open    func(index int, filter []bpf.RawInstruction) (filtered, error)
	program func(own []net.HardwareAddr, vips []netip.Addr) []bpf.Instruction
	parse   func(packet []byte) (Conflict, error)
}

// Listen opens a listener for ARP on an interface in the network namespace of
// the calling thread. own are the MACs, of 6 bytes, that may speak for vips; IPv6
// addresses among vips are passed over.
func Listen(index int, own []net.HardwareAddr, vips []netip.Addr) (*Listener, error) {
	return listen(protocol{"ARP", openARP, programARP, parseARP}, index, own, vips)
}

func openARP(index int, filter []bpf.RawInstruction) (filtered, error) {
	return packet.Listen(&net.Interface{Index: index}, packet.Raw, unix.ETH_P_ARP, &packet.Config{Filter: filter})
}

func listen(proto protocol, index int, own []net.HardwareAddr, vips []netip.Addr) (*Listener, error) {
	op := fmt.Sprintf("listen for %s on interface %d", proto.name, index)
	filter, err := bpf.Assemble(proto.program(own, vips))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	conn, err := proto.open(index, filter)
	if err != nil {
		return nil, explain(op, err)
	}
	l := &Listener{protocol: proto, conn: conn, buf: make([]byte, 256)}
	if l.raw, err = conn.SyscallConn(); err == nil {
		err = l.raw.Control(func(fd uintptr) { l.fd = int(fd) })
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	l.read = func(fd uintptr) bool {
		l.n, l.err = unix.Read(int(fd), l.buf)
		return true // whatever came of it: the runtime's poller must not wait
	}
	l.remember(own, vips)
	return l, nil
}

// FD is the descriptor to watch for input, level-triggered. Only Heard may read
// from it.
func (l *Listener) FD() int { return l.fd }

// Close closes the socket.
func (l *Listener) Close() error { return l.conn.Close() }

// Watch replaces the addresses and the MACs that may speak for them.
func (l *Listener) Watch(own []net.HardwareAddr, vips []netip.Addr) error {
	filter, err := bpf.Assemble(l.program(own, vips))
	if err == nil {
		err = l.conn.SetBPF(filter)
	}
	if err != nil {
		return fmt.Errorf("listen for %s: %w", l.name, err)
	}
	l.remember(own, vips)
	return nil
}

func (l *Listener) remember(own []net.HardwareAddr, vips []netip.Addr) {
	l.own = slices.Clone(own)
	l.vips = make(map[netip.Addr]bool, len(vips))
	for _, vip := range vips {
		l.vips[vip] = true
	}
}

// Heard reads at most len(cs) packets and returns how many conflicts they were.
// It does not block; what is left keeps FD readable.
func (l *Listener) Heard(cs []Conflict) (n int, err error) {
	for range cs {
		if err := l.raw.Read(l.read); err != nil {
			return n, fmt.Errorf("listen for %s: %w", l.name, err)
		}
		switch {
		case l.err == unix.EAGAIN:
			return n, nil
		case l.err == unix.EINTR, l.err == unix.ENETDOWN:
			// A link that went down says so once. When it is up again the
			// socket hears again.
			continue
		case l.err != nil:
			return n, explain("listen for "+l.name, l.err)
		}
		// What was queued under an earlier filter is judged by the present one.
		if c, err := l.parse(l.buf[:l.n]); err == nil && l.conflicts(c) {
			cs[n] = c
			n++
		}
	}
	return n, nil
}

func (l *Listener) conflicts(c Conflict) bool {
	isOurs := func(mac net.HardwareAddr) bool { return bytes.Equal(mac, c.MAC) }
	return l.vips[c.IP] && !slices.ContainsFunc(l.own, isOurs)
}

// errNotARP: not an ARP packet of IPv4 on Ethernet.
var errNotARP = errors.New("not an ARP packet of IPv4 on Ethernet")

// parseARP reads who a frame says is where.
func parseARP(frame []byte) (Conflict, error) {
	var f ethernet.Frame
	if err := f.UnmarshalBinary(frame); err != nil {
		return Conflict{}, err
	}
	if f.EtherType != ethernet.EtherTypeARP {
		return Conflict{}, errNotARP
	}
	var p arp.Packet
	if err := p.UnmarshalBinary(f.Payload); err != nil {
		return Conflict{}, err
	}
	if p.HardwareType != 1 || p.ProtocolType != unix.ETH_P_IP || p.HardwareAddrLength != 6 || p.IPLength != 4 {
		return Conflict{}, errNotARP
	}
	return Conflict{IP: p.SenderIP, MAC: p.SenderHardwareAddr, Kind: kindARP(&p)}, nil
}

// kindARP names an ARP packet. A gratuitous one asks or answers for the address that it is from (RFC 5227 §3).
func kindARP(p *arp.Packet) string {
	switch reply, gratuitous := p.Operation == arp.OperationReply, p.TargetIP == p.SenderIP; {
	case reply && gratuitous:
		return "gratuitous ARP reply"
	case reply:
		return "ARP reply"
	case gratuitous:
		return "gratuitous ARP request"
	}
	return "ARP request"
}

// maxFiltered is how many addresses the kernel compares. Beyond, a program
// would not fit into net.core.optmem_max of older kernels; every foreign ARP
// packet is then let through, and Heard compares.
const maxFiltered = 500

// Verdicts of a program: how many bytes of the packet to keep.
const (
	keep = 0xffff
	toss = 0
)

// require ends a program as refused unless the size bytes from off on are val.
func require(off, size int, val uint32) []bpf.Instruction {
	return []bpf.Instruction{
		bpf.LoadAbsolute{Off: uint32(off), Size: size},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: val, SkipTrue: 1},
		bpf.RetConstant{Val: toss},
	}
}

// programARP lets through ARP packets whose sender IP is one of vips and whose
// sender MAC is none of own. It sees the Ethernet frame:
//
//	12 EtherType  14 ARP: hardware type, protocol type, lengths  20 operation
//	22 sender MAC  28 sender IP  32 target MAC  38 target IP
//
// A frame that is too short ends the program as refused.
func programARP(own []net.HardwareAddr, vips []netip.Addr) []bpf.Instruction {
	p := slices.Concat(
		require(12, 2, unix.ETH_P_ARP),
		require(14, 4, 1<<16|unix.ETH_P_IP),
		require(18, 2, 6<<8|4),
	)
	for _, mac := range own {
		if len(mac) != 6 {
			continue
		}
		p = append(p,
			bpf.LoadAbsolute{Off: 22, Size: 4},
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: binary.BigEndian.Uint32(mac), SkipTrue: 3},
			bpf.LoadAbsolute{Off: 26, Size: 2},
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(binary.BigEndian.Uint16(mac[4:])), SkipTrue: 1},
			bpf.RetConstant{Val: toss},
		)
	}
	p = append(p, bpf.LoadAbsolute{Off: 28, Size: 4})
	if len(vips) > maxFiltered {
		return append(p, bpf.RetConstant{Val: keep})
	}
	for _, vip := range vips {
		if !vip.Is4() {
			continue
		}
		b := vip.As4()
		p = append(p,
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: binary.BigEndian.Uint32(b[:]), SkipTrue: 1},
			bpf.RetConstant{Val: keep},
		)
	}
	return append(p, bpf.RetConstant{Val: toss})
}
