//go:build linux

package segment

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/integration/lan"
	"github.com/lbha/lbha/vrrp/wire"
)

func openOn6(t testing.TB, h *lan.Host, f Filter) *Conn {
	t.Helper()
	var c *Conn
	var err error
	h.Do(func() { c, err = Open(Config{Interface: lan.Interface, IPv6: true, Filter: f}) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func message6(t testing.TB, a *wire.Advert, src, dst netip.Addr) []byte {
	t.Helper()
	msg, err := wire.Append(nil, a, src, dst, wire.FormPseudo)
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

func TestSendAndReceive6(t *testing.T) {
	hosts := lan.WithIPv6(lan.New(t, 3))
	a, b, c := openOn6(t, hosts[0], wants51), openOn6(t, hosts[1], wants51), openOn6(t, hosts[2], wants51)
	four := openOn(t, hosts[1], wants51)
	src := hosts[0].Link6
	msg := message6(t, advert6(51), src, wire.Group6())
	if err := a.Send(msg, src, wire.Group6()); err != nil {
		t.Fatal(err)
	}
	for _, to := range []*Conn{b, c} {
		p := receiveOne(t, to)
		got := fmt.Sprintf("%x from %v to %v TTL %d on %d", p.Payload, p.Src, p.Dst, p.TTL, p.IfIndex)
		want := fmt.Sprintf("%x from fe80::1 to ff02::12 TTL 255 on %d", msg, to.Index())
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if p.Age > 2*time.Second {
			t.Errorf("age %v", p.Age)
		}
		var ad wire.Advert
		if _, drop := wire.Decode(&ad, p.Payload, p.Meta()); drop != wire.Accepted {
			t.Error(drop)
		}
		silent(t, to, "one packet was sent")
	}
	silent(t, a, "a sender does not hear itself")
	silent(t, four, "it is of the other family")

	// Unicast reaches the peer, if it wants unicast, and nobody else: link-local
	// and global.
	if err := b.SetFilter(Filter{V3: []uint8{51}, Unicast: true}); err != nil {
		t.Fatal(err)
	}
	for _, way := range []struct{ src, dst netip.Addr }{{hosts[0].Link6, hosts[1].Link6}, {hosts[0].Addr6, hosts[1].Addr6}} {
		if err := a.Send(message6(t, advert6(51), way.src, way.dst), way.src, way.dst); err != nil {
			t.Fatal(err)
		}
		if p := receiveOne(t, b); p.Src != way.src || p.Dst != way.dst || p.TTL != 255 {
			t.Errorf("unicast from %v to %v: from %v to %v, hop limit %d", way.src, way.dst, p.Src, p.Dst, p.TTL)
		}
		silent(t, c, "the packet was for another")
	}
}

// The whole frame on the wire, but for the flow label, which the kernel makes of
// the addresses.
func TestFrame6(t *testing.T) {
	hosts := lan.WithIPv6(lan.New(t, 2))
	conn := openOn6(t, hosts[0], wants51)
	capture := tap(t, hosts[1], unix.ETH_P_IPV6)
	ad := &wire.Advert{
		Version: 3, VRID: 51, Priority: 200, Interval: 500 * time.Millisecond,
		Addresses: []netip.Addr{netip.MustParseAddr("fe80::64"), netip.MustParseAddr("2001:db8::64")},
	}
	if err := conn.Send(message6(t, ad, hosts[0].Link6, wire.Group6()), hosts[0].Link6, wire.Group6()); err != nil {
		t.Fatal(err)
	}
	frame := capture(14 + 6)
	binary.BigEndian.PutUint32(frame[14:], binary.BigEndian.Uint32(frame[14:])&0xfff00000)
	// keepalived's, but for the last byte of the source and so of the checksum.
	want := "333300000012" + "020000000001" + "86dd" +
		"6c000000002870ff" + "fe800000000000000000000000000001" + "ff020000000000000000000000000012" +
		"3133c8020032db66" + "fe800000000000000000000000000064" + "20010db8000000000000000000000064"
	if diff := cmp.Diff(want, hex.EncodeToString(frame)); diff != "" {
		t.Error(diff)
	}
}

// More addresses than fit into one frame: the kernel cuts the packet up and puts
// it together.
func TestLongestAdvert6(t *testing.T) {
	hosts := lan.WithIPv6(lan.New(t, 2))
	a, b := openOn6(t, hosts[0], wants51), openOn6(t, hosts[1], wants51)
	ad := advert6(51)
	for len(ad.Addresses) < 255 {
		ad.Addresses = append(ad.Addresses, ad.Addresses[len(ad.Addresses)-1].Next())
	}
	msg := message6(t, ad, hosts[0].Link6, wire.Group6())
	if err := a.Send(msg, hosts[0].Link6, wire.Group6()); err != nil {
		t.Fatal(err)
	}
	p := receiveOne(t, b)
	var got wire.Advert
	if _, drop := wire.Decode(&got, p.Payload, p.Meta()); drop != wire.Accepted || len(got.Addresses) != 255 {
		t.Errorf("%v, %d addresses in %d bytes", drop, len(got.Addresses), len(p.Payload))
	}
}

// As TestFilterAndAudit. A kernel that is not told of a checksum examines none,
// so a bad one has its reason here too.
func TestFilterAndAudit6(t *testing.T) {
	hosts := lan.WithIPv6(lan.New(t, 2))
	c := openOn6(t, hosts[1], Filter{V3: []uint8{51, 52}})
	f := newForger6(t, hosts[0])
	group, self := wire.Group6(), hosts[1].Link6
	change := func(p Packet, change func(p *Packet)) Packet { change(&p); return p }
	want := map[wire.Drop]int{}
	for _, tt := range []struct {
		reason wire.Drop
		p      Packet
	}{
		{wire.Accepted, packetOf6(51, group)},
		{wire.Accepted, packetOf6(52, group)},
		{wire.DropForeignVRID, packetOf6(53, group)},
		{wire.DropCastMismatch, packetOf6(51, self)},
		{wire.DropBadTTL, change(packetOf6(51, group), func(p *Packet) { p.TTL = 254 })},
		{wire.DropBadType, change(packetOf6(51, group), func(p *Packet) { p.Payload[0] = 0x32 })},
		{wire.DropBadVersion, change(packetOf6(51, group), func(p *Packet) { p.Payload[0] = 0x21 })},
		{wire.DropZeroVRID, change(packetOf6(51, group), func(p *Packet) { p.Payload[1] = 0 })},
		{wire.DropBadLength, change(packetOf6(51, group), func(p *Packet) { p.Payload = p.Payload[:23] })},
		{wire.DropShort, change(packetOf6(51, group), func(p *Packet) { p.Payload = p.Payload[:7] })},
		{wire.DropShort, change(packetOf6(51, group), func(p *Packet) { p.Payload = nil })},
		{wire.DropBadChecksum, change(packetOf6(53, group), func(p *Packet) { p.Payload[2]++ })},
	} {
		f.send(tt.p)
		want[tt.reason]++
	}
	got := map[wire.Drop]int{}
	rejected := make([]Rejected, 64)
	// The one to us waits for neighbour discovery, which asks again after a second.
	for deadline := time.Now().Add(10 * time.Second); sumOf(got) < sumOf(want) && time.Now().Before(deadline); {
		n, lost, err := c.Audit(rejected)
		if err != nil || lost != 0 {
			t.Fatalf("Audit: %d lost, %v", lost, err)
		}
		for _, r := range rejected[:n] {
			if r.Src != hosts[0].Link6 {
				t.Errorf("%v from %v", r.Reason, r.Src)
			}
			got[r.Reason]++
		}
		var ps [packets]Packet
		if n, err = c.Receive(ps[:]); err != nil {
			t.Fatal(err)
		}
		got[wire.Accepted] += n
	}
	if diff := cmp.Diff(render(want), render(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if c.Missed() != 0 {
		t.Errorf("missed %d wanted packets", c.Missed())
	}
}

// forger6 sends IPv6 packets with any header from a host.
type forger6 struct {
	t  testing.TB
	fd int
}

func newForger6(t testing.TB, h *lan.Host) *forger6 {
	f := &forger6{t: t}
	h.Do(func() {
		var err error
		if f.fd, err = unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW); err != nil {
			t.Fatal(err)
		}
		if err := unix.BindToDevice(f.fd, lan.Interface); err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(func() { unix.Close(f.fd) })
	return f
}

func (f *forger6) send(p Packet) {
	f.t.Helper()
	b := make([]byte, 40, 40+len(p.Payload))
	b[0], b[6], b[7] = 0x60, wire.Protocol, byte(p.TTL)
	binary.BigEndian.PutUint16(b[4:], uint16(len(p.Payload)))
	src, dst := p.Src.As16(), p.Dst.As16()
	copy(b[8:], src[:])
	copy(b[24:], dst[:])
	if err := unix.Sendto(f.fd, append(b, p.Payload...), 0, &unix.SockaddrInet6{Addr: dst}); err != nil {
		f.t.Fatalf("send: %v", err)
	}
}

func TestErrors6(t *testing.T) {
	h := lan.WithIPv6(lan.New(t, 1))[0]
	msg := message6(t, advert6(51), h.Link6, wire.Group6())
	expect := func(what string, got, want error) {
		t.Helper()
		if !errors.Is(got, want) {
			t.Errorf("%s: %v; want %v", what, got, want)
		}
	}
	h.Do(func() {
		_, err := Open(Config{Interface: "eth9", IPv6: true})
		expect("open without interface", err, ErrNoInterface)
	})
	c := openOn6(t, h, wants51)
	expect("send", c.Send(msg, h.Link6, wire.Group6()), nil)
	expect("send from an address of nobody", c.Send(msg, netip.MustParseAddr("fe80::99"), wire.Group6()), ErrUnreachable)
	expect("send to IPv4", c.Send(msg, h.Link6, wire.Group4()), unix.EAFNOSUPPORT)
	expect("send from IPv4", c.Send(msg, h.Addr, wire.Group6()), unix.EAFNOSUPPORT)
	expect("send from no address", c.Send(msg, netip.Addr{}, wire.Group6()), unix.EAFNOSUPPORT)
	h.IP("link set eth0 down")
	if err := c.Send(msg, h.Link6, wire.Group6()); !errors.Is(err, ErrInterfaceDown) && !errors.Is(err, ErrUnreachable) {
		t.Errorf("send on a link that is down, and so without addresses: %v", err)
	}
	h.IP("link set eth0 up")
	lan.WithIPv6([]*lan.Host{h})
	expect("send on a link that is up again", c.Send(msg, h.Link6, wire.Group6()), nil)
	h.IP("link del eth0")
	if err := c.Send(msg, h.Link6, wire.Group6()); !errors.Is(err, ErrNoInterface) && !errors.Is(err, ErrUnreachable) {
		t.Errorf("send on an interface that is gone: %v", err)
	}
}

// A socket hears its group again after the link was down.
func TestHearsAfterTheLinkWasDown6(t *testing.T) {
	hosts := lan.WithIPv6(lan.New(t, 2))
	a, b := openOn6(t, hosts[0], wants51), openOn6(t, hosts[1], wants51)
	hosts[1].IP("link set eth0 down", "link set eth0 up")
	msg := message6(t, advert6(51), hosts[0].Link6, wire.Group6())
	for deadline := time.Now().Add(5 * time.Second); !lan.Readable(t, b.FD(), 20*time.Millisecond); {
		if time.Now().After(deadline) {
			t.Fatal("deaf after the interface came up")
		}
		if err := a.Send(msg, hosts[0].Link6, wire.Group6()); err != nil {
			t.Fatal(err)
		}
	}
}
