package ipvs

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Protocol is the transport protocol of a virtual service, numbered as in the
// IP header. The zero Protocol is that of a firewall-mark service, which takes
// packets of any protocol.
type Protocol uint8

// The protocols that IPVS balances.
const (
	TCP  Protocol = 6
	UDP  Protocol = 17
	SCTP Protocol = 132
)

var protocols = names[Protocol]{"protocol", []name[Protocol]{{TCP, "tcp"}, {UDP, "udp"}, {SCTP, "sctp"}}}

// String returns the name.
func (p Protocol) String() string { return protocols.text(p) }

// MarshalText returns the name.
func (p Protocol) MarshalText() ([]byte, error) { return protocols.marshal(p) }

// UnmarshalText reads a name.
func (p *Protocol) UnmarshalText(b []byte) error { return protocols.unmarshal(p, b) }

// Family is an address family. Only a firewall-mark service has to be told its
// family; everything else has an address.
type Family uint8

// The address families, in the order in which tables are listed.
const (
	IPv4 Family = 4
	IPv6 Family = 6
)

var families = names[Family]{"family", []name[Family]{{IPv4, "ipv4"}, {IPv6, "ipv6"}}}

// String returns the name.
func (f Family) String() string { return families.text(f) }

// MarshalText returns the name.
func (f Family) MarshalText() ([]byte, error) { return families.marshal(f) }

// UnmarshalText reads a name.
func (f *Family) UnmarshalText(b []byte) error { return families.unmarshal(f, b) }

// Bits returns the length of an address of the family in bits.
func (f Family) Bits() int {
	if f == IPv6 {
		return 128
	}
	return 32
}

// Forward is the way a packet gets to a real server.
type Forward uint8

// The forwarding methods, numbered as IP_VS_CONN_F_* in linux/ip_vs.h. The two
// numbers between and after them, "localnode" and "bypass", are the kernel's own.
const (
	NAT Forward = 0 // rewrite the destination; replies come back through the director
	TUN Forward = 2 // encapsulate; the real server answers by itself
	DR  Forward = 3 // rewrite the destination MAC only; the real server answers by itself
)

var forwards = names[Forward]{"forwarding method", []name[Forward]{{NAT, "nat"}, {DR, "dr"}, {TUN, "tun"}}}

// String returns the name.
func (f Forward) String() string { return forwards.text(f) }

// MarshalText returns the name.
func (f Forward) MarshalText() ([]byte, error) { return forwards.marshal(f) }

// UnmarshalText reads a name.
func (f *Forward) UnmarshalText(b []byte) error { return forwards.unmarshal(f, b) }

// TunnelType is the encapsulation that [TUN] uses.
type TunnelType uint8

// The encapsulations, numbered as IP_VS_CONN_F_TUNNEL_TYPE_* in linux/ip_vs.h.
const (
	IPIP TunnelType = 0
	GUE  TunnelType = 1 // UDP; needs a port
	GRE  TunnelType = 2
)

var tunnelTypes = names[TunnelType]{"tunnel type", []name[TunnelType]{{IPIP, "ipip"}, {GUE, "gue"}, {GRE, "gre"}}}

// String returns the name.
func (t TunnelType) String() string { return tunnelTypes.text(t) }

// MarshalText returns the name.
func (t TunnelType) MarshalText() ([]byte, error) { return tunnelTypes.marshal(t) }

// UnmarshalText reads a name.
func (t *TunnelType) UnmarshalText(b []byte) error { return tunnelTypes.unmarshal(t, b) }

// TunnelChecksum says what checksum the outer header of a GUE or GRE tunnel
// carries.
type TunnelChecksum uint8

// The checksum modes, numbered as IP_VS_TUNNEL_ENCAP_FLAG_* in linux/ip_vs.h.
const (
	NoChecksum     TunnelChecksum = 0
	Checksum       TunnelChecksum = 1
	RemoteChecksum TunnelChecksum = 2 // GUE only
)

var tunnelChecksums = names[TunnelChecksum]{"tunnel checksum", []name[TunnelChecksum]{
	{NoChecksum, "none"}, {Checksum, "full"}, {RemoteChecksum, "remote"}}}

// String returns the name.
func (c TunnelChecksum) String() string { return tunnelChecksums.text(c) }

// MarshalText returns the name.
func (c TunnelChecksum) MarshalText() ([]byte, error) { return tunnelChecksums.marshal(c) }

// UnmarshalText reads a name.
func (c *TunnelChecksum) UnmarshalText(b []byte) error { return tunnelChecksums.unmarshal(c, b) }

// Verdict is what the checks of a real server say of it. The zero Verdict is
// [Unknown].
type Verdict uint8

// The verdicts.
const (
	Unknown Verdict = iota // no check has finished yet
	Up
	Down
)

var verdicts = names[Verdict]{"verdict", []name[Verdict]{{Unknown, "unknown"}, {Up, "up"}, {Down, "down"}}}

// String returns the name.
func (v Verdict) String() string { return verdicts.text(v) }

// MarshalText returns the name.
func (v Verdict) MarshalText() ([]byte, error) { return verdicts.marshal(v) }

// UnmarshalText reads a name.
func (v *Verdict) UnmarshalText(b []byte) error { return verdicts.unmarshal(v, b) }

// OnFail says what becomes of a real server that its checks call [Down].
type OnFail uint8

// The two things that can become of it.
const (
	// Remove deletes it: its connections end, or idle, by expire_nodest_conn.
	Remove OnFail = iota
	// Quiesce gives it weight 0: its connections go on, no new ones come.
	Quiesce
)

var onFails = names[OnFail]{"on_fail", []name[OnFail]{{Remove, "remove"}, {Quiesce, "quiesce"}}}

// String returns the name.
func (o OnFail) String() string { return onFails.text(o) }

// MarshalText returns the name.
func (o OnFail) MarshalText() ([]byte, error) { return onFails.marshal(o) }

// UnmarshalText reads a name.
func (o *OnFail) UnmarshalText(b []byte) error { return onFails.unmarshal(o, b) }

// Weight is a real server's share of new connections, relative to the others
// of its pool. 0 means no new connections. The kernel takes 0 to [MaxWeight];
// a configuration 0 to [MaxConfigWeight].
type Weight uint32

// The limits of a [Weight].
const (
	MaxWeight       Weight = 1<<31 - 1 // the kernel holds a signed 32-bit number
	MaxConfigWeight Weight = 65535     // what other tools, and 16-bit readers, can cope with
)

// String returns the decimal number.
func (w Weight) String() string { return strconv.FormatUint(uint64(w), 10) }

// MarshalText returns the decimal number.
func (w Weight) MarshalText() ([]byte, error) { return strconv.AppendUint(nil, uint64(w), 10), nil }

// UnmarshalText reads a decimal number from 0 to [MaxConfigWeight].
func (w *Weight) UnmarshalText(b []byte) error {
	n, err := strconv.ParseUint(string(b), 10, 32)
	if err != nil || Weight(n) > MaxConfigWeight {
		return fmt.Errorf("weight %q: want a whole number from 0 to %d", b, MaxConfigWeight)
	}
	*w = Weight(n)
	return nil
}

// MarshalJSON writes a number, not the string that MarshalText would make of it.
func (w Weight) MarshalJSON() ([]byte, error) { return w.MarshalText() }

// UnmarshalJSON reads a number from 0 to [MaxWeight]: JSON also carries what
// the kernel holds, and that is not bound by a configuration's limit.
func (w *Weight) UnmarshalJSON(b []byte) error {
	n, err := strconv.ParseUint(string(b), 10, 31)
	if err != nil {
		return fmt.Errorf("weight %s: want a whole number from 0 to %d", b, MaxWeight)
	}
	*w = Weight(n)
	return nil
}

// names is the one table behind the text form of an enumeration.
type names[T comparable] struct {
	kind string // for errors
	list []name[T]
}

type name[T comparable] struct {
	value T
	text  string
}

func (n names[T]) text(v T) string {
	if i := slices.IndexFunc(n.list, func(x name[T]) bool { return x.value == v }); i >= 0 {
		return n.list[i].text
	}
	return fmt.Sprintf("%s(%d)", n.kind, any(v))
}

func (n names[T]) marshal(v T) ([]byte, error) {
	if i := slices.IndexFunc(n.list, func(x name[T]) bool { return x.value == v }); i >= 0 {
		return []byte(n.list[i].text), nil
	}
	var zero T
	if v == zero {
		return nil, nil // "not set" survives a round trip
	}
	return nil, fmt.Errorf("%s %d has no name", n.kind, any(v))
}

func (n names[T]) unmarshal(v *T, b []byte) error {
	if i := slices.IndexFunc(n.list, func(x name[T]) bool { return x.text == string(b) }); i >= 0 {
		*v = n.list[i].value
		return nil
	}
	return fmt.Errorf("%s %q: want %s", n.kind, b, n.choices())
}

// choices lists the valid texts: "a", "a or b", "a, b or c".
func (n names[T]) choices() string {
	texts := make([]string, len(n.list))
	for i, x := range n.list {
		texts[i] = x.text
	}
	return oneOf(texts)
}

func oneOf(texts []string) string {
	last := len(texts) - 1
	if last < 1 {
		return strings.Join(texts, "")
	}
	return strings.Join(texts[:last], ", ") + " or " + texts[last]
}
