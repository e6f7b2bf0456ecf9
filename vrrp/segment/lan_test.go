//go:build linux

package segment

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/integration/lan"
	"github.com/lbha/lbha/vrrp/wire"
)

var group4 = wire.Group4()

// packetOf is a sound advert from 10.77.0.1.
func packetOf(version, vrid uint8, dst [4]byte) Packet {
	a := wire.Advert{
		Version: version, VRID: vrid, Priority: 200, Interval: time.Second,
		Addresses: []netip.Addr{netip.AddrFrom4([4]byte{10, 77, 0, 100})},
	}
	p := Packet{Src: netip.AddrFrom4([4]byte{10, 77, 0, 1}), Dst: netip.AddrFrom4(dst), TTL: 255}
	var err error
	if p.Payload, err = wire.Append(nil, &a, p.Src, p.Dst, wire.FormPseudo); err != nil {
		panic(err)
	}
	return p
}

// advert is the message of packetOf to the group, from src.
func advert(t testing.TB, src netip.Addr, version, vrid uint8) []byte {
	a := wire.Advert{
		Version: version, VRID: vrid, Priority: 200, Interval: time.Second,
		Addresses: []netip.Addr{netip.AddrFrom4([4]byte{10, 77, 0, 100})},
	}
	msg, err := wire.Append(nil, &a, src, group4, wire.FormPseudo)
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

func openOn(t testing.TB, h *lan.Host, f Filter) *Conn {
	t.Helper()
	var c *Conn
	var err error
	h.Do(func() { c, err = Open(Config{Interface: lan.Interface, Filter: f}) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// forger sends IP packets with any header from a host.
type forger struct {
	t  testing.TB
	fd int
}

func newForger(t testing.TB, h *lan.Host) *forger {
	f := &forger{t: t}
	h.Do(func() {
		var err error
		if f.fd, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW); err != nil {
			t.Fatal(err)
		}
		if err := unix.BindToDevice(f.fd, lan.Interface); err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(func() { unix.Close(f.fd) })
	return f
}

// send sends p, and the flags and offset of a fragment.
func (f *forger) send(p Packet, fragment uint16) {
	f.t.Helper()
	b := make([]byte, 20, 20+len(p.Payload))
	b[0], b[8], b[9] = 0x45, byte(p.TTL), wire.Protocol
	binary.BigEndian.PutUint16(b[4:], 7) // fragments of one packet share an id
	binary.BigEndian.PutUint16(b[6:], fragment)
	src, dst := p.Src.As4(), p.Dst.As4()
	copy(b[12:], src[:])
	copy(b[16:], dst[:])
	if err := unix.Sendto(f.fd, append(b, p.Payload...), 0, &unix.SockaddrInet4{Addr: dst}); err != nil {
		f.t.Fatalf("send: %v", err)
	}
}

// receiveOne waits for a packet.
func receiveOne(t testing.TB, c *Conn) Packet {
	t.Helper()
	if !lan.Readable(t, c.FD(), 2*time.Second) {
		t.Fatal("nothing arrived")
	}
	var ps [1]Packet
	if n, err := c.Receive(ps[:]); n != 1 || err != nil {
		t.Fatalf("Receive: %d packets, %v", n, err)
	}
	return ps[0]
}

// silent fails if a packet arrives within a moment.
func silent(t testing.TB, c *Conn, why string) {
	t.Helper()
	if lan.Readable(t, c.FD(), 100*time.Millisecond) {
		var ps [1]Packet
		n, err := c.Receive(ps[:])
		t.Errorf("%s, but heard %d packets, %+v, %v", why, n, ps[:n], err)
	}
}
