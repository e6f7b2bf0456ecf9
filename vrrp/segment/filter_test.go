//go:build linux

package segment

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/net/ipv4"
	"pgregory.net/rapid"

	"github.com/lbha/lbha/vrrp/wire"
)

// accepts is the filter in plain words, for the programs to be compared with.
func (f *Filter) accepts(packet []byte) bool {
	ihl := int(packet[0]&0xf) * 4
	message := packet[ihl:]
	if packet[9] != 112 || binary.BigEndian.Uint16(packet[6:])&0x3fff != 0 {
		return false
	}
	switch {
	case [4]byte(packet[16:]) == [4]byte{224, 0, 0, 18}:
		if packet[8] != 255 {
			return false
		}
	case packet[16] >= 224 || !f.Unicast:
		return false
	}
	switch {
	case len(message) < 12:
		return false
	case message[0] == 0x31:
		return slices.Contains(f.V3, message[1])
	case message[0] == 0x21:
		return len(message) >= 20 && slices.Contains(f.V2, message[1])
	}
	return false
}

func drawFilter(t *rapid.T) Filter {
	all := make([]uint8, 255)
	for i := range all {
		all[i] = uint8(i + 1)
	}
	vrids := rapid.SampledFrom([][]uint8{nil, {51}, {1, 51, 255}, {52}, all})
	return Filter{
		V2:      vrids.Draw(t, "V2"),
		V3:      vrids.Draw(t, "V3"),
		Unicast: rapid.Bool().Draw(t, "unicast"),
	}
}

// Each packet is in exactly one of the two sockets, and in the hot one if and
// only if the filter wants it. The packets drawn are near the line.
func TestFilterPrograms(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := drawFilter(t)
		wanted, err := bpf.NewVM(f.program4(keep, toss))
		if err != nil {
			t.Fatal(err)
		}
		refused, err := bpf.NewVM(f.program4(toss, keep))
		if err != nil {
			t.Fatal(err)
		}
		ihl := rapid.SampledFrom([]int{20, 24, 60}).Draw(t, "header")
		packet := make([]byte, ihl+rapid.IntRange(0, 28).Draw(t, "length"))
		packet[0] = 0x40 | byte(ihl/4)
		binary.BigEndian.PutUint16(packet[6:], rapid.SampledFrom([]uint16{0, 0x4000, 0x2000, 1, 0x1fff}).Draw(t, "fragment"))
		packet[8] = rapid.SampledFrom([]byte{255, 254, 1}).Draw(t, "TTL")
		packet[9] = rapid.SampledFrom([]byte{112, 112, 112, 51}).Draw(t, "protocol")
		dst := rapid.SampledFrom([][4]byte{{224, 0, 0, 18}, {10, 77, 0, 1}, {224, 0, 0, 1}, {223, 255, 255, 255}, {255, 255, 255, 255}}).Draw(t, "destination")
		copy(packet[16:], dst[:])
		fields := []byte{
			rapid.SampledFrom([]byte{0x31, 0x21, 0x32, 0x41}).Draw(t, "type"),
			rapid.SampledFrom([]byte{51, 52, 0, 1, 255}).Draw(t, "VRID"),
		}
		copy(packet[ihl:], fields)

		want := f.accepts(packet)
		if n, err := wanted.Run(packet); err != nil || n > 0 != want {
			t.Errorf("the program of the hot socket: %d, %v; want %v", n, err, want)
		}
		if n, err := refused.Run(packet); err != nil || n > 0 == want {
			t.Errorf("the program of the audit socket: %d, %v; want %v", n, err, !want)
		}
	})
}

// The kernel takes the longest program there can be: BPF_MAXINSNS.
func TestFilterLength(t *testing.T) {
	all := make([]uint8, 255)
	f := Filter{V2: all, V3: all, Unicast: true}
	for name, program := range map[string][]bpf.Instruction{"IPv4": f.program4(keep, toss), "IPv6": f.program6(keep, toss)} {
		if n := len(program); n > 4096 {
			t.Errorf("%s: %d instructions", name, n)
		}
	}
}

// A reason for what the wire package finds nothing wrong with.
func TestFilterReason(t *testing.T) {
	f := Filter{V2: []uint8{20}, V3: []uint8{30}}
	host := [4]byte{10, 77, 0, 2}
	group := wire.Group4().As4()
	for _, tt := range []struct {
		name string
		f    Filter
		p    Packet
		frag bool
		want wire.Drop
	}{
		{"wanted under the new filter", f, packetOf(3, 30, group), false, wire.Accepted},
		{"fragment", f, packetOf(3, 30, group), true, wire.DropFragment},
		{"nobody's", f, packetOf(3, 31, group), false, wire.DropForeignVRID},
		{"version 3 for a router of version 2", f, packetOf(3, 20, group), false, wire.DropVersionMismatch},
		{"version 2 for a router of version 3", f, packetOf(2, 30, group), false, wire.DropVersionMismatch},
		{"unicast", f, packetOf(3, 30, host), false, wire.DropCastMismatch},
		{"unicast, wanted", Filter{V3: f.V3, Unicast: true}, packetOf(3, 30, host), false, wire.Accepted},
		{"another group", Filter{V3: f.V3, Unicast: true}, packetOf(3, 30, [4]byte{224, 0, 0, 5}), false, wire.DropCastMismatch},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var a wire.Advert
			if got := tt.f.reason(&a, &tt.p, tt.frag); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// FuzzParse: neither the packet nor the control messages make parse read beyond
// them, and what it finds is safe for the rest of the audit.
func FuzzParse(f *testing.F) {
	pktinfo := []byte{28, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 2, 0, 0, 0, 10, 77, 0, 2, 224, 0, 0, 18, 0, 0, 0, 0}
	f.Add([]byte{}, []byte{})
	f.Add(append([]byte{0x45, 0xc0, 0, 32, 0, 0, 0, 0, 255, 112, 0, 0, 10, 77, 0, 1, 224, 0, 0, 18}, packetOf(3, 51, wire.Group4().As4()).Payload...), pktinfo)
	f.Add([]byte{0x4f, 0, 0, 21, 0, 0, 0, 0, 255, 112, 0, 0, 10, 77, 0, 1, 224, 0, 0, 18, 0x31}, pktinfo[:20])
	f.Fuzz(func(t *testing.T, packet, control []byte) {
		m := ipv4.Message{Buffers: [][]byte{packet}, OOB: control, N: len(packet), NN: len(control)}
		var p Packet
		_, fragment := new(Conn).parse(&p, &m, time.Now())
		if p.Age < 0 || len(p.Payload) > len(packet) {
			t.Fatalf("%+v", p)
		}
		var a wire.Advert
		filter := Filter{V3: []uint8{51}}
		if drop := filter.reason(&a, &p, fragment); drop == wire.Accepted && a.VRID != 51 {
			t.Fatalf("VRID %d accepted", a.VRID)
		}
	})
}
