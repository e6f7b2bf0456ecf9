package realserver

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/lbha/lbha/ipvs"
)

func same(t testing.TB, what, want, got string) {
	t.Helper()
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func file(t testing.TB, dir string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, stateFile))
	if errors.Is(err, os.ErrNotExist) {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

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

// Whatever step of Up or Down fails, the host and the state are as before the
// call; whatever step the process dies in, Down restores the host, and Up again
// completes it.
func TestFailureAtEachStep(t *testing.T) {
	first, second := want(t, "192.0.2.1 tun"), want(t, "192.0.2.2 dr arp filter")
	replaced := want(t, "192.0.2.1 dr arp filter")
	calls := map[string]func(ctx context.Context, s *Setup) error{
		"up":      func(ctx context.Context, s *Setup) error { _, err := s.Up(ctx, second); return err },
		"replace": func(ctx context.Context, s *Setup) error { _, err := s.Up(ctx, replaced); return err },
		"down one": func(ctx context.Context, s *Setup) error {
			_, _, err := s.Down(ctx, first.VIP)
			return err
		},
		"down": func(ctx context.Context, s *Setup) error { _, _, err := s.Down(ctx); return err },
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			// begin is a host with one VIP up; bare is what it was before that.
			begin := func() (f *fake, dir, bare string) {
				f, dir = newFake(t), t.TempDir()
				f.addLink(Link{Name: "tunl0"})
				bare = f.String()
				if _, err := New(f, dir).Up(t.Context(), first); err != nil {
					t.Fatal(err)
				}
				f.steps = 0
				return f, dir, bare
			}
			f, dir, _ := begin()
			if err := call(t.Context(), New(f, dir)); err != nil {
				t.Fatal(err)
			}
			total, after := f.steps, f.String()
			if total == 0 {
				t.Fatal("no steps to fail")
			}
			for n := 1; n <= total; n++ {
				f, dir, _ := begin()
				before, state := f.String(), file(t, dir)
				f.fail = n
				if err := call(t.Context(), New(f, dir)); !errors.Is(err, errFake) {
					t.Errorf("step %d fails: %v", n, err)
				}
				same(t, "host after failure", before, f.String())
				same(t, "state after failure", state, file(t, dir))

				for _, end := range []string{"again", "down"} {
					f, dir, bare := begin()
					f.die = n
					func() {
						defer func() {
							if r := recover(); r != errDied {
								t.Fatal(r)
							}
						}()
						_ = call(t.Context(), New(f, dir))
					}()
					if end == "again" {
						if err := call(t.Context(), New(f, dir)); err != nil {
							// All that was wanted is gone from the state: only a full Down finds the rest.
							if _, _, err := New(f, dir).Down(t.Context()); err != nil {
								t.Errorf("died in step %d, and then: %v", n, err)
							}
						}
						if name != "down one" {
							same(t, "host completed", after, f.String())
						}
						continue
					}
					if _, _, err := New(f, dir).Down(t.Context()); err != nil {
						t.Errorf("died in step %d, down: %v", n, err)
					}
					same(t, "host after death and down", bare, f.String())
					same(t, "state after death and down", "", file(t, dir))
				}
			}
		})
	}
}

func TestRollbackThatFails(t *testing.T) {
	f, dir := newFake(t), t.TempDir()
	bare := f.String()
	s := New(f, dir)
	// The address cannot be added, nor the first sysctl on the way back be restored.
	broken := &refusing{f, map[string]bool{"ip address add 192.0.2.1/32 dev lo": true, "sysctl -w net/ipv4/conf/all/arp_ignore=0": true}}
	_, err := New(broken, dir).Up(t.Context(), want(t, "192.0.2.1 dr"))
	const said = `ip address add 192.0.2.1/32 dev lo: the kernel says no; and it could not all be undone: sysctl -w net/ipv4/conf/all/arp_ignore=0: the kernel says no; repair the cause and run: lbha realserver down`
	if err == nil || err.Error() != said {
		t.Errorf("error %v, want %s", err, said)
	}
	if _, _, err := s.Down(t.Context()); err != nil {
		t.Error(err)
	}
	same(t, "host", bare, f.String())
}

// refusing is a kernel that refuses some steps.
type refusing struct {
	*fake
	steps map[string]bool
}

func (r *refusing) Apply(ctx context.Context, s Step) error {
	if r.steps[s.String()] {
		return errFake
	}
	return r.fake.Apply(ctx, s)
}

func TestWhatDoesNotLast(t *testing.T) {
	f, dir := newFake(t), t.TempDir()
	f.stubborn = "net/ipv4/conf/eth0/arp_ignore"
	before := f.String()
	_, err := New(f, dir).Up(t.Context(), want(t, "192.0.2.1 dr"))
	if err == nil || !strings.HasPrefix(err.Error(), "sysctl -w net/ipv4/conf/eth0/arp_ignore=1 does not last") {
		t.Errorf("error: %v", err)
	}
	same(t, "host", before, f.String())
}

func TestNoModule(t *testing.T) {
	f, dir := newFake(t), t.TempDir()
	f.noModule = true
	before := f.String()
	_, err := New(f, dir).Up(t.Context(), want(t, "192.0.2.1 tun"))
	const said = "modprobe ipip: the kernel says no (what was done before that is undone)"
	if err == nil || err.Error() != said {
		t.Errorf("error %v, want %s", err, said)
	}
	same(t, "host", before, f.String())
}

func TestDownLeavesWhatOthersChanged(t *testing.T) {
	f, dir := newFake(t), t.TempDir()
	s := New(f, dir)
	if _, err := s.Up(t.Context(), want(t, "192.0.2.1 dr")); err != nil {
		t.Fatal(err)
	}
	f.host.Sysctls["net/ipv4/conf/eth0/arp_ignore"] = "8"
	f.edit("lo", func(l *Link) { l.Addrs = prefixes("127.0.0.1/8") })
	steps, left, err := s.Down(t.Context())
	if err != nil || !cmp.Equal(left, []Setting{{Sysctl, "net/ipv4/conf/eth0/arp_ignore"}}) {
		t.Errorf("left %v, %v", left, err)
	}
	same(t, "steps", `sysctl -w net/ipv4/conf/eth0/arp_announce=0
sysctl -w net/ipv4/conf/all/arp_announce=0
sysctl -w net/ipv4/conf/all/arp_ignore=0`, text(steps))
	same(t, "state", "", file(t, dir))
}

func TestUpCompletesWhatIsHalfDone(t *testing.T) {
	f, dir := newFake(t), t.TempDir()
	bare := f.String()
	s, w := New(f, dir), want(t, "192.0.2.1 dr arp filter")
	if _, err := s.Up(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	f.host.Filter = listed + "table arp lbha_realserver { }"
	f.edit("lo", func(l *Link) { l.Addrs = prefixes("127.0.0.1/8 ::1/128") })
	steps, err := s.Up(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "steps", "nft -f - (table arp lbha_realserver)\nip address add 192.0.2.1/32 dev lo", text(steps))
	if _, _, err := s.Down(t.Context()); err != nil {
		t.Fatal(err)
	}
	same(t, "host", bare, f.String())
}

func TestRulesFollowTheAddresses(t *testing.T) {
	f, dir := newFake(t), t.TempDir()
	s := New(f, dir)
	if _, err := s.Up(t.Context(), want(t, "192.0.2.1 dr arp filter"), want(t, "192.0.2.2 dr arp filter")); err != nil {
		t.Fatal(err)
	}
	same(t, "filter", listed+`table arp lbha_realserver {
	chain input {
		type filter hook input priority 0; policy accept;
		arp daddr ip { 192.0.2.1, 192.0.2.2 } drop
	}
	chain output {
		type filter hook output priority 0; policy accept;
		oifname "eth0" arp saddr ip 192.0.2.1 arp daddr ip 10.0.0.0/24 arp saddr ip set 10.0.0.5
		oifname "eth0" arp saddr ip 192.0.2.1 arp daddr ip 10.1.0.0/16 arp saddr ip set 10.1.0.5
		oifname "eth0" arp saddr ip 192.0.2.1 arp saddr ip set 10.0.0.5
		oifname "eth0" arp saddr ip 192.0.2.2 arp daddr ip 10.0.0.0/24 arp saddr ip set 10.0.0.5
		oifname "eth0" arp saddr ip 192.0.2.2 arp daddr ip 10.1.0.0/16 arp saddr ip set 10.1.0.5
		oifname "eth0" arp saddr ip 192.0.2.2 arp saddr ip set 10.0.0.5
		arp saddr ip { 192.0.2.1, 192.0.2.2 } drop
	}
}
`, f.host.Filter)
	f.edit("eth0", func(l *Link) { l.Addrs = prefixes("10.0.0.6/24") })
	reports, err := s.Show(t.Context())
	if err != nil || reports[0].OK() || reports[1].OK() {
		t.Errorf("show does not see that the interface's address changed: %v %v", reports, err)
	}
	if steps, err := s.Up(t.Context(), want(t, "192.0.2.1 dr arp filter")); err != nil || len(steps) != 1 {
		t.Errorf("up: %v %v", steps, err)
	}
	if !strings.Contains(f.host.Filter, "arp saddr ip set 10.0.0.6") || strings.Contains(f.host.Filter, "10.0.0.5") {
		t.Errorf("the filter is out of date:\n%s", f.host.Filter)
	}
}

func TestShow(t *testing.T) {
	f, dir := newFake(t), t.TempDir()
	s := New(f, dir)
	if _, err := s.Show(t.Context()); !errors.Is(err, ErrNothing) {
		t.Errorf("without state: %v", err)
	}
	f.host.Sysctls["net/ipv4/conf/all/arp_ignore"] = "1"
	reports, err := s.Show(t.Context(), want(t, "192.0.2.1 tun"), want(t, "192.0.2.2 dr arp filter"), want(t, "2001:db8::1 dr"), want(t, "192.0.2.9 nat director 10.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, r := range reports {
		lines = append(lines, r.VIP.String()+" "+r.Mode.String()+" "+r.Interface)
		for _, fd := range r.Findings {
			if fd.OK {
				lines = append(lines, "ok "+fd.Text)
			} else {
				lines = append(lines, "WRONG "+fd.Text, "  "+fd.Fix)
			}
		}
	}
	same(t, "findings", `192.0.2.1 tun eth0
ok interface eth0 speaks ARP with an address of its own
ok 192.0.2.1 is on no interface where it does harm
ok net/ipv4/conf/all/arp_ignore is 1
WRONG net/ipv4/conf/all/arp_announce is 0: its own ARP requests carry the VIP
  sysctl -w net/ipv4/conf/all/arp_announce=2
WRONG net/ipv4/conf/eth0/arp_ignore is 0: the host answers ARP for the VIP
  sysctl -w net/ipv4/conf/eth0/arp_ignore=1
WRONG net/ipv4/conf/eth0/arp_announce is 0: its own ARP requests carry the VIP
  sysctl -w net/ipv4/conf/eth0/arp_announce=2
WRONG interface tunl0 is absent: the module ipip is not loaded
  modprobe ipip
WRONG 192.0.2.1/32 is not on tunl0: the host drops packets to the VIP
  ip address add 192.0.2.1/32 dev tunl0
192.0.2.2 dr eth0
ok interface eth0 speaks ARP with an address of its own
ok 192.0.2.2 is on no interface where it does harm
WRONG nftables table arp lbha_realserver is missing: the host may answer ARP for the VIP
  lbha realserver up --vip 192.0.2.2 --mode dr --interface eth0 --arp filter
ok interface lo is up
WRONG 192.0.2.2/32 is not on lo: the host drops packets to the VIP
  ip address add 192.0.2.2/32 dev lo
192.0.2.9 nat 
ok 192.0.2.9 is on no interface where it does harm
ok the ipv4 default route leads to the director 10.0.0.1
2001:db8::1 dr 
ok 2001:db8::1 is on no interface where it does harm
ok no proxy entry answers neighbour solicitations for 2001:db8::1
ok net/ipv6/conf/lo/disable_ipv6 is 0
ok interface lo is up
WRONG 2001:db8::1/128 is not on lo: the host drops packets to the VIP
  ip address add 2001:db8::1/128 dev lo nodad preferred_lft 0`, strings.Join(lines, "\n"))
	if f.steps > 0 || file(t, dir) != "" {
		t.Error("show changed something")
	}
}

// Any sequence of calls, on any host, never leaves a VIP unguarded (which the
// fake watches at each step), and ends, after Down, where it began.
func TestSequences(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		f := newFake(t)
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			r.Fatal(err)
		}
		f.addLink(Link{Name: "tunl0", Up: rapid.Bool().Draw(r, "tunl0 up")})
		for _, name := range []string{"all", "eth0", "tunl0"} {
			for _, key := range []string{"arp_ignore", "arp_announce", "rp_filter"} {
				f.host.Sysctls["net/ipv4/conf/"+name+"/"+key] = rapid.SampledFrom([]string{"0", "1", "2"}).Draw(r, key)
			}
		}
		bare := f.String()
		s := New(f, dir)
		for range rapid.IntRange(1, 8).Draw(r, "calls") {
			vip := rapid.SampledFrom([]string{"192.0.2.1", "192.0.2.2"}).Draw(r, "vip")
			mode := rapid.SampledFrom([]string{" dr", " tun", " dr arp filter", " tun arp filter", " down"}).Draw(r, "mode")
			f.steps, f.fail = 0, rapid.IntRange(0, 12).Draw(r, "failing step")
			if mode == " down" {
				_, _, err = s.Down(r.Context(), netip.MustParseAddr(vip))
			} else {
				_, err = s.Up(r.Context(), want(t, vip+mode))
			}
			if err != nil && !errors.Is(err, errFake) && !errors.Is(err, ErrNothing) {
				r.Fatal(err)
			}
		}
		f.fail = 0
		if _, left, err := s.Down(r.Context()); left != nil || err != nil && !errors.Is(err, ErrNothing) {
			r.Fatal(left, err)
		}
		if diff := cmp.Diff(bare, f.String()); diff != "" {
			r.Fatalf("the host (-before +after):\n%s", diff)
		}
	})
}

func TestStateOfOthers(t *testing.T) {
	f, dir := newFake(t), t.TempDir()
	s := New(f, dir)
	if _, err := s.Up(t.Context(), want(t, "192.0.2.1 dr")); err != nil {
		t.Fatal(err)
	}
	state := file(t, dir)
	write := func(text string) {
		if err := os.WriteFile(filepath.Join(dir, stateFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(strings.ReplaceAll(state, namespace(), "net:[1]"))
	if _, _, err := s.Down(t.Context()); err == nil || !strings.Contains(err.Error(), "belongs to another network namespace, net:[1]") {
		t.Errorf("another namespace: %v", err)
	}
	write(strings.ReplaceAll(state, bootID(), "another"))
	if _, _, err := s.Down(t.Context()); !errors.Is(err, ErrNothing) {
		t.Errorf("another boot: %v", err)
	}
	write(strings.ReplaceAll(state, "net/ipv4/conf/all/arp_ignore", "net/../kernel/core_pattern"))
	if _, _, err := s.Down(t.Context()); err == nil || !strings.Contains(err.Error(), "no sysctl of the network") {
		t.Errorf("a state that points elsewhere: %v", err)
	}
	write(state)
	if _, _, err := s.Down(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestLock(t *testing.T) {
	f, dir := newFake(t), t.TempDir()
	other, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(other.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 120*time.Millisecond)
	defer cancel()
	if _, err := New(f, dir).Up(ctx, want(t, "192.0.2.1 dr")); !errors.Is(err, context.DeadlineExceeded) || f.steps > 0 {
		t.Errorf("beside another process: %v", err)
	}
	other.Close()
	if _, err := New(f, dir).Up(t.Context(), want(t, "192.0.2.1 dr")); err != nil {
		t.Errorf("after it: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"boot":"b","namespace":"n","wanted":[{"vip":"192.0.2.1","mode":"dr","interface":"eth0","arp":"sysctl"}],"originals":[{"kind":"sysctl","name":"net/ipv4/conf/all/arp_ignore","was":"0","set":"1"},{"kind":"address","name":"192.0.2.1/32 dev lo","was":"absent","set":"present"}]}`))
	f.Add([]byte(`{"originals":[{"kind":"sysctl","name":"net/../kernel/x"}]}`))
	f.Add([]byte(`{"originals":[{"kind":"address","name":"192.0.2.1/32"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := decode(data)
		if err != nil {
			return
		}
		h := newFake(t).host
		for _, st := range plan(s.Wanted, s, h) {
			if st.Kind == Sysctl && (!strings.HasPrefix(st.Name, "net/") || strings.Contains(st.Name, "..")) {
				t.Errorf("it would write %s", st.Name)
			}
			_ = st.String()
		}
	})
}
