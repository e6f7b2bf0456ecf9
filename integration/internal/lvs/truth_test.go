package lvs

import (
	"encoding/binary"
	"encoding/hex"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/lbha/lbha/integration/internal/observe"
)

var (
	d1In     = node{last: 1}.mac(inside)
	rs1In    = node{last: 3}.mac(inside)
	clientIn = node{last: 10}.mac(inside)
)

// tcp4 builds an IPv4 packet with a bare TCP header.
func tcp4(ttl byte, src, dst netip.AddrPort) []byte {
	b := make([]byte, 40)
	b[0], b[8], b[9] = 0x45, ttl, 6
	binary.BigEndian.PutUint16(b[2:], 40)
	copy(b[12:], src.Addr().AsSlice())
	copy(b[16:], dst.Addr().AsSlice())
	binary.BigEndian.PutUint16(b[20:], src.Port())
	binary.BigEndian.PutUint16(b[22:], dst.Port())
	b[32] = 0x50
	return b
}

// ipip wraps a packet.
func ipip(src, dst netip.Addr, inner []byte) []byte {
	b := make([]byte, 20, 20+len(inner))
	b[0], b[8], b[9] = 0x45, 64, 4
	binary.BigEndian.PutUint16(b[2:], uint16(20+len(inner)))
	copy(b[12:], src.AsSlice())
	copy(b[16:], dst.AsSlice())
	return append(b, inner...)
}

// gre wraps a packet.
func gre(src, dst netip.Addr, inner []byte) []byte {
	b := ipip(src, dst, append([]byte{0, 0, 8, 0}, inner...))
	b[9] = 47
	return b
}

// gue wraps a packet, with an option of 8 bytes.
func gue(src, dst netip.Addr, inner []byte) []byte {
	head := make([]byte, 8+4+8)
	binary.BigEndian.PutUint16(head[2:], guePort)
	binary.BigEndian.PutUint16(head[4:], uint16(len(head)+len(inner)))
	head[8], head[9] = 2, 4
	b := ipip(src, dst, append(head, inner...))
	b[9] = 17
	return b
}

func frame(host, iface string, out bool, to, from net.HardwareAddr, ip []byte) observe.Frame {
	data := append(append(append([]byte(nil), to...), from...), 8, 0)
	data = append(data, ip...)
	for len(data) < 60 { // the padding of a short frame
		data = append(data, 0xee)
	}
	return observe.Frame{Host: host, Interface: iface, Out: out, Data: data}
}

// request4 is a good request of three packets, and two of the answer. The mode may be that of a tunnel.
func request4(mode string) (exchange, []observe.Frame) {
	v := named(mode)
	client := netip.AddrPortFrom(place(v.iface, false, 10), 40000)
	vip, rs := netip.AddrPortFrom(v.addr, 80), netip.AddrPortFrom(place(inside, false, 3), 80)
	x := exchange{
		service: v, client: client, answer: "rs1 " + client.Addr().String(),
		director: endpoint{"d1", netip.AddrPortFrom(place(inside, false, 1), 80), d1In.String()},
		server:   endpoint{"rs1", rs, rs1In.String()},
	}
	var frames []observe.Frame
	for range 3 {
		frames = append(frames, frame("d1", v.iface, false, d1In, clientIn, tcp4(64, client, vip)))
		out := tcp4(63, client, vip)
		switch mode {
		case "nat":
			out = tcp4(63, client, rs)
		case "tun":
			out = ipip(x.director.addr.Addr(), rs.Addr(), tcp4(63, client, vip))
		case "gre":
			out = gre(x.director.addr.Addr(), rs.Addr(), tcp4(63, client, vip))
		case "gue":
			out = gue(x.director.addr.Addr(), rs.Addr(), tcp4(63, client, vip))
		}
		frames = append(frames, frame("d1", inside, true, rs1In, d1In, out))
		if mode == "nat" {
			frames = append(frames, frame("d1", inside, false, d1In, rs1In, tcp4(64, rs, client)))
		}
		frames = append(frames, frame("client", v.iface, false, clientIn, rs1In, tcp4(63, vip, client)))
	}
	return x, frames
}

func packetsOf(t *testing.T, frames []observe.Frame) (packets []packet) {
	t.Helper()
	for _, f := range frames {
		p, ok := parse(f)
		if !ok {
			t.Fatalf("a frame cannot be read:\n%s", hex.Dump(f.Data))
		}
		packets = append(packets, p)
	}
	return packets
}

// TestTruths spoils good requests: each spoiled one must fail the demand of its name.
func TestTruths(t *testing.T) {
	ip := func(f observe.Frame) []byte { return f.Data[14:] }
	tests := []struct {
		mode, fails string
		spoil       func(x *exchange, frames []observe.Frame) []observe.Frame
	}{
		{"dr", "only the MAC addresses change", func(x *exchange, f []observe.Frame) []observe.Frame { ip(f[1])[39] = 7; return f }},
		{"dr", "only the MAC addresses change", func(x *exchange, f []observe.Frame) []observe.Frame {
			copy(ip(f[1]), tcp4(63, x.client, x.server.addr))
			return f
		}},
		{"dr", "only the MAC addresses change", func(x *exchange, f []observe.Frame) []observe.Frame { return f[2:] }},
		{"dr", "the answer does not pass the director", func(x *exchange, f []observe.Frame) []observe.Frame {
			return append(f, frame("d1", inside, false, d1In, rs1In, tcp4(64, netip.AddrPortFrom(x.service.addr, 80), x.client)))
		}},
		{"dr", "the real server sees the client's address", func(x *exchange, f []observe.Frame) []observe.Frame { x.answer = "rs1 10.9.0.1"; return f }},
		{"tun", "the packet is wrapped, the inner one unchanged", func(x *exchange, f []observe.Frame) []observe.Frame { ip(f[1])[20+24] = 7; return f }},
		{"tun", "the packet is wrapped, the inner one unchanged", func(x *exchange, f []observe.Frame) []observe.Frame {
			f[1] = frame("d1", inside, true, rs1In, d1In, tcp4(63, x.client, netip.AddrPortFrom(x.service.addr, 80)))
			return f
		}},
		{"tun", "the packet is wrapped, the inner one unchanged", func(x *exchange, f []observe.Frame) []observe.Frame { ip(f[1])[19] = 4; return f }},
		{"tun", "the answer does not pass the director", func(x *exchange, f []observe.Frame) []observe.Frame {
			return append(f, frame("d1", inside, true, clientIn, d1In, tcp4(64, netip.AddrPortFrom(x.service.addr, 80), x.client)))
		}},
		{"gre", "the packet is wrapped, the inner one unchanged", func(x *exchange, f []observe.Frame) []observe.Frame { ip(f[1])[20+4+24] = 7; return f }},
		{"gre", "the packet is wrapped, the inner one unchanged", func(x *exchange, f []observe.Frame) []observe.Frame {
			f[1] = frame("d1", inside, true, rs1In, d1In, ipip(x.director.addr.Addr(), x.server.addr.Addr(), tcp4(63, x.client, netip.AddrPortFrom(x.service.addr, 80))))
			return f
		}},
		{"gue", "the packet is wrapped, the inner one unchanged", func(x *exchange, f []observe.Frame) []observe.Frame { ip(f[1])[20+20+24] = 7; return f }},
		{"gue", "the packet is wrapped, the inner one unchanged", func(x *exchange, f []observe.Frame) []observe.Frame {
			f[1] = frame("d1", inside, true, rs1In, d1In, gre(x.director.addr.Addr(), x.server.addr.Addr(), tcp4(63, x.client, netip.AddrPortFrom(x.service.addr, 80))))
			return f
		}},
		{"nat", "the destination is rewritten on the way in", func(x *exchange, f []observe.Frame) []observe.Frame {
			copy(ip(f[1]), tcp4(63, x.client, netip.AddrPortFrom(x.service.addr, 80)))
			return f
		}},
		{"nat", "the destination is rewritten on the way in", func(x *exchange, f []observe.Frame) []observe.Frame {
			copy(ip(f[1]), tcp4(63, x.director.addr, x.server.addr)) // as a proxy would
			return f
		}},
		{"nat", "the source is rewritten on the way out", func(x *exchange, f []observe.Frame) []observe.Frame {
			copy(ip(f[3]), tcp4(63, x.server.addr, x.client))
			return f
		}},
		{"nat", "the source is rewritten on the way out", func(x *exchange, f []observe.Frame) []observe.Frame {
			return append(f, frame("client", outside, false, clientIn, d1In, tcp4(63, x.server.addr, x.client)))
		}},
	}
	for _, mode := range []string{"nat", "dr", "tun", "gre", "gue"} {
		x, frames := request4(mode)
		x.packets = packetsOf(t, frames)
		for _, truth := range truths(x.service.mode) {
			if ok, said := truth.judge(x); !ok {
				t.Errorf("%s: %s: a good request fails: %s", mode, truth.name, said)
			}
		}
	}
	for i, tt := range tests {
		x, frames := request4(tt.mode)
		frames = tt.spoil(&x, frames)
		x.packets = packetsOf(t, frames)
		named := false
		for _, truth := range truths(x.service.mode) {
			if truth.name != tt.fails {
				continue
			}
			named = true
			if ok, said := truth.judge(x); ok {
				t.Errorf("case %d: %s: %s: passes: %s", i, tt.mode, truth.name, said)
			}
		}
		if !named {
			t.Errorf("case %d: %s has no demand %q", i, tt.mode, tt.fails)
		}
	}
}

func TestSame(t *testing.T) {
	six := make([]byte, 60)
	six[0] = 0x60
	hop, port := slices.Clone(six), slices.Clone(six)
	hop[7], port[41] = 63, 9
	if err := same(six, hop); err != nil {
		t.Errorf("a hop less: %v", err)
	}
	if same(six, port) == nil {
		t.Error("another port is the same")
	}
	if same(six, six[:59]) == nil {
		t.Error("a shorter packet is the same")
	}
}

func TestClaimants(t *testing.T) {
	vip := place(inside, true, 100)
	arp := append(append(append([]byte(nil), clientIn...), rs1In...), 8, 6, 0, 1, 8, 0, 6, 4, 0, 2)
	arp = append(append(arp, rs1In...), 10, 9, 0, 100)
	arp = append(append(arp, clientIn...), 10, 9, 0, 10)
	neighbour := append(append(append([]byte(nil), clientIn...), d1In...), 0x86, 0xdd, 0x60, 0, 0, 0, 0, 24, 58, 255)
	neighbour = append(neighbour, make([]byte, 32)...)
	neighbour = append(neighbour, 136, 0, 0, 0, 0, 0, 0, 0)
	neighbour = append(neighbour, vip.AsSlice()...)
	packets := packetsOf(t, []observe.Frame{{Data: arp}, {Data: neighbour}, {Data: neighbour}})
	if got := claimants(packets, place(inside, false, 100)); strings.Join(got, " ") != rs1In.String() {
		t.Errorf("ARP: %v", got)
	}
	if got := claimants(packets, vip); strings.Join(got, " ") != d1In.String() {
		t.Errorf("neighbour advertisement: %v", got)
	}
	if got := claimants(packets, gateway4); got != nil {
		t.Errorf("nobody claims the gateway: %v", got)
	}
}

func FuzzParse(f *testing.F) {
	for _, mode := range []string{"nat", "dr", "tun", "gre", "gue"} {
		_, frames := request4(mode)
		for _, fr := range frames {
			f.Add(fr.Data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, ok := parse(observe.Frame{Data: data})
		if ok && p.inner != nil && len(p.inner.raw) >= len(p.ip) {
			t.Error("what is wrapped is not shorter than the whole")
		}
	})
}
