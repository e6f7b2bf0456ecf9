//go:build linux

package address

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/integration/lan"
)

// render leaves out link-local addresses, which come when they like.
func render(s State) string {
	var addrs []string
	for _, p := range s.Addrs {
		if !p.Addr().IsLinkLocalUnicast() {
			addrs = append(addrs, p.String())
		}
	}
	return fmt.Sprintf("%s up=%v admin=%v %v mtu %d %s", s.Name, s.Up, s.Admin, s.MAC, s.MTU, strings.Join(addrs, " "))
}

func TestLink(t *testing.T) {
	h := lan.New(t, 1)[0]
	c := dial(t, h)
	h.IP("link add eth1 type veth peer name far1")
	index := link(t, c).Index
	// The kernel's link watch tells of carrier when it gets to it.
	eventually := func(what, name, want string) {
		t.Helper()
		var got string
		for range 200 {
			s, err := c.Link(name)
			if err != nil {
				t.Fatal(err)
			}
			if got = render(s); got == want {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Errorf("%s:\n got %s\nwant %s", what, got, want)
	}
	eventually("as made", "eth0", "eth0 up=true admin=true 02:00:00:00:00:01 mtu 1500 10.77.0.1/24")
	h.IP("link set eth0 mtu 1400", "address add 10.77.0.100/32 dev eth0", "address add 2001:db8::1/64 dev eth0 nodad",
		"address add 192.0.2.1 peer 192.0.2.2/32 dev eth0")
	eventually("changed", "eth0", "eth0 up=true admin=true 02:00:00:00:00:01 mtu 1400 10.77.0.1/24 10.77.0.100/32 192.0.2.1/32 2001:db8::1/64")
	h.IP("link set eth0 down")
	eventually("down", "eth0", "eth0 up=false admin=false 02:00:00:00:00:01 mtu 1400 10.77.0.1/24 10.77.0.100/32 192.0.2.1/32")

	h.IP("link set eth1 address 02:00:00:00:01:01", "link set eth1 up")
	eventually("no carrier", "eth1", "eth1 up=false admin=true 02:00:00:00:01:01 mtu 1500 ")
	h.IP("link set far1 up")
	eventually("carrier", "eth1", "eth1 up=true admin=true 02:00:00:00:01:01 mtu 1500 ")

	h.IP("link del eth0", "link add eth0 type veth peer name far0")
	if s := link(t, c); s.Index == index {
		t.Error("an interface made again has its old index")
	}
	h.IP("link set eth0 name eth9")
	for _, name := range []string{"eth0", "", "a-name-beyond-15-bytes"} {
		if _, err := c.Link(name); !errors.Is(err, ErrNoInterface) {
			t.Errorf("Link(%q): %v, want %v", name, err, ErrNoInterface)
		}
	}
}

func TestPrimary(t *testing.T) {
	prefixes := func(ss ...string) (ps []netip.Prefix) {
		for _, s := range ss {
			ps = append(ps, netip.MustParsePrefix(s))
		}
		return ps
	}
	for _, tt := range []struct {
		name  string
		addrs []netip.Prefix
		vips  []netip.Prefix
		want  string
	}{
		{"none", nil, nil, "invalid IP"},
		{"the only one", prefixes("10.77.0.1/24"), nil, "10.77.0.1"},
		{"the first", prefixes("10.77.0.9/24", "10.77.0.1/24"), nil, "10.77.0.9"},
		{"behind a VIP", prefixes("10.77.0.100/32", "10.77.0.1/24"), prefixes("10.77.0.100/32"), "10.77.0.1"},
		{"a VIP of another length is one", prefixes("10.77.0.100/24"), prefixes("10.77.0.100/32"), "invalid IP"},
		{"IPv4 only", prefixes("fe80::1/64", "10.77.0.1/24"), nil, "10.77.0.1"},
		{"IPv6 alone", prefixes("fe80::1/64"), nil, "invalid IP"},
	} {
		var vips []VIP
		for _, p := range tt.vips {
			vips = append(vips, VIP{Prefix: p})
		}
		addr, ok := Primary(tt.addrs, vips)
		if addr.String() != tt.want || ok != addr.IsValid() {
			t.Errorf("%s: %v, %v; want %s", tt.name, addr, ok, tt.want)
		}
	}
}

// Holding a VIP does not change what the host's own packets come from, not even
// after its own address went and came back behind the VIP.
func TestVIPIsNoSource(t *testing.T) {
	hosts := lan.New(t, 1)
	h := hosts[0]
	c := dial(t, h)
	h.IP("route add default via 10.77.0.254")
	vs := vips(t, c, "10.77.0.100/32")
	check := func(when string) {
		t.Helper()
		for _, dst := range []string{"10.77.0.2", "198.51.100.1"} {
			if got := h.Run("ip", "route", "get", dst); !strings.Contains(got, "src 10.77.0.1 ") {
				t.Errorf("%s, to %s: %s", when, dst, got)
			}
		}
		if addr, ok := Primary(link(t, c).Addrs, vs); !ok || addr != h.Addr {
			t.Errorf("%s: primary address %v", when, addr)
		}
	}
	check("before")
	if err := c.Claim(vs, time.Minute); err != nil {
		t.Fatal(err)
	}
	check("holding")
	h.IP("address del 10.77.0.1/24 dev eth0")
	if addr, ok := Primary(link(t, c).Addrs, vs); ok {
		t.Errorf("without an address of its own: primary address %v", addr)
	}
	h.IP("address add 10.77.0.1/24 dev eth0", "route replace default via 10.77.0.254")
	check("behind the VIP")
}

func TestWithoutPermission(t *testing.T) {
	h := lan.New(t, 1)[0]
	c := dial(t, h)
	vs := vips(t, c, "10.77.0.100/32")
	done := make(chan error)
	go func() {
		// Capabilities belong to the thread. It is never unlocked, so it ends
		// with this goroutine.
		runtime.LockOSThread()
		hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var data [2]unix.CapUserData
		if err := unix.Capset(&hdr, &data[0]); err != nil {
			done <- err
			return
		}
		done <- c.Claim(vs, 0)
	}()
	if err := <-done; !errors.Is(err, ErrPermission) {
		t.Errorf("got %v, want %v", err, ErrPermission)
	}
}
