package wire

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Protocol is VRRP's IP protocol number.
const Protocol = 112

// TTL is the TTL or hop limit of every VRRP packet.
const TTL = 255

// MaxLen is the length in bytes of the longest message: version 3, IPv6, 255
// addresses, with its trailer.
const MaxLen = headerLen + 255*16 + TrailerLen

// Group4 is where IPv4 advertisements go, 224.0.0.18.
func Group4() netip.Addr { return netip.AddrFrom4([4]byte{224, 0, 0, 18}) }

// Group6 is where IPv6 advertisements go, ff02::12.
func Group6() netip.Addr { return netip.AddrFrom16([16]byte{0: 0xff, 1: 0x02, 15: 0x12}) }

// AuthType is the authentication type of a version 2 message.
type AuthType uint8

// The authentication types of RFC 2338 that are on the wire today. Type 2, the
// IP authentication header, is refused.
const (
	AuthNone     AuthType = 0
	AuthPassword AuthType = 1
)

// String returns "none", "pass" or the number.
func (t AuthType) String() string {
	switch t {
	case AuthNone:
		return "none"
	case AuthPassword:
		return "pass"
	}
	return fmt.Sprintf("auth-type-%d", uint8(t))
}

// AuthData is the authentication data of a version 2 message: a password padded
// with zeros, or all zeros.
type AuthData [8]byte

// ErrPasswordTooLong is returned for a password that does not fit into 8 bytes.
var ErrPasswordTooLong = errors.New("password is longer than 8 bytes")

// Password pads text with zeros.
func Password(text string) (AuthData, error) {
	var d AuthData
	if len(text) > len(d) {
		return d, ErrPasswordTooLong
	}
	copy(d[:], text)
	return d, nil
}

// Advert is one advertisement.
type Advert struct {
	Version  uint8 // 2 or 3
	VRID     uint8 // 1–255
	Priority uint8 // 0: the sender resigns
	// Interval is the sender's advertisement interval: whole seconds up to 255
	// s in version 2, whole centiseconds up to 40.95 s in version 3.
	Interval time.Duration
	// Addresses are the virtual addresses in the order of the message, 1 to 255
	// of one family. Decode reuses the slice.
	Addresses []netip.Addr
	// AuthType and AuthData are version 2's.
	AuthType AuthType
	AuthData AuthData
	// Signed: a Trailer follows the message. Whether it is right is a question
	// for HMAC.Verify. Append ignores it.
	Signed bool
}

// Meta is what the IP layer knows of a packet.
type Meta struct {
	Src, Dst netip.Addr
	TTL      int
	IfIndex  int
}

// Expect is what one virtual router accepts.
type Expect struct {
	Version uint8
	VRID    uint8
	// Interval is compared in version 2 only; 0 accepts any.
	Interval time.Duration
	AuthType AuthType
	Password AuthData
	// HMAC: adverts may be signed, and HMAC.Verify has the last word.
	HMAC bool
	// Self is the source of our own adverts; the zero Addr matches nothing.
	Self netip.Addr
	// IfIndex is the interface that adverts come in on; 0 accepts any.
	IfIndex int
	// Unicast refuses multicast and sources that are not in Peers.
	Unicast bool
	Peers   []netip.Addr
	// MinTTL and MaxTTL bound the TTL, or hop limit, of unicast packets; 0: no
	// bound. (That of multicast is always 255: Decode sees to it.)
	MinTTL, MaxTTL uint8
}

// Check returns why the virtual router does not want a, or Accepted. a must
// have been accepted by Decode with the same m. A differing address list is no
// reason: dropping such adverts makes two masters during every rolling change.
func (e *Expect) Check(a *Advert, m Meta) Drop {
	switch {
	case a.VRID != e.VRID:
		return DropForeignVRID
	case e.IfIndex != 0 && m.IfIndex != e.IfIndex:
		return DropForeignInterface
	case m.Src == e.Self:
		return DropOwnSource
	case a.Version != e.Version:
		return DropVersionMismatch
	case m.Dst.IsMulticast() == e.Unicast:
		return DropCastMismatch
	case e.Unicast && !slices.Contains(e.Peers, m.Src):
		return DropUnknownPeer
	case e.Unicast && (m.TTL < int(e.MinTTL) || e.MaxTTL != 0 && m.TTL > int(e.MaxTTL)):
		return DropBadTTL
	case a.Signed && !e.HMAC:
		return DropAuthMismatch
	}
	if a.Version != 2 {
		return Accepted
	}
	switch {
	case a.AuthType != e.AuthType:
		return DropAuthMismatch
	case e.AuthType == AuthPassword && subtle.ConstantTimeCompare(a.AuthData[:], e.Password[:]) != 1:
		return DropBadPassword
	case e.Interval != 0 && a.Interval != e.Interval:
		return DropIntervalMismatch
	}
	return Accepted
}

// VRID returns the virtual router that a message claims to be of, to count a
// packet that Decode refused under it. It is 0 for a message too short to say.
func VRID(payload []byte) uint8 {
	if len(payload) < 2 {
		return 0
	}
	return payload[1]
}
