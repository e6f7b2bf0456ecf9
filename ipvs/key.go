package ipvs

import (
	"cmp"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Key is the identity of a virtual service in the kernel: protocol, address and
// port, or a firewall mark and an address family. Everything else of a service
// can be edited in place. Keys are comparable; the zero Key is no service.
type Key struct {
	protocol Protocol
	addr     netip.AddrPort
	mark     uint32
	family   Family
}

// NewKey returns the key of an address service. An IPv4 address that is mapped
// into IPv6 is unmapped, a zone is dropped: the kernel knows neither.
func NewKey(p Protocol, addr netip.AddrPort) Key {
	a := addr.Addr().Unmap().WithZone("")
	k := Key{protocol: p, addr: netip.AddrPortFrom(a, addr.Port()), family: IPv4}
	if a.Is6() {
		k.family = IPv6
	}
	return k
}

// MarkKey returns the key of a firewall-mark service. The mark is not 0.
func MarkKey(mark uint32, f Family) Key { return Key{mark: mark, family: f} }

// Protocol returns the transport protocol, or 0 for a firewall-mark service.
func (k Key) Protocol() Protocol { return k.protocol }

// Addr returns the virtual address and port; it is not valid for a
// firewall-mark service.
func (k Key) Addr() netip.AddrPort { return k.addr }

// Mark returns the firewall mark, or 0 for an address service.
func (k Key) Mark() uint32 { return k.mark }

// Family returns the address family of the service.
func (k Key) Family() Family { return k.family }

// IsValid reports whether k names a service.
func (k Key) IsValid() bool {
	if k.mark != 0 {
		return k.family == IPv4 || k.family == IPv6
	}
	return k.protocol != 0 && k.addr.IsValid()
}

// String returns "tcp/10.9.0.100:80", "udp/[2001:db8::1]:53", "fwmark/10/ipv4"
// or, for the zero Key, "".
func (k Key) String() string {
	switch {
	case k.mark != 0:
		return "fwmark/" + strconv.FormatUint(uint64(k.mark), 10) + "/" + k.family.String()
	case k.addr.IsValid():
		return k.protocol.String() + "/" + k.addr.String()
	}
	return ""
}

// MarshalText returns [Key.String].
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads what [ParseKey] reads.
func (k *Key) UnmarshalText(b []byte) error {
	parsed, err := ParseKey(string(b))
	if err == nil {
		*k = parsed
	}
	return err
}

// ParseKey reads the form that [Key.String] writes. The family of a
// firewall-mark service may be left out: it is IPv4 then.
func ParseKey(s string) (Key, error) {
	bad := func(why string) (Key, error) {
		return Key{}, fmt.Errorf("service key %q: %s; want PROTOCOL/ADDRESS:PORT or fwmark/MARK[/FAMILY]", s, why)
	}
	head, rest, ok := strings.Cut(s, "/")
	if !ok {
		return bad("no slash")
	}
	if head == "fwmark" {
		digits, family, hasFamily := strings.Cut(rest, "/")
		mark, err := strconv.ParseUint(digits, 10, 32)
		if err != nil || mark == 0 {
			return bad("the mark is not a number from 1 to 4294967295")
		}
		f := IPv4
		if hasFamily {
			if err := f.UnmarshalText([]byte(family)); err != nil {
				return bad(err.Error())
			}
		}
		return MarkKey(uint32(mark), f), nil
	}
	var p Protocol
	if err := p.UnmarshalText([]byte(head)); err != nil {
		return bad(err.Error())
	}
	addr, err := netip.ParseAddrPort(rest)
	if err != nil {
		return bad(err.Error())
	}
	if addr.Addr().Zone() != "" {
		return bad("an address with a zone")
	}
	return NewKey(p, addr), nil
}

// Compare orders keys as a table is listed: address services before firewall
// marks, IPv4 before IPv6, then by address, port and protocol.
func (k Key) Compare(o Key) int {
	return cmp.Or(
		cmp.Compare(k.mark, o.mark),
		cmp.Compare(k.family, o.family),
		k.addr.Compare(o.addr),
		cmp.Compare(k.protocol, o.protocol),
	)
}
