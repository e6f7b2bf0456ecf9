//go:build linux

package address

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/integration/lan"
)

// until reads the link each time the Watch has news, as a caller does, until it
// is as wanted.
func until(t *testing.T, what string, c *Conn, w *Watch, want func(s *State) bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		s := link(t, c)
		if want(&s) {
			return
		}
		if !lan.Readable(t, w.FD(), time.Until(deadline)) {
			t.Fatalf("%s: nothing more is heard, and the link is %+v", what, s)
		}
		var ch Changes
		if err := w.Read(&ch); err != nil {
			t.Fatal(err)
		}
	}
}

// What duplicate address detection makes of an address, as a caller sees it.
func TestDuplicateAddressDetection(t *testing.T) {
	t.Parallel()
	hosts := lan.WithIPv6(lan.New(t, 2))
	h := hosts[0]
	c := dial(t, h)
	w := watch(t, h, c)
	free, taken := netip.MustParseAddr("fe80::aa"), hosts[1].Link6
	usable := func(s *State, a netip.Addr) bool {
		return slices.ContainsFunc(s.Addrs, func(p netip.Prefix) bool { return p.Addr() == a })
	}
	h.IP("address add fe80::aa/64 dev eth0")
	if s := link(t, c); usable(&s, free) || !slices.Contains(s.Tentative, free) {
		t.Errorf("just added: %+v", s)
	}
	until(t, "nobody has it", c, w, func(s *State) bool { return usable(s, free) && !slices.Contains(s.Tentative, free) })
	h.IP(fmt.Sprintf("address add %v/64 dev eth0", taken))
	until(t, "another has it", c, w, func(s *State) bool { return !usable(s, taken) && slices.Contains(s.Duplicate, taken) })
	h.IP("address add fe80::bb/64 dev eth0 nodad")
	until(t, "without detection", c, w, func(s *State) bool { return usable(s, netip.MustParseAddr("fe80::bb")) })
}

func TestIPv6Settings(t *testing.T) {
	h := lan.WithIPv6(lan.New(t, 1))[0]
	c := dial(t, h)
	w := watch(t, h, c)
	set := func(key, value string) { h.Run("sysctl", "-qw", "net.ipv6.conf."+key+"="+value) }
	if s := link(t, c); s.Router || s.IPv6Off {
		t.Errorf("at first: %+v", s)
	}
	set("eth0.forwarding", "1")
	until(t, "forwarding", c, w, func(s *State) bool { return s.Router })
	set("eth0.forwarding", "0")
	until(t, "no forwarding", c, w, func(s *State) bool { return !s.Router })
	set("all.forwarding", "1")
	until(t, "all forward", c, w, func(s *State) bool { return s.Router })
	set("eth0.disable_ipv6", "1")
	until(t, "no IPv6", c, w, func(s *State) bool {
		return s.IPv6Off && !slices.ContainsFunc(s.Addrs, func(p netip.Prefix) bool { return p.Addr().Is6() })
	})
	if err := c.Claim(vips(t, c, "2001:db8::100/128"), 0); !errors.Is(err, ErrIPv6Off) {
		t.Errorf("claimed where there is no IPv6: %v, want %v", err, ErrIPv6Off)
	}
	set("eth0.disable_ipv6", "0")
	until(t, "IPv6 again", c, w, func(s *State) bool { return !s.IPv6Off })
}

func TestPrimary6(t *testing.T) {
	addrs := []netip.Prefix{
		netip.MustParsePrefix("10.77.0.1/24"),
		netip.MustParsePrefix("2001:db8::2/64"), netip.MustParsePrefix("2001:db8::100/128"), netip.MustParsePrefix("2001:db8::1/64"),
		netip.MustParsePrefix("fe80::100/128"), netip.MustParsePrefix("fe80::2/64"), netip.MustParsePrefix("fe80::1/64"), netip.MustParsePrefix("fe80::101/64"),
	}
	vs := []VIP{{Prefix: netip.MustParsePrefix("fe80::100/128")}, {Prefix: netip.MustParsePrefix("fe80::101/64")}, {Prefix: netip.MustParsePrefix("2001:db8::100/128")}}
	for _, tt := range []struct {
		linkLocal bool
		addrs     []netip.Prefix
		want      string
	}{
		{true, addrs, "fe80::1"},
		{false, addrs, "2001:db8::1"},
		{true, addrs[:5], "invalid IP"},
		{false, addrs[4:], "invalid IP"},
		{true, nil, "invalid IP"},
	} {
		got, ok := Primary6(tt.addrs, vs, tt.linkLocal)
		if got.String() != tt.want || ok != got.IsValid() {
			t.Errorf("link-local %v of %v: %v, %v; want %s", tt.linkLocal, tt.addrs, got, ok, tt.want)
		}
	}
}

// A VIP is no source of what the host sends, though it has more in common with
// the destination than the interface's own address.
func TestVIPIsNoSource6(t *testing.T) {
	h := lan.WithIPv6(lan.New(t, 1))[0]
	c := dial(t, h)
	if err := c.Claim(vips(t, c, "2001:db8:77::100/128", "2001:db8:77::101/64", "fe80::1:100/128"), 0); err != nil {
		t.Fatal(err)
	}
	for to, want := range map[string]netip.Addr{"2001:db8:77::102": h.Addr6, "2001:db8:77::180": h.Addr6, "fe80::1:101": h.Link6} {
		var from netip.Addr
		index := link(t, c).Index
		h.Do(func() {
			fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(fd)
			if err := unix.Connect(fd, &unix.SockaddrInet6{Addr: netip.MustParseAddr(to).As16(), Port: 9, ZoneId: uint32(index)}); err != nil {
				t.Fatal(err)
			}
			sa, err := unix.Getsockname(fd)
			if err != nil {
				t.Fatal(err)
			}
			from = netip.AddrFrom16(sa.(*unix.SockaddrInet6).Addr)
		})
		if from != want && !(from.IsLinkLocalUnicast() && want.IsLinkLocalUnicast() && from != netip.MustParseAddr("fe80::1:100")) {
			t.Errorf("to %s: from %v, want %v", to, from, want)
		}
	}
}
