package realserver

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/lbha/lbha/ipvs"
)

// Host is a snapshot of what matters of a host.
type Host struct {
	Links []Link
	// Sysctls are the values by path below /proc/sys. One that does not exist is
	// missing.
	Sysctls map[string]string
	// Gateways are the next hops of the default route of each family with the
	// lowest metric: several for a multipath route.
	Gateways []Gateway
	// Proxies are the entries of neighbour discovery on behalf of others.
	Proxies []Proxy
	// Filter is our nftables table as nft lists it; empty if there is none, or
	// if nobody asked.
	Filter string
	// Listeners are the UDP ports whose packets the kernel unwraps (foo over UDP),
	// as the name of a Setting, and what they unwrap; empty if nobody asked.
	Listeners map[string]string
}

// Link is a network interface.
type Link struct {
	Name string
	// Up: administratively.
	Up bool
	// Speaks: it takes part in ARP and neighbour discovery, as neither the
	// loopback interface nor a tunnel does.
	Speaks bool
	// Addrs are its addresses, each with its prefix length, in the kernel's
	// order.
	Addrs []netip.Prefix
	// Mode is what an ip6tnl device takes in, as ip(8) says it: "ipv6/ipv6",
	// "ip/ipv6" or "any". Empty for others.
	Mode string
}

// Gateway is a next hop of a default route.
type Gateway struct {
	Family ipvs.Family
	// Addr is invalid where the route leads onto the link itself.
	Addr      netip.Addr
	Interface string
}

// Proxy is an address for which the host answers on an interface in the name of
// another.
type Proxy struct {
	Addr      netip.Addr
	Interface string
}

func (h Host) link(name string) (Link, bool) {
	i := slices.IndexFunc(h.Links, func(l Link) bool { return l.Name == name })
	if i < 0 {
		return Link{}, false
	}
	return h.Links[i], true
}

// Kind is a kind of [Setting].
type Kind string

// The kinds, with the name and the values of their settings.
const (
	Sysctl  Kind = "sysctl"  // path below /proc/sys; its text, empty where it does not exist
	LinkSet Kind = "link"    // interface; "absent", "down" or "up"
	Address Kind = "address" // "PREFIX dev INTERFACE"; "absent" or "present"
	Filter  Kind = "filter"  // nftables table of the family arp; its text, empty if there is none
	// TunnelMode is what an ip6tnl device takes in; its name, and [Link].Mode.
	TunnelMode Kind = "tunnel-mode"
	// Listener is a UDP port whose packets the kernel unwraps: "FAMILY port PORT";
	// "absent", "gue", or what else it unwraps.
	Listener Kind = "listener"
)

const (
	absent  = "absent"
	present = "present"
	down    = "down"
	up      = "up"
)

// Setting is one thing of a host that a real server depends on.
type Setting struct {
	Kind Kind   `json:"kind"`
	Name string `json:"name"`
}

func sysctl(format string, args ...any) Setting {
	return Setting{Sysctl, fmt.Sprintf(format, args...)}
}

func address(p netip.Prefix, device string) Setting {
	return Setting{Address, fmt.Sprintf("%v dev %s", p, device)}
}

// parts are the prefix and the interface of an Address.
func (s Setting) parts() (netip.Prefix, string, error) {
	prefix, device, ok := strings.Cut(s.Name, " dev ")
	if !ok || s.Kind != Address {
		return netip.Prefix{}, "", fmt.Errorf("%s %q is no address of an interface", s.Kind, s.Name)
	}
	p, err := netip.ParsePrefix(prefix)
	return p, device, err
}

// value is what the setting is now.
func (h Host) value(s Setting) string {
	switch s.Kind {
	case Sysctl:
		return h.Sysctls[s.Name]
	case Filter:
		return h.Filter
	case TunnelMode:
		l, _ := h.link(s.Name)
		return l.Mode
	case Listener:
		return cmp.Or(h.Listeners[s.Name], absent)
	case LinkSet:
		switch l, ok := h.link(s.Name); {
		case !ok:
			return absent
		case l.Up:
			return up
		}
		return down
	}
	p, device, err := s.parts()
	if l, ok := h.link(device); err == nil && ok && slices.Contains(l.Addrs, p) {
		return present
	}
	return absent
}

// Step is one change of a host.
type Step struct {
	Setting
	From string `json:"from"`
	To   string `json:"to"`
}

// String is the command that an operator would type.
func (s Step) String() string {
	switch s.Kind {
	case Sysctl:
		return fmt.Sprintf("sysctl -w %s=%s", s.Name, s.To)
	case LinkSet:
		if s.From == absent {
			return "modprobe " + modules[s.Name]
		}
		return fmt.Sprintf("ip link set %s %s", s.Name, s.To)
	case Filter:
		if s.To == "" {
			return "nft delete table arp " + s.Name
		}
		return fmt.Sprintf("nft -f - (table arp %s)", s.Name)
	case TunnelMode:
		return fmt.Sprintf("ip -6 tunnel change %s mode %s", s.Name, s.To)
	case Listener:
		over, port, _ := s.listener()
		family := map[ipvs.Family]string{ipvs.IPv6: "-6 "}[over]
		if s.To == absent {
			return fmt.Sprintf("ip %sfou del port %d", family, port)
		}
		return fmt.Sprintf("ip %sfou add port %d %s", family, port, s.To)
	}
	switch p, _, _ := s.parts(); {
	case s.To == absent:
		return "ip address del " + s.Name
	case p.Addr().Is6():
		return "ip address add " + s.Name + " nodad preferred_lft 0"
	}
	return "ip address add " + s.Name
}

// undo is the step back. A device that came with its module only goes down.
func (s Step) undo() Step {
	s.From, s.To = s.To, s.From
	if s.Kind == LinkSet && s.To == absent {
		s.To = down
	}
	return s
}
