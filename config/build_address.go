package config

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/lbha/lbha/ipvs"
)

// maxFramed6 is how many IPv6 addresses fit into one frame of Ethernet, behind the IP header
// of 40 bytes and VRRP's of 8, and before a trailer of 28. What is sent from a virtual MAC
// goes out as a frame; of everything else the kernel makes fragments.
const maxFramed6 = (1500 - 40 - 8 - 28) / 16

// maxRange bounds what one address range may stand for.
const maxRange = 256

// addresses fills in the virtual addresses of an instance and, from them, its family.
func (b *builder) addresses(raw *rawVRRP, in *Instance) {
	if !raw.Addresses.set() && raw.Node.lacks("addresses") {
		b.missing(raw.Node, "addresses", "")
	}
	switch n := len(raw.Addresses.Items); {
	case raw.Addresses.set() && n == 0:
		b.error(raw.Addresses.Node, "addresses: must have at least one virtual address")
	case n > maxAdvertised:
		b.errorHint(raw.Addresses.Node, "the others can be extra_addresses", "addresses: an advert carries at most %d, not %d", maxAdvertised, n)
	}
	for i := range raw.Addresses.Items {
		item := &raw.Addresses.Items[i]
		a, ok := b.vip(item, in)
		if !ok {
			continue
		}
		switch f := familyOf(a.Prefix.Addr()); {
		case in.Family == 0:
			in.Family = f
		case in.Family != f:
			b.errorHint(item.Node, "a second [[vrrp]], or extra_addresses", "%s: %s is not of the family of the first, %s: an instance advertises one family", item.Node.label(), a.Prefix, in.Family)
		}
		in.Addresses = append(in.Addresses, a)
	}
	for i := range raw.ExtraAddresses.Items {
		if a, ok := b.vip(&raw.ExtraAddresses.Items[i], in); ok {
			in.ExtraAddresses = append(in.ExtraAddresses, a)
		}
	}
	if in.Family != ipvs.IPv6 {
		return
	}
	if in.Version == 2 {
		b.error(raw.Version.Node, "version: version 2 is for IPv4 only, and the addresses are IPv6")
	}
	if in.VirtualMAC && len(in.Addresses) > maxFramed6 {
		b.errorHint(raw.VirtualMAC.Node, "the others can be extra_addresses", "virtual_mac: an advert of more than %d IPv6 addresses does not fit into a frame, and there are %d", maxFramed6, len(in.Addresses))
	}
	b.linkLocalFirst(raw, in)
}

// linkLocalFirst puts the first link-local address of an IPv6 instance before all others,
// as RFC 9568 wants it in an advert (5.2.9, erratum 8300). Nobody else minds the order.
// keepalived does without one, so that others can too.
func (b *builder) linkLocalFirst(raw *rawVRRP, in *Instance) {
	k := slices.IndexFunc(in.Addresses, func(a Address) bool { return a.Prefix.Addr().IsLinkLocalUnicast() })
	if k < 0 {
		b.warn(raw.Addresses.Node, "addresses: none is link-local: keepalived does not mind, a router that goes by RFC 9568 (5.2.9) may")
		return
	}
	first := in.Addresses[k]
	copy(in.Addresses[1:k+1], in.Addresses[:k])
	in.Addresses[0] = first
}

// vip reads one virtual address and claims it for the instance.
func (b *builder) vip(raw *rawAddress, in *Instance) (Address, bool) {
	if raw.Node == nil {
		return Address{}, false
	}
	s := require(b, raw.Node, raw.Address, "address", "")
	if !raw.Address.set() {
		return Address{}, false
	}
	at := raw.Address.Node
	prefix, err := parsePrefix(s)
	if err != nil {
		b.error(at, "%s: %.80q is not an IP address, with or without a prefix length", at.label(), s)
		return Address{}, false
	}
	a := Address{Prefix: prefix, Interface: in.Interface, Label: raw.Label.Value}
	if raw.Interface.set() {
		a.Interface = b.ifname(raw.Interface)
	}
	addr := prefix.Addr()
	if !hostAddress(addr) {
		b.error(at, "%s: %s cannot be a virtual address", at.label(), addr)
	}
	if prefix.Bits() == 0 {
		b.error(at, "%s: prefix length 0 would be a route to everywhere", at.label())
	}
	if prefix.Bits() < addr.BitLen()-1 && prefix.Masked().Addr() == addr && addr.Is4() {
		b.error(at, "%s: %s is the address of the network itself", at.label(), prefix)
	}
	if a.Label != "" {
		switch {
		case addr.Is6():
			b.error(raw.Label.Node, "label: IPv6 addresses have none")
		case len(a.Label) > 15 || strings.ContainsFunc(a.Label, func(r rune) bool { return r <= ' ' || r == '/' || r == 0x7f }) ||
			a.Label != a.Interface && !strings.HasPrefix(a.Label, a.Interface+":"):
			b.errorHint(raw.Label.Node, fmt.Sprintf("such as %q", a.Interface+":vip"), "label: %.40q must be the interface, a colon and a word, 15 characters in all", a.Label)
		}
	}
	if a.Scope = Scope(b.choice(raw.Scope, "", "global", "site", "link", "host")); a.Scope != "" && addr.Is6() {
		b.error(raw.Scope.Node, "scope: that of an IPv6 address follows from the address")
	}
	if a.Scope == ScopeGlobal {
		a.Scope = ""
	}
	where := addr
	if addr.Is6() && addr.IsLinkLocalUnicast() {
		where = addr.WithZone(a.Interface) // another one on each link
	}
	if other, dup := b.vips[where]; dup {
		b.error(at, "%s: %s is already an address of instance %q", at.label(), addr, other)
		return a, true
	}
	b.vips[where] = in.Name
	b.oneScope(raw, a, in)
	return a, true
}

// network is one of IPv4 on a link; a virtual MAC has a link of its own.
type network struct {
	link   string
	prefix netip.Prefix
}

// scoped is an address and the scope that it gives to its network.
type scoped struct {
	Address
	instance string
}

// oneScope warns of what the kernel refuses: addresses of one network, on one link, of which
// one has another scope (__inet_insert_ifa of net/ipv4/devinet.c). Labels are free.
func (b *builder) oneScope(raw *rawAddress, a Address, in *Instance) {
	if a.Prefix.IsSingleIP() || a.Prefix.Addr().Is6() {
		return
	}
	n := network{a.Interface, a.Prefix.Masked()}
	if in.VirtualMAC && a.Interface == in.Interface {
		n.link = "of " + in.Name
	}
	first, ok := b.scopes[n]
	if !ok {
		b.scopes[n] = scoped{a, in.Name}
		return
	}
	if a.Scope != first.Scope {
		at := raw.Address.Node
		if raw.Scope.set() {
			at = raw.Scope.Node
		}
		b.warn(at, "%s: %s has scope %s, and %s of instance %q, in the same network on %s, has scope %s: the kernel does not hold both",
			at.label(), a.Prefix, cmp.Or(a.Scope, ScopeGlobal), first.Prefix, first.instance, a.Interface, cmp.Or(first.Scope, ScopeGlobal))
	}
}

// parsePrefix reads an address with or without a prefix length; without, it is the host's.
func parsePrefix(s string) (netip.Prefix, error) {
	if strings.Contains(s, "/") {
		p, err := netip.ParsePrefix(s)
		if err == nil && p.Addr().Is4In6() {
			err = strconv.ErrSyntax
		}
		return p, err
	}
	a, err := netip.ParseAddr(s)
	if err == nil && (a.Zone() != "" || a.Is4In6()) {
		err = strconv.ErrSyntax
	}
	return netip.PrefixFrom(a, a.BitLen()), err
}

// hostAddress reports whether one host can have the address on a network.
func hostAddress(a netip.Addr) bool {
	return !a.IsUnspecified() && !a.IsMulticast() && !a.IsLoopback() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

func familyOf(a netip.Addr) ipvs.Family {
	if a.Is4() {
		return ipvs.IPv4
	}
	return ipvs.IPv6
}

// parseServiceAddresses reads what a virtual service listens on: "10.9.0.100:80",
// "[2001:db8::1]:80", or a range of the last part of the address, "10.9.0.100-110:80" and
// "[2001:db8::10-1f]:80".
func parseServiceAddresses(s string) ([]netip.AddrPort, error) {
	wrong := func(why string) ([]netip.AddrPort, error) {
		return nil, fmt.Errorf("%.80q: %s", s, why)
	}
	colon := strings.LastIndexByte(s, ':')
	if colon < 0 || strings.Contains(s, "[") && !strings.Contains(s, "]:") {
		return wrong(`no port: want ADDRESS:PORT`)
	}
	host, bracketed := strings.CutPrefix(s[:colon], "[")
	if bracketed {
		host = strings.TrimSuffix(host, "]")
	} else if strings.Contains(host, ":") {
		return wrong("an IPv6 address stands in brackets: [ADDRESS]:PORT")
	}
	port, err := strconv.ParseUint(s[colon+1:], 10, 16)
	if err != nil {
		return wrong("the port is not a number from 0 to 65535")
	}
	text, end, isRange := strings.Cut(host, "-")
	first, err := netip.ParseAddr(text)
	if err != nil || first.Zone() != "" || first.Is4In6() || first.Is6() != bracketed {
		return wrong("not an IP address and port; host names are not resolved")
	}
	if !isRange {
		return []netip.AddrPort{netip.AddrPortFrom(first, uint16(port))}, nil
	}
	base, low, width := 10, uint64(first.AsSlice()[first.BitLen()/8-1]), 8
	if first.Is6() {
		b := first.As16()
		base, low, width = 16, uint64(b[14])<<8|uint64(b[15]), 16
	}
	high, err := strconv.ParseUint(end, base, width)
	if err != nil || high < low {
		return wrong("the range does not end with a last part at or above the first")
	}
	if high-low >= maxRange {
		return wrong(fmt.Sprintf("the range has more than %d addresses", maxRange))
	}
	out := make([]netip.AddrPort, 0, high-low+1)
	for a := first; uint64(len(out)) <= high-low; a = a.Next() {
		out = append(out, netip.AddrPortFrom(a, uint16(port)))
	}
	return out, nil
}

// parseServerAddress reads a real server: ADDRESS:PORT, or an ADDRESS alone for the port
// of the service, which is port 0.
func parseServerAddress(s string) (netip.AddrPort, error) {
	ap, err := netip.ParseAddrPort(s)
	if err != nil {
		if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil && a.Zone() == "" {
			return netip.AddrPortFrom(a.Unmap(), 0), nil
		}
	}
	if err != nil || ap.Addr().Zone() != "" {
		return ap, fmt.Errorf("%.80q: not an IP address, with or without a port; host names are not resolved", s)
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), nil
}
