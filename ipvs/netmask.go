package ipvs

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"net/netip"
	"strconv"
)

// Netmask says which clients of a persistent service are bound together, in
// the kernel's own two notations: the mask of an IPv4 service as a number
// (0xffffff00 is 255.255.255.0; a mask with holes is legal), and the prefix
// length of an IPv6 service (1 to 128). Use [NewNetmask] to make one.
type Netmask uint32

// NewNetmask returns the mask of a prefix length: 0 to 32 for IPv4 (0: all
// clients together), 1 to 128 for IPv6.
func NewNetmask(f Family, length int) (Netmask, error) {
	switch {
	case f == IPv4 && length >= 0 && length <= 32:
		return Netmask(^uint32(0) << (32 - length)), nil
	case f == IPv6 && length >= 1 && length <= 128:
		return Netmask(length), nil
	case f == IPv6:
		return 0, fmt.Errorf("netmask %d: want a prefix length from 1 to 128", length)
	}
	return 0, fmt.Errorf("netmask %d: want a prefix length from 0 to 32", length)
}

// HostNetmask is the mask that binds each client by itself: the default.
func HostNetmask(f Family) Netmask {
	if f == IPv6 {
		return 128
	}
	return 0xffffffff
}

// String returns what ipvsadm's -M takes: "255.255.255.0" or "64".
func (m Netmask) String() string {
	if m >= 1 && m <= 128 {
		return strconv.Itoa(int(m))
	}
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, uint32(m)))).String()
}

// MarshalText returns [Netmask.String].
func (m Netmask) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads a dotted IPv4 mask or an IPv6 prefix length.
func (m *Netmask) UnmarshalText(b []byte) error {
	if a, err := netip.ParseAddr(string(b)); err == nil && a.Is4() {
		four := a.As4()
		*m = Netmask(binary.BigEndian.Uint32(four[:]))
		return nil
	}
	n, err := strconv.Atoi(string(b))
	if err != nil || n < 1 || n > 128 {
		return fmt.Errorf("netmask %q: want a mask as 255.255.255.0, or a prefix length from 1 to 128 for IPv6", b)
	}
	*m = Netmask(n)
	return nil
}

// Length returns the prefix length that the mask is for the family, and false
// for an IPv4 mask with holes.
func (m Netmask) Length(f Family) (int, bool) {
	if f == IPv6 {
		return int(m), true
	}
	n := bits.LeadingZeros32(^uint32(m))
	return n, uint32(m) == ^uint32(0)<<(32-n)
}
