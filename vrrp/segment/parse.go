//go:build linux

package segment

import (
	"encoding/binary"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"
)

// parse reads a received message into p. drops is the socket's drop counter, 0
// if it was not sent. fragment is IPv4's: an IPv6 packet comes whole, or to
// nobody.
func (c *Conn) parse(p *Packet, m *ipv4.Message, now time.Time) (drops uint32, fragment bool) {
	*p = Packet{}
	if c.six {
		parse6(p, m)
	} else {
		fragment = parse4(p, m)
	}
	return parseControl(p, m.OOB[:m.NN], now), fragment
}

// parse4 reads the IP header, which a raw IPv4 socket is given.
func parse4(p *Packet, m *ipv4.Message) (fragment bool) {
	b := m.Buffers[0][:m.N]
	if len(b) < ipv4.HeaderLen {
		return false
	}
	p.TTL = int(b[8])
	p.Src = netip.AddrFrom4([4]byte(b[12:]))
	p.Dst = netip.AddrFrom4([4]byte(b[16:]))
	p.Payload = b[min(int(b[0]&0xf)*4, len(b)):]
	return binary.BigEndian.Uint16(b[6:])&fragmentBits != 0
}

// parse6 reads what a raw IPv6 socket is given: the message, and who sent it.
// The rest is in control messages.
func parse6(p *Packet, m *ipv4.Message) {
	p.Payload = m.Buffers[0][:m.N]
	if from, ok := m.Addr.(*net.IPAddr); ok && len(from.IP) == net.IPv6len {
		p.Src = netip.AddrFrom16([16]byte(from.IP))
	}
}

// parseControl reads the control messages of either family.
func parseControl(p *Packet, oob []byte, now time.Time) (drops uint32) {
	for len(oob) >= unix.SizeofCmsghdr {
		hdr, data, rest, err := unix.ParseOneSocketControlMessage(oob)
		if err != nil {
			break
		}
		oob = rest
		switch {
		case hdr.Level == unix.IPPROTO_IP && hdr.Type == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
			p.IfIndex = int(binary.NativeEndian.Uint32(data))
		case hdr.Level == unix.IPPROTO_IPV6 && hdr.Type == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
			p.Dst = netip.AddrFrom16([16]byte(data))
			p.IfIndex = int(binary.NativeEndian.Uint32(data[16:]))
		case hdr.Level == unix.IPPROTO_IPV6 && hdr.Type == unix.IPV6_HOPLIMIT && len(data) >= 4:
			p.TTL = int(binary.NativeEndian.Uint32(data))
		case hdr.Level == unix.SOL_SOCKET && hdr.Type == unix.SO_TIMESTAMPNS && len(data) >= 16:
			stamp := time.Unix(int64(binary.NativeEndian.Uint64(data)), int64(binary.NativeEndian.Uint64(data[8:])))
			p.Age = max(0, now.Round(0).Sub(stamp))
		case hdr.Level == unix.SOL_SOCKET && hdr.Type == unix.SO_RXQ_OVFL && len(data) >= 4:
			drops = binary.NativeEndian.Uint32(data)
		}
	}
	return drops
}
