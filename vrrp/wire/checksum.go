package wire

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// ChecksumForm is what the checksum of a message covers.
type ChecksumForm uint8

const (
	// FormPseudo covers the message and a pseudo header (source, destination,
	// protocol, length). It is the default on IPv4 and the only form on IPv6.
	FormPseudo ChecksumForm = iota
	// FormMessage covers the message alone: RFC 9568 §5.2.8 for version 3 on
	// IPv4, and the only form of version 2.
	FormMessage
)

// String returns "pseudo-header" or "message".
func (f ChecksumForm) String() string {
	switch f {
	case FormPseudo:
		return "pseudo-header"
	case FormMessage:
		return "message"
	}
	return fmt.Sprintf("checksum-form-%d", uint8(f))
}

// MarshalText returns the same text as String.
func (f ChecksumForm) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText accepts what MarshalText writes.
func (f *ChecksumForm) UnmarshalText(text []byte) error {
	for _, known := range [...]ChecksumForm{FormPseudo, FormMessage} {
		if string(text) == known.String() {
			*f = known
			return nil
		}
	}
	return fmt.Errorf("unknown checksum form %q", text)
}

// sum adds the 16-bit big-endian words of b to s (RFC 1071). An odd last byte
// counts as the high half of a word. s cannot overflow: a message has fewer
// than 2^16 words.
func sum(s uint32, b []byte) uint32 {
	for len(b) >= 2 {
		s += uint32(binary.BigEndian.Uint16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	return s
}

// fold brings s to 16 bits with end-around carry. Over a message that holds its
// own checksum the result is 0xffff.
func fold(s uint32) uint16 {
	s = s>>16 + s&0xffff
	s += s >> 16
	return uint16(s)
}

// pseudo is the sum of the pseudo header of a message of n bytes: RFC 768's for
// IPv4, RFC 8200 §8.1's for IPv6, which add up to the same words but for the
// addresses.
func pseudo(src, dst netip.Addr, n int) uint32 {
	s := uint32(Protocol) + uint32(n)
	for _, a := range [...]netip.Addr{src, dst} {
		if a.Is4() {
			b := a.As4()
			s = sum(s, b[:])
		} else {
			b := a.As16()
			s = sum(s, b[:])
		}
	}
	return s
}
