package realserver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/lbha/lbha/ipvs"
)

// fake is a host in memory.
type fake struct {
	t    testing.TB
	host Host
	// fail is the number of the step that fails, from 1; die the one during
	// which the process ends.
	fail, die int
	steps     int
	// stubborn is a sysctl that does not keep what is written to it.
	stubborn string
	// noModule: the tunnel's module cannot be loaded.
	noModule bool
}

// listed is how the fake's nft repeats rules: in other words.
const listed = "# as listed\n"

var (
	errFake = errors.New("the kernel says no")
	errDied = errors.New("the process died")
)

func newFake(t testing.TB) *fake {
	h := Host{Sysctls: map[string]string{}}
	f := &fake{t: t}
	h.Gateways = []Gateway{{ipvs.IPv4, netip.MustParseAddr("10.0.0.1"), "eth0"}}
	f.host = h
	for _, key := range []string{"arp_ignore", "arp_announce", "rp_filter"} {
		f.host.Sysctls["net/ipv4/conf/all/"+key] = "0"
	}
	f.addLink(Link{Name: "lo", Up: true, Addrs: prefixes("127.0.0.1/8 ::1/128")})
	f.addLink(Link{Name: "eth0", Up: true, Speaks: true, Addrs: prefixes("10.0.0.5/24 10.1.0.5/16 fe80::5/64")})
	return f
}

func prefixes(text string) []netip.Prefix {
	var ps []netip.Prefix
	for _, f := range strings.Fields(text) {
		ps = append(ps, netip.MustParsePrefix(f))
	}
	return ps
}

func (f *fake) addLink(l Link) {
	f.host.Links = append(f.host.Links, l)
	for _, key := range []string{"ipv4/conf/%s/arp_ignore", "ipv4/conf/%s/arp_announce", "ipv4/conf/%s/rp_filter", "ipv6/conf/%s/disable_ipv6"} {
		if path := "net/" + fmt.Sprintf(key, l.Name); path != late || l.Up {
			f.host.Sysctls[path] = "0"
		}
	}
}

// late is a setting that is there once its device has been up.
const late = "net/ipv6/conf/gre0/disable_ipv6"

func (f *fake) edit(name string, change func(l *Link)) {
	i := slices.IndexFunc(f.host.Links, func(l Link) bool { return l.Name == name })
	if i < 0 {
		f.t.Fatalf("no link %s", name)
	}
	change(&f.host.Links[i])
}

func (f *fake) Observe(_ context.Context, also Extra) (Host, error) {
	h := f.host
	h.Links, h.Sysctls, h.Listeners = slices.Clone(h.Links), maps.Clone(h.Sysctls), maps.Clone(h.Listeners)
	for i := range h.Links {
		h.Links[i].Addrs = slices.Clone(h.Links[i].Addrs)
	}
	if !also.Filter {
		h.Filter = ""
	}
	if !also.Listeners {
		h.Listeners = nil
	}
	return h, nil
}

func (f *fake) Apply(_ context.Context, s Step) error {
	f.steps++
	switch f.steps {
	case f.fail:
		return errFake
	case f.die:
		panic(errDied)
	}
	switch s.Kind {
	case Sysctl:
		if _, ok := f.host.Sysctls[s.Name]; !ok {
			return errors.New("no such sysctl: " + s.Name)
		}
		if s.Name != f.stubborn {
			f.host.Sysctls[s.Name] = s.To
		}
	case LinkSet:
		if s.From == absent {
			if f.noModule {
				return errFake
			}
			l := Link{Name: s.Name}
			if s.Name == ip6tnl0 {
				l.Mode = onlyIPv6
			}
			f.addLink(l)
			return nil
		}
		f.edit(s.Name, func(l *Link) { l.Up = s.To == up })
		if _, ok := f.host.Sysctls[late]; s.Name == gre0 && s.To == up && !ok {
			f.host.Sysctls[late] = cmp.Or(f.host.Sysctls["net/ipv6/conf/default/disable_ipv6"], "0")
		}
	case Filter:
		f.host.Filter = ""
		if s.To != "" {
			f.host.Filter = listed + strings.TrimPrefix(s.To, listed)
		}
	case TunnelMode:
		f.edit(s.Name, func(l *Link) { l.Mode = s.To })
	case Listener:
		if f.host.Listeners == nil {
			f.host.Listeners = map[string]string{}
		}
		if f.host.Listeners[s.Name] = s.To; s.To == absent {
			delete(f.host.Listeners, s.Name)
		}
	case Address:
		p, device, err := s.parts()
		if err != nil {
			return err
		}
		f.edit(device, func(l *Link) {
			if slices.Contains(l.Addrs, p) == (s.To == present) {
				f.t.Errorf("%v: it is so already", s)
			}
			if s.To == present {
				l.Addrs = append(l.Addrs, p)
			} else {
				l.Addrs = slices.DeleteFunc(l.Addrs, func(q netip.Prefix) bool { return p == q })
			}
		})
	}
	f.unguarded()
	return nil
}

// unguarded looks for a VIP, an IPv4 address of 192.0.2.0/24, for which the host
// would answer ARP. It is called after each step.
func (f *fake) unguarded() {
	effective := func(key string) string {
		return max(f.host.Sysctls["net/ipv4/conf/all/"+key], f.host.Sysctls["net/ipv4/conf/eth0/"+key])
	}
	silent := effective("arp_ignore") != "0" && effective("arp_announce") == "2"
	for _, l := range f.host.Links {
		for _, p := range l.Addrs {
			vip := netip.MustParsePrefix("192.0.2.0/24").Contains(p.Addr())
			if vip && !silent && !strings.Contains(f.host.Filter, p.Addr().String()) {
				f.t.Errorf("step %d: %v is on %s without a guard", f.steps, p, l.Name)
			}
		}
	}
}

// String is the whole state of the host.
func (f *fake) String() string { return show(f.host) }

func show(h Host) string {
	var lines []string
	for _, l := range h.Links {
		state := down
		if l.Up {
			state = up
		}
		lines = append(lines, fmt.Sprintf("%s %s %v", l.Name, state, l.Addrs))
	}
	for _, k := range slices.Sorted(maps.Keys(h.Sysctls)) {
		if v := h.Sysctls[k]; v != "0" {
			lines = append(lines, k+" = "+v)
		}
	}
	for _, l := range h.Links {
		if l.Mode != "" {
			lines = append(lines, l.Name+" takes in "+l.Mode)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(h.Listeners)) {
		lines = append(lines, name+" unwraps "+h.Listeners[name])
	}
	return strings.Join(append(lines, h.Filter), "\n")
}

// want reads "VIP MODE [interface X] [arp X] [director X] [tunnel X] [port X] [over X]".
func want(t testing.TB, text string) Wanted {
	t.Helper()
	f := strings.Fields(text)
	w := Wanted{VIP: netip.MustParseAddr(f[0])}
	if err := w.Mode.UnmarshalText([]byte(f[1])); err != nil {
		t.Fatal(err)
	}
	for i := 2; i+1 < len(f); i += 2 {
		switch f[i] {
		case "interface":
			w.Interface = f[i+1]
		case "arp":
			w.ARP = ARP(f[i+1])
		case "director":
			w.Director = netip.MustParseAddr(f[i+1])
		case "tunnel":
			if err := w.Tunnel.Type.UnmarshalText([]byte(f[i+1])); err != nil {
				t.Fatal(err)
			}
		case "port":
			port, err := strconv.ParseUint(f[i+1], 10, 16)
			if err != nil {
				t.Fatal(err)
			}
			w.Tunnel.Port = uint16(port)
		case "over":
			if err := w.Over.UnmarshalText([]byte(f[i+1])); err != nil {
				t.Fatal(err)
			}
		default:
			t.Fatalf("unknown word %q", f[i])
		}
	}
	return w
}

func text(steps []Step) string {
	var lines []string
	for _, s := range steps {
		lines = append(lines, s.String())
	}
	return strings.Join(lines, "\n")
}
