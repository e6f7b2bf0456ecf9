package observe

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/lbha/lbha/integration/internal/mono"
	"github.com/lbha/lbha/integration/internal/netlab"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Heard is an advertisement that came into the switch from one of the directors.
type Heard struct {
	Advert
	Host string `json:"host"` // who sent it: whose port it came in by, whatever its source address says
}

// Claim is a packet that says that a virtual address is at its sender: an announcement to all, or an answer to the switch.
type Claim struct {
	At   mono.Time  `json:"at"`
	Host string     `json:"host"`
	Addr netip.Addr `json:"addr"`
}

// Tap records what comes into the switch of a pair from each of its two directors. Unlike a third host it sees unicast too.
type Tap struct {
	Adverts       Tape[Heard]
	Announcements Tape[Claim] // gratuitous ARP, unsolicited neighbour advertisements
	Answers       Tape[Claim] // to requests of [Tap.Ask]
	Echoes        Tape[Claim] // answers to an echo request; Addr is their source

	network *netlab.Network
	capture *capture
	ports   map[int]string
}

// Listen starts to record. Stop it with [Tap.Close].
func Listen(n *netlab.Network) (*Tap, error) {
	hosts, err := n.Ports()
	if err != nil {
		return nil, err
	}
	t := &Tap{network: n, ports: map[int]string{}}
	for index, h := range hosts {
		t.ports[index] = h.Name
	}
	if t.capture, err = listen(n.Switch, "", tapFilter()); err != nil {
		return nil, err
	}
	go t.capture.read(t.deliver)
	return t, nil
}

// Close ends the recording.
func (t *Tap) Close() { t.capture.close() }

// Protocols of the filter beside VRRP.
const (
	protocolICMP   = 1
	protocolICMPv6 = 58
)

// tapFilter accepts ARP, VRRP and ICMP of both families.
func tapFilter() []bpf.Instruction {
	accept := bpf.RetConstant{Val: 1 << 16}
	return []bpf.Instruction{
		bpf.LoadAbsolute{Off: 12, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.ETH_P_ARP, SkipTrue: 1},
		accept,
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.ETH_P_IP, SkipTrue: 4},
		bpf.LoadAbsolute{Off: 23, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: protocolVRRP, SkipTrue: 7},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: protocolICMP, SkipTrue: 6},
		bpf.RetConstant{},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.ETH_P_IPV6, SkipTrue: 3},
		bpf.LoadAbsolute{Off: 20, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: protocolICMPv6, SkipTrue: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: protocolVRRP, SkipTrue: 1},
		bpf.RetConstant{},
		accept,
	}
}

func (t *Tap) deliver(at mono.Time, from *unix.SockaddrLinklayer, frame []byte) {
	host, ok := t.ports[from.Ifindex]
	if !ok || from.Pkttype == unix.PACKET_OUTGOING {
		return
	}
	if a, ok := parseAdvert(frame); ok {
		a.At = at
		t.Adverts.add(at, Heard{Advert: a, Host: host})
		return
	}
	if p, ok := parseARP(frame); ok {
		claim := Claim{At: at, Host: host, Addr: p.senderIP}
		switch {
		case p.senderIP == p.targetIP:
			t.Announcements.add(at, claim)
		case p.operation == arpReply:
			t.Answers.add(at, claim)
		}
		return
	}
	if addr, ok := echoReply(frame); ok {
		t.Echoes.add(at, Claim{At: at, Host: host, Addr: addr})
		return
	}
	if na, ok := parseNeighbour(frame); ok {
		claim := Claim{At: at, Host: host, Addr: na.target}
		if na.solicited {
			t.Answers.add(at, claim)
		} else {
			t.Announcements.add(at, claim)
		}
	}
}

// echoReply returns the source of an answer to ping.
func echoReply(frame []byte) (netip.Addr, bool) {
	switch {
	case len(frame) >= 14+20+8 && binary.BigEndian.Uint16(frame[12:]) == unix.ETH_P_IP:
		header := int(frame[14]&0xf) * 4
		if frame[14+9] != protocolICMP || len(frame) < 14+header+8 || frame[14+header] != 0 {
			return netip.Addr{}, false
		}
		return netip.AddrFrom4([4]byte(frame[14+12:])), true
	case len(frame) >= 14+40+8 && binary.BigEndian.Uint16(frame[12:]) == unix.ETH_P_IPV6:
		const reply = 129
		if frame[14+6] != protocolICMPv6 || frame[14+40] != reply {
			return netip.Addr{}, false
		}
		return netip.AddrFrom16([16]byte(frame[14+8:])), true
	}
	return netip.Addr{}, false
}

type neighbour struct {
	target    netip.Addr
	solicited bool
}

// parseNeighbour reads an Ethernet frame as a neighbour advertisement: RFC 4861 §4.4.
func parseNeighbour(frame []byte) (neighbour, bool) {
	const advertisement, flagSolicited = 136, 0x40
	if len(frame) < 14+40+24 || binary.BigEndian.Uint16(frame[12:]) != unix.ETH_P_IPV6 || frame[14+6] != protocolICMPv6 {
		return neighbour{}, false
	}
	icmp := frame[14+40:]
	if icmp[0] != advertisement {
		return neighbour{}, false
	}
	return neighbour{target: netip.AddrFrom16([16]byte(icmp[8:24])), solicited: icmp[4]&flagSolicited != 0}, true
}

// Ask asks who has an address, as the switch, in a fixed rhythm until stop is closed. It goes around every cache, so that each
// holder's answer is seen.
func (t *Tap) Ask(addr netip.Addr, period time.Duration, stop <-chan struct{}) error {
	index, err := t.network.BridgeIndex()
	if err != nil {
		return err
	}
	frame := whoHas(t.network.Switch, addr)
	protocol := uint16(unix.ETH_P_ARP)
	if addr.Is6() {
		frame, protocol = solicit(t.network.Switch, addr), unix.ETH_P_IPV6
	}
	fd := -1
	err = t.network.Switch.Do(func() (err error) {
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return err
	}
	to := &unix.SockaddrLinklayer{Protocol: htons(protocol), Ifindex: index, Halen: 6}
	go func() {
		defer unix.Close(fd)
		every(period, stop, func() {
			_ = unix.Sendto(fd, frame, 0, to) // one that is lost is no answer, and there are many
		})
	}()
	return nil
}

// solicit builds a neighbour solicitation: RFC 4861 §4.3.
func solicit(h *netlab.Host, addr netip.Addr) []byte {
	target, source := addr.As16(), h.LinkLocal().As16()
	group := netip.MustParseAddr("ff02::1:ff00:0").As16()
	copy(group[13:], target[13:])
	icmp := append([]byte{135, 0, 0, 0, 0, 0, 0, 0}, target[:]...)
	icmp = append(append(icmp, 1, 1), h.MAC...)
	pseudo := append(append([]byte(nil), source[:]...), group[:]...)
	pseudo = append(pseudo, 0, 0, 0, byte(len(icmp)), 0, 0, 0, protocolICMPv6)
	binary.BigEndian.PutUint16(icmp[2:], checksum(append(pseudo, icmp...)))

	frame := append([]byte{0x33, 0x33, 0xff, target[13], target[14], target[15]}, h.MAC...)
	frame = append(frame, 0x86, 0xdd, 0x60, 0, 0, 0, 0, byte(len(icmp)), protocolICMPv6, 255)
	frame = append(append(frame, source[:]...), group[:]...)
	return append(frame, icmp...)
}

// checksum is RFC 1071's.
func checksum(b []byte) uint16 {
	var sum uint32
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
