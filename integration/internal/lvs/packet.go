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
	wrap        string  // and in what: ipip, gre, gue
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
		if h.next == unix.IPPROTO_UDP {
			if h.raw, payload, ok = readUDP(b[14:], len(h.raw)-len(payload)); !ok {
				return p, false
			}
		}
		p.ip, p.header = h.raw, h
		switch h.next {
		case unix.IPPROTO_IPIP, unix.IPPROTO_IPV6, unix.IPPROTO_GRE, unix.IPPROTO_UDP:
			wrapped, wrap := unwrap(h.next, payload)
			inner, _, ok := readIP(wrapped)
			if !ok {
				return p, false
			}
			p.inner, p.wrap = &inner, wrap
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

// unwrap finds what is in the payload of a tunnel's packet; nil, where there is nothing.
func unwrap(next byte, b []byte) (inner []byte, how string) {
	switch next {
	case unix.IPPROTO_GRE: // RFC 2784: flags, the type of what follows; with a checksum four bytes more
		size := 4
		if len(b) >= 4 && b[0]&0x80 != 0 {
			size = 8
		}
		if len(b) < size || b[0]&0x7f != 0 || binary.BigEndian.Uint16(b[2:]) != unix.ETH_P_IP && binary.BigEndian.Uint16(b[2:]) != unix.ETH_P_IPV6 {
			return nil, ""
		}
		return b[size:], "gre"
	case unix.IPPROTO_UDP: // draft-ietf-intarea-gue: the length of the options in words, the protocol of what follows, flags
		if len(b) < 8+4 || binary.BigEndian.Uint16(b[2:]) != guePort {
			return nil, ""
		}
		b = b[8:]
		size := 4 + 4*int(b[0]&0x1f)
		if b[0]&0xe0 != 0 || b[1] != unix.IPPROTO_IPIP && b[1] != unix.IPPROTO_IPV6 || len(b) < size {
			return nil, ""
		}
		return b[size:], "gue"
	}
	return b, "ipip"
}

// readUDP finds the end of an UDP packet behind an IP header of the given size by UDP's own length: the kernel that unwraps GUE shortens that of
// the outer header in place (fou_recv_pull in net/ipv4/fou.c), and here it is the observer's packet too.
func readUDP(b []byte, size int) (raw, payload []byte, ok bool) {
	if len(b) < size+8 {
		return nil, nil, false
	}
	end := size + int(binary.BigEndian.Uint16(b[size+4:]))
	if end < size+8 || end > len(b) {
		return nil, nil, false
	}
	return b[:end], b[size:end], true
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
