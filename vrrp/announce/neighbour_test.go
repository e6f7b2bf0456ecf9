//go:build linux

package announce

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/bpf"
	"pgregory.net/rapid"

	"github.com/lbha/lbha/integration/lan"
)

// The first was captured from keepalived 2.2.7.
func TestNeighbourFrame(t *testing.T) {
	const start = "33330000000102000000000a86dd" + "6000000000203aff" + "fe800000000000000000000000000064" + "ff020000000000000000000000000001"
	for _, tt := range []struct {
		router bool
		want   string
	}{
		{false, start + "880056cc" + "20000000" + "fe800000000000000000000000000064" + "020102000000000a"},
		{true, start + "8800d6cb" + "a0000000" + "fe800000000000000000000000000064" + "020102000000000a"},
	} {
		got, err := buildNA(mac(t, "02:00:00:00:00:0a"), link6, tt.router)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tt.want, hex.EncodeToString(got)); diff != "" {
			t.Errorf("router %v (-want +got):\n%s", tt.router, diff)
		}
	}
	for _, text := range []string{"10.77.0.100", "::ffff:10.77.0.100", "ff02::12", "::"} {
		if _, err := buildNA(mac(t, "02:00:00:00:00:0a"), netip.MustParseAddr(text), false); err == nil {
			t.Errorf("%s was announced", text)
		}
	}
}

// As TestThirdHostFollows, for a global and a link-local address.
func TestThirdHostFollows6(t *testing.T) {
	hosts := lan.WithIPv6(lan.New(t, 3))
	a, b, client := hosts[0], hosts[1], hosts[2]
	for _, vip := range []netip.Addr{vip6, link6} {
		follows := func(mac string, router bool) {
			t.Helper()
			entry := ""
			for deadline := time.Now().Add(2 * time.Second); !strings.Contains(entry, mac) || strings.Contains(entry, "router") != router; time.Sleep(5 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("%v is at %s, router %v, but the client has %s", vip, mac, router, entry)
				}
				entry = client.Run("ip", "neigh", "show", vip.String(), "dev", lan.Interface)
			}
		}
		a.IP(fmt.Sprintf("address add %v/128 dev eth0 nodad", vip))
		resolve6(t, client, vip)
		follows(a.MAC, false)
		for _, step := range []struct {
			host   *lan.Host
			mac    string
			router bool
		}{
			{b, b.MAC, false},
			{a, a.MAC, true},
			{b, b.MAC, false},
			{b, "00:00:5e:00:02:33", true}, // a virtual router's MAC, which is no interface's
		} {
			s := openOn(t, step.host, step.mac)
			send(t, s, other6) // built before the flag is set
			s.SetRouter(step.router)
			send(t, s, vip)
			follows(step.mac, step.router)
		}
	}
}

func TestListenNeighbours(t *testing.T) {
	hosts := lan.WithIPv6(lan.New(t, 2))
	a, b := hosts[0], hosts[1]
	l, arp := listenOn(t, a, ListenNeighbours, vip, vip6, link6), listenOn(t, a, Listen, vip, vip6)
	ours, theirs := openOn(t, a, a.MAC), openOn(t, b, b.MAC)
	send(t, theirs, other6)
	expect(t, l, "another address", "")
	send(t, ours, vip6)
	expect(t, l, "our own announcement", "")
	send(t, openOn(t, b, a.MAC), vip6)
	expect(t, l, "our own MAC, come back", "")
	send(t, theirs, vip6, other6, link6, vip)
	expect(t, l, "two of ours", "2001:db8:77::100 at 02:00:00:00:00:02\nfe80::64 at 02:00:00:00:00:02\n")
	if got := heard(t, arp); strings.Count(got, "\n") != 2 || !strings.HasPrefix(got, "10.77.0.100") {
		t.Errorf("the listener for ARP heard %q", got)
	}

	// The stranger is a real host, which is asked for the address.
	b.IP("address add 2001:db8:77::100/128 dev eth0 nodad")
	resolve6(t, a, vip6)
	expect(t, l, "an answer to us", "2001:db8:77::100 at 02:00:00:00:00:02\n")

	watch(t, l, []string{a.MAC}, other6)
	send(t, theirs, vip6)
	expect(t, l, "an address no longer ours", "")
	send(t, theirs, other6)
	expect(t, l, "an address now ours", "2001:db8:77::200 at 02:00:00:00:00:02\n")

	// More addresses than the kernel's program compares.
	many := []netip.Addr{vip6}
	for len(many) < 1000 {
		many = append(many, many[len(many)-1].Next())
	}
	watch(t, l, []string{a.MAC}, many...)
	send(t, theirs, many[999], many[999].Next())
	expect(t, l, "one of 1000 addresses", many[999].String()+" at 02:00:00:00:00:02\n")

	// The most that the program compares fits into the kernel.
	watch(t, l, []string{a.MAC}, many[:maxFiltered6]...)
	send(t, theirs, many[maxFiltered6-1], many[maxFiltered6])
	expect(t, l, "the last of those that are compared", many[maxFiltered6-1].String()+" at 02:00:00:00:00:02\n")

	expectAfterDown(t, a, l, theirs, vip6)
}

func TestListenNeighboursErrors(t *testing.T) {
	h := lan.New(t, 1)[0]
	h.Do(func() {
		if _, err := ListenNeighbours(9999, nil, []netip.Addr{vip6}); !errors.Is(err, ErrNoInterface) {
			t.Errorf("listen without interface: %v", err)
		}
	})
}

// advertisement is the ICMPv6 message of an announcement.
func advertisement(t testing.TB, from net.HardwareAddr, ip netip.Addr) []byte {
	f, err := buildNA(from, ip, false)
	if err != nil {
		t.Fatal(err)
	}
	return f[14+40:]
}

// The kernel's program lets through exactly what Heard would report, but for a
// MAC that is not where everybody puts it.
func TestProgramNA(t *testing.T) {
	macs := []net.HardwareAddr{
		mac(t, "02:00:00:00:00:01"), mac(t, "02:00:00:00:00:02"), mac(t, "02:00:00:00:01:01"), mac(t, "00:00:5e:00:02:33"),
	}
	ips := []netip.Addr{vip6, other6, link6, netip.MustParseAddr("2001:db8:78::100")}
	rapid.Check(t, func(rt *rapid.T) {
		own := rapid.SliceOfN(rapid.SampledFrom(macs), 0, 3).Draw(rt, "own")
		vips := rapid.SliceOfN(rapid.SampledFrom(append(ips[:3:3], vip)), 0, 3).Draw(rt, "vips")
		b := bytes.Clone(advertisement(t, rapid.SampledFrom(macs).Draw(rt, "from"), rapid.SampledFrom(ips).Draw(rt, "ip")))
		b[0] = rapid.SampledFrom([]byte{136, 136, 136, 135}).Draw(rt, "type")
		b[1] = rapid.SampledFrom([]byte{0, 0, 0, 1}).Draw(rt, "code")
		b = b[:rapid.SampledFrom([]int{0, 1, 7, 23, 24, 32, 32}).Draw(rt, "length")]
		hops := rapid.SampledFrom([]uint32{255, 255, 254}).Draw(rt, "hop limit")

		var l Listener
		l.remember(own, vips)
		c, err := parseNA(b)
		want := err == nil && l.conflicts(c) && hops == 255
		program := slices.Clone(programNA(own, vips))
		for i, ins := range program {
			if load, ok := ins.(bpf.LoadAbsolute); ok && load.Off == netHeader+7 {
				program[i] = bpf.LoadConstant{Dst: bpf.RegA, Val: hops}
			}
		}
		vm, err := bpf.NewVM(program)
		if err != nil {
			rt.Fatal(err)
		}
		if n, err := vm.Run(b); err != nil || n > 0 != want {
			rt.Errorf("program: %d, %v; parseNA: %+v, want %v", n, err, c, want)
		}
	})
}

// FuzzParseNA: no message panics; what is accepted has the target where it
// belongs, and a MAC of Ethernet if any.
func FuzzParseNA(f *testing.F) {
	good := advertisement(f, net.HardwareAddr{2, 0, 0, 0, 0, 1}, vip6)
	f.Add(good)
	f.Add(good[:24])
	f.Add(good[:31])
	f.Add(append(bytes.Clone(good[:24]), 14, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 2, 0, 0, 0, 0, 1))
	f.Add(append(bytes.Clone(good[:24]), 2, 0, 0, 0, 0, 0, 0, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := parseNA(b)
		if err != nil {
			return
		}
		target := c.IP.As16()
		if !bytes.Equal(b[8:24], target[:]) || len(c.MAC) != 0 && len(c.MAC) != 6 || binary.BigEndian.Uint16(b) != 136<<8 {
			t.Errorf("accepted %+v", c)
		}
	})
}
