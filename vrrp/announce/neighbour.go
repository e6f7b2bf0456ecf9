//go:build linux

package announce

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"

	"github.com/mdlayher/ethernet"
	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

// Neighbour advertisements (RFC 4861 §4.4):
//
//	0 type 136  1 code 0  2 checksum  4 flags R, S, O  8 target  24 options
//
// of which the one that matters says the target's link-layer address: type 2,
// length 1 (in units of 8 bytes), and the 6 bytes of a MAC.
const (
	typeNA        = 136
	hopLimit      = 255 // of every message of neighbour discovery: no router forwarded it
	flagRouter    = 1 << 31
	flagSolicited = 1 << 30
	flagOverride  = 1 << 29

	offTarget  = 8
	offOptions = 24
	optionMAC  = 2
)

// allNodes is where an unsolicited advertisement goes, ff02::1, and allNodesMAC
// that on Ethernet (RFC 2464 §7).
var (
	allNodes    = netip.IPv6LinkLocalAllNodes()
	allNodesMAC = net.HardwareAddr{0x33, 0x33, 0, 0, 0, 1}
)

// errNotIPv6: there is no such advertisement of it.
var errNotIPv6 = errors.New("not a unicast IPv6 address")

// buildNA makes the frame that announces vip at mac, from vip itself: unsolicited,
// and overriding what its receivers have.
func buildNA(mac net.HardwareAddr, vip netip.Addr, router bool) ([]byte, error) {
	if !vip.Is6() || vip.Is4In6() || vip.IsMulticast() || vip.IsUnspecified() {
		return nil, errNotIPv6
	}
	flags := uint32(flagOverride)
	if router {
		flags |= flagRouter
	}
	src, dst := vip.As16(), allNodes.As16()
	body := binary.BigEndian.AppendUint32(nil, flags)
	body = append(body, src[:]...)
	body = append(body, optionMAC, 1)
	body = append(body, mac...)
	m := icmp.Message{Type: ipv6.ICMPTypeNeighborAdvertisement, Body: &icmp.RawBody{Data: body}}
	message, err := m.Marshal(icmp.IPv6PseudoHeader(src[:], dst[:]))
	if err != nil {
		return nil, err
	}
	packet := binary.BigEndian.AppendUint32(nil, 6<<28) // version; no traffic class, no flow
	packet = binary.BigEndian.AppendUint16(packet, uint16(len(message)))
	packet = append(packet, unix.IPPROTO_ICMPV6, hopLimit)
	packet = append(packet, src[:]...)
	packet = append(packet, dst[:]...)
	f := ethernet.Frame{
		Destination: allNodesMAC,
		Source:      mac,
		EtherType:   ethernet.EtherTypeIPv6,
		Payload:     append(packet, message...),
	}
	return f.MarshalBinary()
}

// errNotNA: not a neighbour advertisement.
var errNotNA = errors.New("not a neighbour advertisement")

// parseNA reads who an ICMPv6 message says is where. MAC is nil if it does not
// say where.
func parseNA(message []byte) (Conflict, error) {
	if len(message) < offOptions || message[0] != typeNA || message[1] != 0 {
		return Conflict{}, errNotNA
	}
	c := Conflict{IP: netip.AddrFrom16([16]byte(message[offTarget:])), Kind: "unsolicited neighbour advertisement"}
	if binary.BigEndian.Uint32(message[4:])&flagSolicited != 0 {
		c.Kind = "neighbour advertisement"
	}
	for options := message[offOptions:]; len(options) >= 8; {
		n := int(options[1]) * 8
		if n == 0 || n > len(options) {
			return Conflict{}, errNotNA
		}
		if options[0] == optionMAC && n == 8 && c.MAC == nil {
			c.MAC = append(net.HardwareAddr(nil), options[2:8]...)
		}
		options = options[n:]
	}
	return c, nil
}
