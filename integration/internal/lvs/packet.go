package lvs

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/integration/internal/observe"
)

// packet is a frame that carries TCP, or a tunnel with TCP in it, or says who has an address.
type packet struct {
	host, iface string
	out         bool
	to, from    net.HardwareAddr
	ip          []byte  // the whole IP packet; of a tunnel the outer one
	inner       *header // of a tunnel: what is wrapped
	header
	claim netip.Addr // ARP answer or neighbour advertisement: the address that the sender claims
}

// header is what matters of an IP packet.
type header struct {
	src, dst netip.AddrPort // ports of TCP; 0 of others
	next     byte           // protocol
	raw      []byte         // the packet
}

const (
	protocolICMP6 = 58
	neighbourSays = 136 // ICMPv6 neighbour advertisement
)

// parse reads a frame; false: it is nothing of interest.
func parse(f observe.Frame) (packet, bool) {
	b := f.Data
	if len(b) < 14 {
		return packet{}, false
	}
	p := packet{host: f.Host, iface: f.Interface, out: f.Out, to: b[:6], from: b[6:12]}
	switch binary.BigEndian.Uint16(b[12:]) {
	case unix.ETH_P_ARP:
		// Whatever ARP packet has an address as its sender claims it: receivers believe questions too.
		if len(b) < 14+28 {
			return p, false
		}
		p.claim, _ = netip.AddrFromSlice(b[28:32])
		return p, true
	case unix.ETH_P_IP, unix.ETH_P_IPV6:
		h, payload, ok := readIP(b[14:])
		if !ok {
			return p, false
		}
		p.ip, p.header = h.raw, h
		switch h.next {
		case unix.IPPROTO_IPIP, unix.IPPROTO_IPV6:
			inner, _, ok := readIP(payload)
			if !ok {
				return p, false
			}
			p.inner = &inner
			return p, true
		case protocolICMP6:
			if len(payload) >= 24 && payload[0] == neighbourSays {
				p.claim, _ = netip.AddrFromSlice(payload[8:24])
				return p, true
			}
			return p, false
		}
		return p, h.next == unix.IPPROTO_TCP
	}
	return p, false
}

// readIP reads the header of an IP packet without the padding of its frame, and that of TCP.
func readIP(b []byte) (h header, payload []byte, ok bool) {
	var src, dst netip.Addr
	switch {
	case len(b) >= 20 && b[0]>>4 == 4:
		size, length := int(b[0]&0xf)*4, int(binary.BigEndian.Uint16(b[2:]))
		if size < 20 || length < size || length > len(b) {
			return h, nil, false
		}
		src, _ = netip.AddrFromSlice(b[12:16])
		dst, _ = netip.AddrFromSlice(b[16:20])
		h.next, h.raw, payload = b[9], b[:length], b[size:length]
	case len(b) >= 40 && b[0]>>4 == 6:
		length := 40 + int(binary.BigEndian.Uint16(b[4:]))
		if length > len(b) {
			return h, nil, false
		}
		src, _ = netip.AddrFromSlice(b[8:24])
		dst, _ = netip.AddrFromSlice(b[24:40])
		h.next, h.raw, payload = b[6], b[:length], b[40:length]
		if h.next == 60 && len(payload) >= 8 { // destination options: the tunnel's encapsulation limit
			h.next, payload = payload[0], payload[min(len(payload), 8+8*int(payload[1])):]
		}
	default:
		return h, nil, false
	}
	var ports [2]uint16
	if h.next == unix.IPPROTO_TCP {
		if len(payload) < 20 {
			return h, nil, false
		}
		ports = [2]uint16{binary.BigEndian.Uint16(payload), binary.BigEndian.Uint16(payload[2:])}
	}
	h.src, h.dst = netip.AddrPortFrom(src, ports[0]), netip.AddrPortFrom(dst, ports[1])
	return h, payload, true
}

// same compares two packets but for what every router changes on its way: the time to live, and with it the header's checksum.
func same(a, b []byte) error {
	if len(a) != len(b) {
		return fmt.Errorf("%d bytes became %d", len(a), len(b))
	}
	mutable := map[int]bool{8: true, 10: true, 11: true}
	if len(a) > 0 && a[0]>>4 == 6 {
		mutable = map[int]bool{7: true}
	}
	for i := range a {
		if a[i] != b[i] && !mutable[i] {
			return fmt.Errorf("byte %d of the packet: %#02x became %#02x", i, a[i], b[i])
		}
	}
	return nil
}
