package realserver

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/lbha/lbha/ipvs"
)

// Up takes exactly these steps, a second Up none, Show then finds nothing wrong,
// and Down restores the host.
func TestUp(t *testing.T) {
	tests := []struct {
		name  string
		host  func(f *fake)
		want  []string
		steps string
		down  string
	}{
		{
			name: "dr",
			want: []string{"192.0.2.1 dr"},
			steps: `sysctl -w net/ipv4/conf/all/arp_ignore=1
sysctl -w net/ipv4/conf/all/arp_announce=2
sysctl -w net/ipv4/conf/eth0/arp_ignore=1
sysctl -w net/ipv4/conf/eth0/arp_announce=2
ip address add 192.0.2.1/32 dev lo`,
			down: `ip address del 192.0.2.1/32 dev lo
sysctl -w net/ipv4/conf/eth0/arp_announce=0
sysctl -w net/ipv4/conf/eth0/arp_ignore=0
sysctl -w net/ipv4/conf/all/arp_announce=0
sysctl -w net/ipv4/conf/all/arp_ignore=0`,
		},
		{
			name: "what is there already is left, before and after",
			host: func(f *fake) {
				f.host.Sysctls["net/ipv4/conf/all/arp_ignore"] = "2"
				f.host.Sysctls["net/ipv4/conf/all/arp_announce"] = "2"
				f.host.Sysctls["net/ipv4/conf/eth0/arp_ignore"] = "3" // answers for what has global scope
				f.edit("lo", func(l *Link) { l.Addrs = append(l.Addrs, prefixes("192.0.2.1/32")...) })
			},
			want: []string{"192.0.2.1 dr interface eth0"},
			steps: `sysctl -w net/ipv4/conf/eth0/arp_ignore=1
sysctl -w net/ipv4/conf/eth0/arp_announce=2`,
			down: `sysctl -w net/ipv4/conf/eth0/arp_announce=0
sysctl -w net/ipv4/conf/eth0/arp_ignore=3`,
		},
		{
			name:  "IPv6 needs no guard, an interface only if IPv6 is off on it",
			host:  func(f *fake) { f.host.Gateways = nil; f.host.Sysctls["net/ipv6/conf/lo/disable_ipv6"] = "1" },
			want:  []string{"2001:db8::1 dr"},
			steps: "sysctl -w net/ipv6/conf/lo/disable_ipv6=0\nip address add 2001:db8::1/128 dev lo nodad preferred_lft 0",
			down:  "ip address del 2001:db8::1/128 dev lo\nsysctl -w net/ipv6/conf/lo/disable_ipv6=1",
		},
		{
			name: "tun, with the module to load",
			want: []string{"192.0.2.1 tun"},
			steps: `sysctl -w net/ipv4/conf/all/arp_ignore=1
sysctl -w net/ipv4/conf/all/arp_announce=2
sysctl -w net/ipv4/conf/eth0/arp_ignore=1
sysctl -w net/ipv4/conf/eth0/arp_announce=2
modprobe ipip
ip link set tunl0 up
ip address add 192.0.2.1/32 dev tunl0`,
			down: `ip address del 192.0.2.1/32 dev tunl0
ip link set tunl0 down
sysctl -w net/ipv4/conf/eth0/arp_announce=0
sysctl -w net/ipv4/conf/eth0/arp_ignore=0
sysctl -w net/ipv4/conf/all/arp_announce=0
sysctl -w net/ipv4/conf/all/arp_ignore=0`,
		},
		{
			name: "tun, tunl0 up before, strict everywhere: loose on tunl0 overrules, all stays strict",
			host: func(f *fake) {
				f.addLink(Link{Name: "tunl0", Up: true})
				f.host.Sysctls["net/ipv4/conf/all/rp_filter"] = "1"
				f.host.Sysctls["net/ipv4/conf/tunl0/rp_filter"] = "1"
			},
			want: []string{"192.0.2.1 tun arp filter"},
			steps: `sysctl -w net/ipv4/conf/tunl0/rp_filter=2
nft -f - (table arp lbha_realserver)
ip address add 192.0.2.1/32 dev tunl0`,
			down: `ip address del 192.0.2.1/32 dev tunl0
nft delete table arp lbha_realserver
sysctl -w net/ipv4/conf/tunl0/rp_filter=1`,
		},
		{
			name: "tun, strict on tunl0 alone",
			host: func(f *fake) {
				f.addLink(Link{Name: "tunl0", Up: true})
				f.host.Sysctls["net/ipv4/conf/tunl0/rp_filter"] = "1"
			},
			want: []string{"192.0.2.1 tun arp filter"},
			steps: `sysctl -w net/ipv4/conf/tunl0/rp_filter=0
nft -f - (table arp lbha_realserver)
ip address add 192.0.2.1/32 dev tunl0`,
			down: `ip address del 192.0.2.1/32 dev tunl0
nft delete table arp lbha_realserver
sysctl -w net/ipv4/conf/tunl0/rp_filter=1`,
		},
		{
			name: "tun, loose everywhere is right as it is",
			host: func(f *fake) {
				f.addLink(Link{Name: "tunl0", Up: true})
				f.host.Sysctls["net/ipv4/conf/all/rp_filter"] = "2"
			},
			want:  []string{"192.0.2.1 tun arp filter"},
			steps: "nft -f - (table arp lbha_realserver)\nip address add 192.0.2.1/32 dev tunl0",
			down:  "ip address del 192.0.2.1/32 dev tunl0\nnft delete table arp lbha_realserver",
		},
		{
			name:  "tun for IPv6",
			want:  []string{"2001:db8::1 tun"},
			steps: "modprobe ip6_tunnel\nip link set ip6tnl0 up\nip address add 2001:db8::1/128 dev ip6tnl0 nodad preferred_lft 0",
			down:  "ip address del 2001:db8::1/128 dev ip6tnl0\nip link set ip6tnl0 down",
		},
		{
			name: "gre: both families come out of gre0",
			host: func(f *fake) { f.addLink(Link{Name: "gre0"}); f.host.Sysctls["net/ipv4/conf/gre0/rp_filter"] = "1" },
			want: []string{"192.0.2.1 tun arp filter tunnel gre", "2001:db8::1 tun tunnel gre over ipv4"},
			steps: `sysctl -w net/ipv4/conf/gre0/rp_filter=0
ip link set gre0 up
nft -f - (table arp lbha_realserver)
ip address add 192.0.2.1/32 dev gre0
ip address add 2001:db8::1/128 dev gre0 nodad preferred_lft 0`,
			down: `ip address del 2001:db8::1/128 dev gre0
ip address del 192.0.2.1/32 dev gre0
nft delete table arp lbha_realserver
ip link set gre0 down
sysctl -w net/ipv4/conf/gre0/rp_filter=1`,
		},
		{
			name: "gre for IPv6 alone: gre0 is no interface of IPv6 until it is up, and then as new ones are",
			host: func(f *fake) { f.host.Sysctls["net/ipv6/conf/default/disable_ipv6"] = "1" },
			want: []string{"2001:db8::1 tun tunnel gre over ipv4"},
			steps: `modprobe ip_gre
ip link set gre0 up
sysctl -w net/ipv6/conf/gre0/disable_ipv6=0
ip address add 2001:db8::1/128 dev gre0 nodad preferred_lft 0`,
			down: `ip address del 2001:db8::1/128 dev gre0
sysctl -w net/ipv6/conf/gre0/disable_ipv6=1
ip link set gre0 down`,
		},
		{
			name: "gue: a port unwraps it for the device of ipip",
			want: []string{"2001:db8::1 tun tunnel gue port 6080"},
			steps: `modprobe ip6_tunnel
ip -6 fou add port 6080 gue
ip link set ip6tnl0 up
ip address add 2001:db8::1/128 dev ip6tnl0 nodad preferred_lft 0`,
			down: `ip address del 2001:db8::1/128 dev ip6tnl0
ip -6 fou del port 6080
ip link set ip6tnl0 down`,
		},
		{
			name: "a tunnel over the other family",
			host: func(f *fake) {
				f.addLink(Link{Name: "ip6tnl0", Mode: onlyIPv6})
				f.addLink(Link{Name: "sit0", Up: true})
				f.host.Listeners = map[string]string{"ipv4 port 6080": gue}
			},
			want: []string{"192.0.2.1 tun arp filter over ipv6", "2001:db8::1 tun over ipv4", "2001:db8::2 tun tunnel gue port 6080 over ipv4"},
			steps: `ip -6 tunnel change ip6tnl0 mode any
ip link set ip6tnl0 up
nft -f - (table arp lbha_realserver)
ip address add 192.0.2.1/32 dev ip6tnl0
ip address add 2001:db8::1/128 dev sit0 nodad preferred_lft 0
ip address add 2001:db8::2/128 dev sit0 nodad preferred_lft 0`,
			down: `ip address del 2001:db8::2/128 dev sit0
ip address del 2001:db8::1/128 dev sit0
ip address del 192.0.2.1/32 dev ip6tnl0
nft delete table arp lbha_realserver
ip link set ip6tnl0 down
ip -6 tunnel change ip6tnl0 mode ipv6/ipv6`,
		},
		{
			name: "nat changes nothing",
			want: []string{"192.0.2.1 nat director 10.0.0.1"},
		},
		{
			name: "several VIPs share what they need",
			host: func(f *fake) { f.edit("lo", func(l *Link) { l.Up = false }) },
			want: []string{"192.0.2.1 dr arp filter", "192.0.2.2 dr arp filter", "2001:db8::1 dr"},
			steps: `ip link set lo up
nft -f - (table arp lbha_realserver)
ip address add 192.0.2.1/32 dev lo
ip address add 192.0.2.2/32 dev lo
ip address add 2001:db8::1/128 dev lo nodad preferred_lft 0`,
			down: `ip address del 2001:db8::1/128 dev lo
ip address del 192.0.2.2/32 dev lo
ip address del 192.0.2.1/32 dev lo
nft delete table arp lbha_realserver
ip link set lo down`,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ctx := t.Context()
			f, dir := newFake(t), t.TempDir()
			if test.host != nil {
				test.host(f)
			}
			before := f.String()
			var wanted []Wanted
			for _, w := range test.want {
				wanted = append(wanted, want(t, w))
			}
			s := New(f, dir)
			steps, err := s.Up(ctx, wanted...)
			if err != nil {
				t.Fatal(err)
			}
			same(t, "steps", test.steps, text(steps))
			if steps, err := New(f, dir).Up(ctx, wanted...); err != nil || len(steps) > 0 {
				t.Errorf("again: %v, %v", text(steps), err)
			}
			reports, err := s.Show(ctx)
			if err != nil || len(reports) != len(wanted) {
				t.Errorf("show: %v, %v", reports, err)
			}
			for _, r := range reports {
				if !r.OK() {
					t.Errorf("show: %+v", r)
				}
			}
			steps, left, err := s.Down(ctx)
			if err != nil || left != nil {
				t.Fatal(left, err)
			}
			same(t, "steps down", test.down, text(steps))
			// What came with a module stays with it.
			same(t, "host", before, withoutModules(before, f.String()))
			if state := file(t, dir); state != "" {
				t.Errorf("the state is left:\n%s", state)
			}
			if _, _, err := s.Down(ctx); !errors.Is(err, ErrNothing) {
				t.Errorf("down again: %v", err)
			}
		})
	}
}

// withoutModules is a state without the lines of devices that came with their
// modules: those that are not in the state before.
func withoutModules(before, state string) string {
	var lines []string
	for line := range strings.SplitSeq(state, "\n") {
		name, _, _ := strings.Cut(line, " ")
		if modules[name] == "" && !strings.HasPrefix(name, "net/ipv6/conf/gre0/") || strings.Contains(before, name+" ") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

func TestUpRefuses(t *testing.T) {
	tests := []struct {
		name, want, err string
		host            func(f *fake)
	}{
		{"the VIP on the wire", "192.0.2.1 dr", `VIP 192.0.2.1: 192.0.2.1/24 is on eth0: the host answers for it there, as only the director may; fix: ip address del 192.0.2.1/24 dev eth0`,
			func(f *fake) {
				f.edit("eth0", func(l *Link) { l.Addrs = append(l.Addrs, prefixes("192.0.2.1/24")...) })
			}},
		{"a short mask", "192.0.2.1 dr", `VIP 192.0.2.1: 192.0.2.1/24 is on lo: with this mask the whole network seems to be there; fix: ip address del 192.0.2.1/24 dev lo`,
			func(f *fake) { f.edit("lo", func(l *Link) { l.Addrs = append(l.Addrs, prefixes("192.0.2.1/24")...) }) }},
		{"a VIP in NAT mode", "192.0.2.1 nat director 10.0.0.1", `VIP 192.0.2.1: 192.0.2.1/32 is on lo, and in NAT mode belongs on the director alone; fix: ip address del 192.0.2.1/32 dev lo`,
			func(f *fake) { f.edit("lo", func(l *Link) { l.Addrs = append(l.Addrs, prefixes("192.0.2.1/32")...) }) }},
		{"a proxy entry", "2001:db8::1 dr", `VIP 2001:db8::1: a proxy entry may answer neighbour solicitations for 2001:db8::1 on eth0; fix: ip -6 neighbour del proxy 2001:db8::1 dev eth0`,
			func(f *fake) { f.host.Proxies = []Proxy{{netip.MustParseAddr("2001:db8::1"), "eth0"}} }},
		{"no such interface", "192.0.2.1 dr interface eth7", `VIP 192.0.2.1: there is no interface eth7; fix: name the interface of the real server's own address (--interface)`, nil},
		{"an interface without ARP", "192.0.2.1 dr interface lo", `VIP 192.0.2.1: interface lo does not speak ARP; fix: name the interface of the real server's own address (--interface)`, nil},
		{"an interface without an address", "192.0.2.1 dr", `VIP 192.0.2.1: interface eth0 has no IPv4 address of its own to speak ARP with; fix: name the interface of the real server's own address (--interface)`,
			func(f *fake) { f.edit("eth0", func(l *Link) { l.Addrs = prefixes("fe80::5/64") }) }},
		{"no default route to find the interface", "192.0.2.1 dr", `VIP 192.0.2.1: no IPv4 default route: name the interface of the real server's own address (--interface)`,
			func(f *fake) { f.host.Gateways = nil }},
		{"a default route elsewhere", "192.0.2.1 nat director 10.0.0.2", `VIP 192.0.2.1: the ipv4 default route leads via 10.0.0.1 (eth0), not to the director 10.0.0.2: answers pass it by, and clients refuse them; fix: ip route replace default via 10.0.0.2`, nil},
		{"one of two next hops", "192.0.2.1 nat director 10.0.0.1", `VIP 192.0.2.1: the ipv4 default route leads directly on the link (eth0), not to the director 10.0.0.1: answers pass it by, and clients refuse them; fix: ip route replace default via 10.0.0.1`,
			func(f *fake) {
				f.host.Gateways = append(f.host.Gateways, Gateway{Family: ipvs.IPv4, Interface: "eth0"})
			}},
		{"no default route", "2001:db8::1 nat director fd00::1", `VIP 2001:db8::1: there is no ipv6 default route: answers do not reach the director fd00::1; fix: ip -6 route replace default via fd00::1`, nil},
		{"no director", "192.0.2.1 nat", `VIP 192.0.2.1: NAT needs the director's inside address, to which the default route must lead (--director)`, nil},
		{"multicast", "224.0.0.18 dr", `VIP 224.0.0.18: not a unicast address without a zone`, nil},
		{"a port that unwraps something else", "192.0.2.1 tun tunnel gue port 6080", `VIP 192.0.2.1: UDP ipv4 port 6080 unwraps protocol 4, not GUE; fix: ip fou del port 6080`,
			func(f *fake) { f.host.Listeners = map[string]string{"ipv4 port 6080": "protocol 4"} }},
		{"gue without a port", "192.0.2.1 tun tunnel gue", `VIP 192.0.2.1: a gue tunnel has a UDP port, and no other has one (--tunnel-port)`, nil},
		{"gre with a port", "192.0.2.1 tun tunnel gre port 6080", `VIP 192.0.2.1: a gue tunnel has a UDP port, and no other has one (--tunnel-port)`, nil},
		{"a tunnel without tun", "192.0.2.1 dr tunnel gre", `VIP 192.0.2.1: mode dr has no tunnel`, nil},
		{"a guard that there is not", "192.0.2.1 dr arp arptables", `VIP 192.0.2.1: unknown ARP guard "arptables" (sysctl or filter)`, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f, dir := newFake(t), t.TempDir()
			if test.host != nil {
				test.host(f)
			}
			before := f.String()
			steps, err := New(f, dir).Up(t.Context(), want(t, test.want))
			if err == nil {
				t.Fatalf("not refused: %v", text(steps))
			}
			same(t, "error", test.err, err.Error())
			same(t, "host", before, f.String())
			same(t, "state", "", file(t, dir))
		})
	}
}
