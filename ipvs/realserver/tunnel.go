package realserver

import (
	"fmt"

	"github.com/lbha/lbha/ipvs"
)

// The tunnel devices: each is the fallback device of a module, which the kernel
// makes with it, and which takes in what no other device is for.
const (
	tunl0   = "tunl0"   // IPv4 in IPv4
	sit0    = "sit0"    // IPv6 in IPv4
	ip6tnl0 = "ip6tnl0" // IPv6 in IPv6, and with the mode anyProtocol IPv4 in IPv6
	gre0    = "gre0"    // both in GRE over IPv4
	ip6gre0 = "ip6gre0" // both in GRE over IPv6
)

// modules are the kernel's modules that make a tunnel device.
var modules = map[string]string{tunl0: "ipip", sit0: "sit", ip6tnl0: "ip6_tunnel", gre0: "ip_gre", ip6gre0: "ip6_gre"}

// outer is the family of the packets that the tunnel's travel in.
func (w Wanted) outer() ipvs.Family {
	if w.Over != 0 {
		return w.Over
	}
	return w.family()
}

// tunnelDevice is the device out of which the tunnel's packets come. GUE has none
// of its own: what its port has unwrapped goes where plain IPIP goes.
func (w Wanted) tunnelDevice() string {
	four := w.outer() == ipvs.IPv4
	switch {
	case w.Tunnel.Type == ipvs.GRE && four:
		return gre0
	case w.Tunnel.Type == ipvs.GRE:
		return ip6gre0
	case !four:
		return ip6tnl0
	case w.VIP.Is4():
		return tunl0
	}
	return sit0
}

// The modes of ip6tnl0: the protocols that it takes in.
const (
	anyProtocol = "any"
	onlyIPv6    = "ipv6/ipv6"
	onlyIPv4    = "ip/ipv6"
)

// gue is the value of a Listener that unwraps GUE.
const gue = "gue"

func listener(over ipvs.Family, port uint16) Setting {
	return Setting{Listener, fmt.Sprintf("%v port %d", over, port)}
}

// listener are the family and the port of a Listener.
func (s Setting) listener() (over ipvs.Family, port uint16, err error) {
	var family string
	if _, err := fmt.Sscanf(s.Name, "%s port %d", &family, &port); err != nil || s.Kind != Listener || port == 0 {
		return 0, 0, fmt.Errorf("%s %q is no UDP port of a family", s.Kind, s.Name)
	}
	err = over.UnmarshalText([]byte(family))
	return over, port, err
}

// unwrapping is what the tunnel asks of the host beside its device, which exists.
func (w Wanted) unwrapping() (rs []requirement) {
	if w.tunnelDevice() == ip6tnl0 && w.VIP.Is4() {
		rs = append(rs, requirement{Setting{TunnelMode, ip6tnl0}, anyProtocol, nil, "it takes in IPv6 alone, and the VIP is IPv4"})
	}
	if w.Tunnel.Type == ipvs.GUE {
		rs = append(rs, requirement{listener(w.outer(), w.Tunnel.Port), gue, nil, "nothing unwraps what comes to the port"})
	}
	return rs
}

// occupied looks at the UDP port of a GUE tunnel.
func (w Wanted) occupied(h Host) Finding {
	l := listener(w.outer(), w.Tunnel.Port)
	switch has := h.value(l); has {
	case absent, gue:
		return Finding{OK: true, Text: fmt.Sprintf("UDP %s unwraps nothing but GUE", l.Name)}
	default:
		return Finding{Text: fmt.Sprintf("UDP %s unwraps %s, not GUE", l.Name, has), Fix: Step{l, has, absent}.String()}
	}
}
