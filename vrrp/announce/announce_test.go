//go:build linux

package announce

import (
	"bytes"
	"encoding/hex"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mdlayher/arp"
	"golang.org/x/net/bpf"
	"pgregory.net/rapid"

	"github.com/lbha/lbha/integration/lan"
)

func TestFrames(t *testing.T) {
	got, err := buildARP(mac(t, "02:00:00:00:00:0a"), vip)
	if err != nil {
		t.Fatal(err)
	}
	padding := strings.Repeat("00", 60-42)
	// The request was captured from keepalived 2.2.7.
	want := []string{
		"ffffffffffff02000000000a0806000108000604000102000000000a0a4d0064ffffffffffff0a4d0064" + padding,
		"ffffffffffff02000000000a0806000108000604000202000000000a0a4d0064ffffffffffff0a4d0064" + padding,
	}
	if diff := cmp.Diff(want, []string{hex.EncodeToString(got[0]), hex.EncodeToString(got[1])}); diff != "" {
		t.Error(diff)
	}
}

// The purpose of it all: a third host, which knew the VIP at one director,
// sends to the other after that one's announcement.
func TestThirdHostFollows(t *testing.T) {
	hosts := lan.New(t, 3)
	a, b, client := hosts[0], hosts[1], hosts[2]
	entry := func() string { return client.Run("ip", "neigh", "show", vip.String()) }
	a.IP("address add 10.77.0.100/32 dev eth0")
	follows := func(mac string) {
		t.Helper()
		for deadline := time.Now().Add(2 * time.Second); !strings.Contains(entry(), mac); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("the VIP is at %s, but the client has %s", mac, entry())
			}
		}
	}
	resolve(t, client, client.Addr, vip)
	follows(a.MAC)
	for _, step := range []struct {
		host *lan.Host
		mac  string
	}{
		{b, b.MAC},
		{a, a.MAC},
		{b, "00:00:5e:00:01:33"}, // a virtual router's MAC, which is no interface's
	} {
		send(t, openOn(t, step.host, step.mac), vip)
		follows(step.mac)
	}
}

func TestListener(t *testing.T) {
	hosts := lan.New(t, 3)
	a, b := hosts[0], hosts[1]
	l := listenOn(t, a, Listen, vip, netip.MustParseAddr("2001:db8::100"))
	ours, theirs := openOn(t, a, a.MAC), openOn(t, b, b.MAC)
	both := "10.77.0.100 at 02:00:00:00:00:02\n10.77.0.100 at 02:00:00:00:00:02\n"
	send(t, theirs, other)
	expect(t, l, "another address", "")
	send(t, ours, vip)
	expect(t, l, "our own announcement", "")
	send(t, openOn(t, b, a.MAC), vip)
	expect(t, l, "our own MAC, come back", "")
	send(t, theirs, vip, other, netip.MustParseAddr("2001:db8::100"))
	expect(t, l, "a request and a reply", both)

	// The stranger is a real host: it answers for the address, and asks with
	// it.
	b.IP("address add 10.77.0.100/32 dev eth0")
	resolve(t, hosts[2], hosts[2].Addr, vip)
	expect(t, l, "an answer to a third host is no broadcast", "")
	b.Run("ip", "neigh", "flush", "dev", lan.Interface)
	resolve(t, b, vip, hosts[2].Addr)
	if got := heard(t, l); !strings.Contains(got, "10.77.0.100 at "+b.MAC) {
		t.Errorf("asking with our address: %q", got)
	}

	watch(t, l, []string{a.MAC}, other)
	send(t, theirs, vip)
	expect(t, l, "an address no longer ours", "")
	send(t, theirs, other)
	expect(t, l, "an address now ours", strings.ReplaceAll(both, vip.String(), other.String()))
	watch(t, l, []string{a.MAC, b.MAC}, other)
	send(t, theirs, other)
	expect(t, l, "a MAC now ours", "")

	// More addresses than the kernel's program compares.
	many := make([]netip.Addr, 1000)
	for i := range many {
		many[i] = netip.AddrFrom4([4]byte{10, 78, byte(i >> 8), byte(i)})
	}
	watch(t, l, []string{a.MAC}, append(many, vip)...)
	send(t, theirs, vip, other)
	expect(t, l, "one of 1001 addresses", both)

	// A link that was down is heard again.
	expectAfterDown(t, a, l, theirs, vip)
}

// Heard is bounded by what it is given.
func TestHeardIsBounded(t *testing.T) {
	hosts := lan.New(t, 2)
	l := listenOn(t, hosts[0], Listen, vip)
	theirs := openOn(t, hosts[1], hosts[1].MAC)
	for range 10 {
		send(t, theirs, vip)
	}
	time.Sleep(100 * time.Millisecond)
	cs := make([]Conflict, 3)
	if n, err := l.Heard(cs); n != len(cs) || err != nil {
		t.Errorf("%d conflicts, %v", n, err)
	}
	if rest := strings.Count(heard(t, l), "\n"); rest != 17 {
		t.Errorf("%d left, want 17", rest)
	}
}

func TestErrors(t *testing.T) {
	h := lan.New(t, 1)[0]
	s := openOn(t, h, h.MAC)
	expect := func(what string, got, want error) {
		t.Helper()
		if !errors.Is(got, want) {
			t.Errorf("%s: %v; want %v", what, got, want)
		}
	}
	vips := []netip.Addr{vip}
	expect("send", s.Send(vips), nil)
	h.IP("link set eth0 down")
	expect("send on a link that is down", s.Send(vips), ErrInterfaceDown)
	h.IP("link set eth0 up")
	expect("send on a link that is up again", s.Send(vips), nil)
	h.IP("link del eth0")
	expect("send on an interface that is gone", s.Send(vips), ErrNoInterface)
	h.Do(func() {
		_, err := Open(9999, mac(t, h.MAC))
		expect("open without interface", err, ErrNoInterface)
		_, err = Listen(9999, nil, vips)
		expect("listen without interface", err, ErrNoInterface)
		if _, err := Open(1, mac(t, "02:00:00:00:00:00:00:01")); err == nil {
			t.Error("a MAC of 8 bytes was taken")
		}
	})
}

// frame is an ARP packet with any sender.
func frame(t testing.TB, op arp.Operation, from net.HardwareAddr, ip netip.Addr) []byte {
	fs, err := buildARP(from, ip)
	if err != nil {
		t.Fatal(err)
	}
	f := bytes.Clone(fs[0])
	f[21] = byte(op)
	return f
}

// TestKinds: a conflict says which packet it was.
func TestKinds(t *testing.T) {
	from := net.HardwareAddr{2, 0, 0, 0, 0, 1}
	asks := func(op arp.Operation) []byte { // for another address than its own
		b := frame(t, op, from, vip)
		copy(b[38:], other.AsSlice())
		return b
	}
	solicited := advertisement(t, from, vip6)
	solicited[4] |= 0x40
	for _, c := range []struct {
		parse  func([]byte) (Conflict, error)
		packet []byte
		want   string
	}{
		{parseARP, frame(t, arp.OperationRequest, from, vip), "gratuitous ARP request"},
		{parseARP, frame(t, arp.OperationReply, from, vip), "gratuitous ARP reply"},
		{parseARP, asks(arp.OperationRequest), "ARP request"},
		{parseARP, asks(arp.OperationReply), "ARP reply"},
		{parseNA, advertisement(t, from, vip6), "unsolicited neighbour advertisement"},
		{parseNA, solicited, "neighbour advertisement"},
	} {
		if got, err := c.parse(c.packet); err != nil || got.Kind != c.want {
			t.Errorf("%q, %v; want %q", got.Kind, err, c.want)
		}
	}
}

// The kernel's program lets through exactly what Heard would report.
func TestProgram(t *testing.T) {
	macs := []net.HardwareAddr{
		mac(t, "02:00:00:00:00:01"), mac(t, "02:00:00:00:00:02"), mac(t, "02:00:00:00:01:01"), mac(t, "00:00:5e:00:01:33"),
	}
	ips := []netip.Addr{vip, other, netip.MustParseAddr("0.0.0.0")}
	rapid.Check(t, func(rt *rapid.T) {
		own := rapid.SliceOfN(rapid.SampledFrom(macs), 0, 3).Draw(rt, "own")
		vips := rapid.SliceOfN(rapid.SampledFrom(append(ips[:2:2], netip.MustParseAddr("::1"))), 0, 3).Draw(rt, "vips")
		b := frame(t, arp.Operation(rapid.IntRange(1, 2).Draw(rt, "op")), rapid.SampledFrom(macs).Draw(rt, "from"), rapid.SampledFrom(ips).Draw(rt, "ip"))
		if rapid.Bool().Draw(rt, "damaged") {
			b[rapid.IntRange(12, 19).Draw(rt, "at")] ^= 1
		}
		b = b[:rapid.SampledFrom([]int{0, 13, 31, 42, 60}).Draw(rt, "length")]

		var l Listener
		l.remember(own, vips)
		c, err := parseARP(b)
		want := err == nil && l.conflicts(c)
		vm, err := bpf.NewVM(programARP(own, vips))
		if err != nil {
			rt.Fatal(err)
		}
		n, err := vm.Run(b)
		// 28 bytes of ARP may be cut off behind the sender without the program
		// minding; parse does.
		if err != nil || n > 0 != want && len(b) >= 42 {
			rt.Errorf("program: %d, %v; parse: %+v, want %v", n, err, c, want)
		}
	})
}

// FuzzParse: no frame panics, and what is accepted has an IPv4 address and a
// MAC of Ethernet.
func FuzzParse(f *testing.F) {
	f.Add(frame(f, arp.OperationRequest, net.HardwareAddr{2, 0, 0, 0, 0, 1}, vip))
	f.Add(frame(f, arp.OperationReply, net.HardwareAddr{2, 0, 0, 0, 0, 1}, vip)[:30])
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\x02\x00\x00\x00\x00\x01\x81\x00\x00\x01\x08\x06\x00\x01\x08\x00\xff\xff\x00\x01"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := parseARP(b); err == nil && (!c.IP.Is4() || len(c.MAC) != 6) {
			t.Errorf("accepted %+v", c)
		}
	})
}

func BenchmarkSend(b *testing.B) {
	h := lan.New(b, 1)[0]
	s := openOn(b, h, h.MAC)
	vips := []netip.Addr{vip}
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Send(vips); err != nil {
			b.Fatal(err)
		}
	}
}
