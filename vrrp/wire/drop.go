package wire

import (
	"fmt"
	"slices"
)

// Drop is the reason why a packet was refused. Its text is what logs, metrics,
// status and tests show.
type Drop string

// Accepted is the absence of a reason.
const Accepted Drop = ""

// What Decode refuses: no router may accept these.
const (
	// DropBadSource: the source is missing, unspecified or multicast, or source
	// and destination are not of one family.
	DropBadSource Drop = "bad-source"
	// DropBadTTL: TTL or hop limit of a multicast packet is not 255, so a
	// router forwarded it (RFC 9568 §5.1.1.3). Of a unicast packet: it is out of
	// the bounds that Expect sets.
	DropBadTTL Drop = "bad-ttl"
	// DropShort: fewer bytes than the fixed header.
	DropShort Drop = "short"
	// DropBadVersion: neither 2 nor 3, or version 2 on IPv6.
	DropBadVersion Drop = "bad-version"
	// DropBadType: not an advertisement, the only type there is.
	DropBadType Drop = "bad-type"
	// DropZeroVRID: 0 is not a virtual router.
	DropZeroVRID Drop = "zero-vrid"
	// DropZeroCount: an advertisement without addresses (erratum 8299).
	DropZeroCount Drop = "zero-count"
	// DropBadLength: the length received is not the one that the address count
	// asks for, and the difference is neither Ethernet padding nor a trailer.
	DropBadLength Drop = "bad-length"
	// DropBadChecksum: no checksum form of this version and family fits.
	DropBadChecksum Drop = "bad-checksum"
	// DropZeroInterval: an interval of 0 would make a backup master at once
	// (erratum 8301).
	DropZeroInterval Drop = "zero-interval"
	// DropBadAuthType: a version 2 authentication type other than none and
	// password.
	DropBadAuthType Drop = "bad-auth-type"
)

// What Expect.Check refuses: sound advertisements that this virtual router does
// not want.
const (
	// DropForeignVRID: another virtual router's.
	DropForeignVRID Drop = "foreign-vrid"
	// DropForeignInterface: received on another interface than the router's.
	DropForeignInterface Drop = "foreign-interface"
	// DropOwnSource: our own packet came back: a loop, or a stolen address.
	DropOwnSource Drop = "own-source"
	// DropVersionMismatch: the peer speaks the other version.
	DropVersionMismatch Drop = "version-mismatch"
	// DropCastMismatch: multicast to a unicast virtual router, or the reverse.
	DropCastMismatch Drop = "cast-mismatch"
	// DropUnknownPeer: unicast from a source that is no configured peer.
	DropUnknownPeer Drop = "unknown-peer"
	// DropAuthMismatch: one side authenticates and the other does not, or not in
	// that way.
	DropAuthMismatch Drop = "auth-mismatch"
	// DropBadPassword: the password differs.
	DropBadPassword Drop = "bad-password"
	// DropIntervalMismatch: version 2 with another interval (RFC 3768 §7.1).
	DropIntervalMismatch Drop = "interval-mismatch"
)

// What HMAC.Verify refuses: adverts that this virtual router would want if it
// could believe them.
const (
	// DropHMACMissing: the advert is not signed.
	DropHMACMissing Drop = "hmac-missing"
	// DropHMACMalformed: the trailer is of another scheme, or its reserved field
	// is not zero.
	DropHMACMalformed Drop = "hmac-malformed"
	// DropHMACStale: the trailer's time is further from ours than the window
	// allows: a repetition, or one of the clocks is wrong.
	DropHMACStale Drop = "hmac-stale"
	// DropHMACUnknownKey: no key has the trailer's key id.
	DropHMACUnknownKey Drop = "hmac-unknown-key"
	// DropHMACBadMAC: the key differs, or the advert was changed or made up.
	DropHMACBadMAC Drop = "hmac-bad-mac"
	// DropHMACReplay: the sender has said something later already.
	DropHMACReplay Drop = "hmac-replay"
)

// DropFragment is what package segment refuses before there is a message to
// decode: a fragment of an IP packet, which no VRRP message needs.
const DropFragment Drop = "fragment"

var drops = [...]Drop{
	DropFragment,
	DropBadSource, DropBadTTL, DropShort, DropBadVersion, DropBadType,
	DropZeroVRID, DropZeroCount, DropBadLength, DropBadChecksum,
	DropZeroInterval, DropBadAuthType,
	DropForeignVRID, DropForeignInterface, DropOwnSource, DropVersionMismatch, DropCastMismatch,
	DropUnknownPeer, DropAuthMismatch, DropBadPassword, DropIntervalMismatch,
	DropHMACMissing, DropHMACMalformed, DropHMACStale, DropHMACUnknownKey, DropHMACBadMAC, DropHMACReplay,
}

// Drops returns every reason there is, in the order in which a packet meets
// them, so that a metric can be exported at 0 before its first packet.
func Drops() []Drop { return slices.Clone(drops[:]) }

// String returns the reason's text, "accepted" for Accepted.
func (d Drop) String() string {
	if d == Accepted {
		return "accepted"
	}
	return string(d)
}

// MarshalText returns the same text as String.
func (d Drop) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText accepts what MarshalText writes.
func (d *Drop) UnmarshalText(text []byte) error {
	if string(text) == "accepted" {
		*d = Accepted
		return nil
	}
	if !slices.Contains(drops[:], Drop(text)) {
		return fmt.Errorf("unknown drop reason %q", text)
	}
	*d = Drop(text)
	return nil
}
