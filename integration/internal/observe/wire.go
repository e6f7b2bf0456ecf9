package observe

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"time"

	"github.com/lbha/lbha/integration/internal/mono"
	"github.com/lbha/lbha/integration/internal/netlab"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Advert is a VRRP advertisement as a third host received it.
type Advert struct {
	At       mono.Time     `json:"at"`
	Source   netip.Addr    `json:"source"`
	Version  uint8         `json:"version"`
	VRID     uint8         `json:"vrid"`
	Priority uint8         `json:"priority"`
	Interval time.Duration `json:"interval"`
}

// Announcement is a gratuitous ARP packet for the VIP: it moves every cache on the segment to its sender.
type Announcement struct {
	At  mono.Time `json:"at"`
	MAC string    `json:"mac"`
}

// Answer is a reply to one of the observer's own ARP requests for the VIP.
type Answer struct {
	At  mono.Time `json:"at"`
	MAC string    `json:"mac"`
}

// Wire is what the observer hears on the segment.
type Wire struct {
	Adverts       Tape[Advert]
	Announcements Tape[Announcement]
	Probes        Tape[mono.Time] // when the observer asked who has the VIP
	Answers       Tape[Answer]

	observer *netlab.Host
	capture  *capture
}

// probePeriod is how often the observer asks who has the VIP.
const probePeriod = 50 * time.Millisecond

// ListenWire starts to observe the segment. VRRP counts only when it comes from a director: forged packets of a flood neither
// reach the observer nor cost it anything.
func ListenWire(n *netlab.Network) (*Wire, error) {
	c, err := listen(n.Observer, netlab.Interface, wireFilter(n.D1.Addr, n.D2.Addr))
	if err != nil {
		return nil, err
	}
	w := &Wire{observer: n.Observer, capture: c}
	go c.read(w.deliver)
	return w, nil
}

// wireFilter accepts ARP, and IPv4 protocol 112 from the given sources.
func wireFilter(sources ...netip.Addr) []bpf.Instruction {
	accept := bpf.RetConstant{Val: 1 << 16}
	program := []bpf.Instruction{
		bpf.LoadAbsolute{Off: 12, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.ETH_P_ARP, SkipTrue: 1},
		accept,
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.ETH_P_IP, SkipTrue: 1},
		bpf.RetConstant{},
		bpf.LoadAbsolute{Off: 23, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: protocolVRRP, SkipTrue: 1},
		bpf.RetConstant{},
		bpf.LoadAbsolute{Off: 26, Size: 4},
	}
	for _, source := range sources {
		b := source.As4()
		program = append(program, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: binary.BigEndian.Uint32(b[:]), SkipTrue: 1}, accept)
	}
	return append(program, bpf.RetConstant{})
}

const protocolVRRP = 112

func (w *Wire) deliver(at mono.Time, from *unix.SockaddrLinklayer, frame []byte) {
	if from.Pkttype == unix.PACKET_OUTGOING {
		return
	}
	if advert, ok := parseAdvert(frame); ok {
		advert.At = at
		w.Adverts.add(at, advert)
		return
	}
	arp, ok := parseARP(frame)
	if !ok || arp.senderIP != netlab.VIP {
		return
	}
	mac := hex.EncodeToString(arp.senderMAC[:])
	switch {
	case arp.targetIP == netlab.VIP:
		w.Announcements.add(at, Announcement{At: at, MAC: mac})
	case arp.operation == arpReply && arp.targetIP == w.observer.Addr:
		w.Answers.add(at, Answer{At: at, MAC: mac})
	}
}

// parseAdvert reads an Ethernet frame as a VRRP advertisement. It checks no more than it needs: whether an advertisement is
// valid is for the directors to find out.
func parseAdvert(frame []byte) (Advert, bool) {
	if len(frame) < 14+20+8 {
		return Advert{}, false
	}
	ip := frame[14:]
	var source netip.Addr
	var protocol byte
	var header int
	switch binary.BigEndian.Uint16(frame[12:]) {
	case unix.ETH_P_IP:
		source, protocol, header = netip.AddrFrom4([4]byte(ip[12:])), ip[9], int(ip[0]&0xf)*4
	case unix.ETH_P_IPV6:
		source, protocol, header = netip.AddrFrom16([16]byte(ip[8:])), ip[6], 40
	}
	if protocol != protocolVRRP || header < 20 || len(ip) < header+8 {
		return Advert{}, false
	}
	v := ip[header:]
	a := Advert{Source: source, Version: v[0] >> 4, VRID: v[1], Priority: v[2]}
	if a.Version == 2 {
		a.Interval = time.Duration(v[5]) * time.Second
	} else {
		a.Interval = time.Duration(binary.BigEndian.Uint16(v[4:])&0xfff) * 10 * time.Millisecond
	}
	return a, true
}

const (
	arpRequest = 1
	arpReply   = 2
)

type arpPacket struct {
	operation uint16
	senderMAC [6]byte
	senderIP  netip.Addr
	targetIP  netip.Addr
}

// parseARP reads an Ethernet frame as ARP for IPv4.
func parseARP(frame []byte) (arpPacket, bool) {
	if len(frame) < 14+28 || binary.BigEndian.Uint16(frame[12:]) != unix.ETH_P_ARP {
		return arpPacket{}, false
	}
	b := frame[14:]
	if binary.BigEndian.Uint16(b[2:]) != unix.ETH_P_IP || b[4] != 6 || b[5] != 4 {
		return arpPacket{}, false
	}
	p := arpPacket{operation: binary.BigEndian.Uint16(b[6:])}
	copy(p.senderMAC[:], b[8:14])
	p.senderIP, _ = netip.AddrFromSlice(b[14:18])
	p.targetIP, _ = netip.AddrFromSlice(b[24:28])
	return p, true
}

// Probe asks who has the VIP, in a fixed rhythm, until stop is closed. It does not go through the observer's own ARP cache, so
// that every holder's answer is seen.
func (w *Wire) Probe(stop <-chan struct{}) error {
	var fd, index int
	err := w.observer.Do(func() (err error) {
		if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		index, err = interfaceIndex(fd, netlab.Interface)
		return err
	})
	if err != nil {
		return err
	}
	frame := whoHas(w.observer, netlab.VIP)
	to := &unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_ARP), Ifindex: index, Halen: 6}
	go func() {
		defer unix.Close(fd)
		every(probePeriod, stop, func() {
			now := mono.Now()
			if unix.Sendto(fd, frame, 0, to) == nil {
				w.Probes.add(now, now)
			}
		})
	}()
	return nil
}

// whoHas builds the broadcast request for an address.
func whoHas(h *netlab.Host, addr netip.Addr) []byte {
	frame := make([]byte, 0, 42)
	frame = append(frame, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
	frame = append(frame, h.MAC...)
	frame = append(frame, 0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, arpRequest)
	frame = append(frame, h.MAC...)
	frame = append(frame, h.Addr.AsSlice()...)
	frame = append(frame, 0, 0, 0, 0, 0, 0)
	return append(frame, addr.AsSlice()...)
}
