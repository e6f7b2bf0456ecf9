//go:build linux

package segment

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/net/ipv6"
	"pgregory.net/rapid"

	"github.com/lbha/lbha/vrrp/wire"
)

// packet6 is an IPv6 packet as a raw socket and its program have it.
type packet6 struct {
	header  [40]byte
	message []byte
}

// accepts6 is the filter in plain words, for the programs to be compared with.
func (f *Filter) accepts6(p *packet6) bool {
	dst := netip.AddrFrom16([16]byte(p.header[24:]))
	switch {
	case dst == wire.Group6():
		if p.header[7] != 255 {
			return false
		}
	case dst.IsMulticast() || !f.Unicast:
		return false
	}
	switch {
	case len(p.message) < 24:
		return false
	case p.message[0] == 0x31:
		return slices.Contains(f.V3, p.message[1])
	case p.message[0] == 0x21:
		return slices.Contains(f.V2, p.message[1])
	}
	return false
}

// run runs a program as the kernel would. The VM knows no network header: what
// the program loads from there is put into it.
func (p *packet6) run(program []bpf.Instruction) (int, error) {
	program = slices.Clone(program)
	for i, ins := range program {
		load, ok := ins.(bpf.LoadAbsolute)
		if !ok || load.Off < netHeader {
			continue
		}
		b := append(make([]byte, 4-load.Size), p.header[load.Off-netHeader:][:load.Size]...)
		program[i] = bpf.LoadConstant{Dst: bpf.RegA, Val: binary.BigEndian.Uint32(b)}
	}
	vm, err := bpf.NewVM(program)
	if err != nil {
		return 0, err
	}
	return vm.Run(p.message)
}

// As TestFilterPrograms.
func TestFilterPrograms6(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := drawFilter(t)
		p := packet6{message: make([]byte, rapid.IntRange(0, 50).Draw(t, "length"))}
		p.header[7] = rapid.SampledFrom([]byte{255, 254, 1}).Draw(t, "hop limit")
		dst := rapid.SampledFrom([]string{"ff02::12", "fe80::1", "ff02::1", "ff02:0:1::12", "ff12::12", "2001:db8::12"}).Draw(t, "destination")
		addr := netip.MustParseAddr(dst).As16()
		copy(p.header[24:], addr[:])
		copy(p.message, []byte{
			rapid.SampledFrom([]byte{0x31, 0x21, 0x32, 0x41}).Draw(t, "type"),
			rapid.SampledFrom([]byte{51, 52, 0, 1, 255}).Draw(t, "VRID"),
		})

		want := f.accepts6(&p)
		if n, err := p.run(f.program6(keep, toss)); err != nil || n > 0 != want {
			t.Errorf("the program of the hot socket: %d, %v; want %v", n, err, want)
		}
		if n, err := p.run(f.program6(toss, keep)); err != nil || n > 0 == want {
			t.Errorf("the program of the audit socket: %d, %v; want %v", n, err, !want)
		}
	})
}

// packetOf6 is a sound advert from fe80::1.
func packetOf6(vrid uint8, dst netip.Addr) Packet {
	p := Packet{Src: netip.MustParseAddr("fe80::1"), Dst: dst, TTL: 255}
	var err error
	if p.Payload, err = wire.Append(nil, advert6(vrid), p.Src, p.Dst, wire.FormPseudo); err != nil {
		panic(err)
	}
	return p
}

func advert6(vrid uint8) *wire.Advert {
	return &wire.Advert{
		Version: 3, VRID: vrid, Priority: 200, Interval: time.Second,
		Addresses: []netip.Addr{netip.MustParseAddr("fe80::100"), netip.MustParseAddr("2001:db8:77::100")},
	}
}

func TestFilterReason6(t *testing.T) {
	f := Filter{V3: []uint8{30}}
	host := netip.MustParseAddr("fe80::2")
	for _, tt := range []struct {
		name string
		f    Filter
		p    Packet
		want wire.Drop
	}{
		{"wanted under the new filter", f, packetOf6(30, wire.Group6()), wire.Accepted},
		{"nobody's", f, packetOf6(31, wire.Group6()), wire.DropForeignVRID},
		{"unicast", f, packetOf6(30, host), wire.DropCastMismatch},
		{"unicast, wanted", Filter{V3: f.V3, Unicast: true}, packetOf6(30, host), wire.Accepted},
		{"another group", Filter{V3: f.V3, Unicast: true}, packetOf6(30, netip.MustParseAddr("ff02::1")), wire.DropCastMismatch},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var a wire.Advert
			if got := tt.f.reason(&a, &tt.p, false); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// FuzzParse6: as FuzzParse.
func FuzzParse6(f *testing.F) {
	pktinfo := []byte{36, 0, 0, 0, 0, 0, 0, 0, 41, 0, 0, 0, 50, 0, 0, 0, 0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x12, 2, 0, 0, 0, 0, 0, 0, 0}
	hops := []byte{20, 0, 0, 0, 0, 0, 0, 0, 41, 0, 0, 0, 52, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0, 0}
	f.Add([]byte{}, []byte{})
	f.Add(packetOf6(51, wire.Group6()).Payload, slices.Concat(pktinfo, hops))
	f.Add([]byte{0x31, 51}, pktinfo[:30])
	f.Fuzz(func(t *testing.T, message, control []byte) {
		m := ipv6.Message{Buffers: [][]byte{message}, OOB: control, N: len(message), NN: len(control)}
		m.Addr = &net.IPAddr{IP: net.ParseIP("fe80::1")}
		c := &Conn{six: true, filter: Filter{V3: []uint8{51}}}
		var p Packet
		c.parse(&p, &m, time.Now())
		if p.Age < 0 || len(p.Payload) != len(message) {
			t.Fatalf("%+v", p)
		}
		var a wire.Advert
		if drop := c.filter.reason(&a, &p, false); drop == wire.Accepted && a.VRID != 51 {
			t.Fatalf("VRID %d accepted", a.VRID)
		}
	})
}
