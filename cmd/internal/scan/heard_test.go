package scan

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/lbha/lbha/vrrp/wire"
)

// packet is an advert with its IP header.
func packet(t testing.TB, a wire.Advert, src, dst netip.Addr) []byte {
	t.Helper()
	msg, err := wire.Append(nil, &a, src, dst, wire.FormPseudo)
	if err != nil {
		t.Fatal(err)
	}
	return wrap(msg, src, dst)
}

func wrap(msg []byte, src, dst netip.Addr) []byte {
	if src.Is6() {
		b := binary.BigEndian.AppendUint16([]byte{0x60, 0, 0, 0}, uint16(len(msg)))
		b = append(b, wire.Protocol, wire.TTL)
		return append(append(append(b, src.AsSlice()...), dst.AsSlice()...), msg...)
	}
	b := binary.BigEndian.AppendUint16([]byte{0x45, 0}, uint16(20+len(msg)))
	b = append(b, 0, 0, 0, 0, wire.TTL, wire.Protocol, 0, 0)
	return append(append(append(b, src.AsSlice()...), dst.AsSlice()...), msg...)
}

var (
	a4, b4 = netip.MustParseAddr("10.9.0.1"), netip.MustParseAddr("10.9.0.2")
	a6     = netip.MustParseAddr("fe80::1")
)

func corpus(t testing.TB) [][]byte {
	vip := []netip.Addr{netip.MustParseAddr("10.9.0.100")}
	password, _ := wire.Password("secret")
	three := wire.Advert{Version: 3, VRID: 51, Priority: 150, Interval: time.Second, Addresses: vip}
	signed, err := wire.Append(nil, &three, b4, wire.Group4(), wire.FormPseudo)
	if err != nil {
		t.Fatal(err)
	}
	broken := packet(t, three, netip.MustParseAddr("10.9.0.3"), wire.Group4())
	broken[26] ^= 0xff
	return [][]byte{
		packet(t, three, a4, wire.Group4()),
		packet(t, three, a4, wire.Group4()),
		wrap((&wire.Trailer{}).Append(signed, b4, wire.Group4()), b4, wire.Group4()),
		packet(t, wire.Advert{Version: 2, VRID: 7, Priority: 100, Interval: 2 * time.Second, Addresses: vip, AuthType: wire.AuthPassword, AuthData: password}, a4, b4),
		packet(t, wire.Advert{Version: 3, VRID: 255, Priority: 255, Interval: 250 * time.Millisecond, Addresses: []netip.Addr{a6}}, a6, wire.Group6()),
		broken,
	}
}

// TestLog: who is in it, and which ids are free.
func TestLog(t *testing.T) {
	var l Log
	for _, p := range corpus(t) {
		if !l.Hear("eth0", p) {
			t.Errorf("not heard: %x", p)
		}
	}
	other := corpus(t)[0]
	other[9] = 6 // TCP
	if l.Hear("eth0", other) {
		t.Error("TCP is heard")
	}
	var got strings.Builder
	for _, s := range l.Speakers() {
		fmt.Fprintf(&got, "%s id %d v%d %v→%v priority %d every %v %v %s %d× %s\n", s.Interface, s.VRID, s.Version, s.Source, s.To, s.Priority, s.Interval, s.Addresses, s.Auth, s.Adverts, s.Wrong)
	}
	fmt.Fprintln(&got, "free", l.Free("eth0"), l.Free("eth1"))
	want := `eth0 id 7 v2 10.9.0.1→10.9.0.2 priority 100 every 2s [10.9.0.100] pass 1× accepted
eth0 id 51 v3 10.9.0.1→224.0.0.18 priority 150 every 1s [10.9.0.100] none 2× accepted
eth0 id 51 v3 10.9.0.2→224.0.0.18 priority 150 every 1s [10.9.0.100] hmac 1× accepted
eth0 id 51 v3 10.9.0.3→224.0.0.18 priority 0 every 0s [] none 1× bad-checksum
eth0 id 255 v3 fe80::1→ff02::12 priority 255 every 250ms [fe80::1] none 1× accepted
free [[1 6] [8 50] [52 254]] [[1 255]]
`
	if got.String() != want {
		t.Errorf("got\n%swant\n%s", &got, want)
	}
}

// TestFlood: a flood of senders takes bounded memory, and is told.
func TestFlood(t *testing.T) {
	var l Log
	p := corpus(t)[0]
	for i := range MaxSpeakers + 10 {
		binary.BigEndian.PutUint32(p[12:], uint32(10<<24+i))
		l.Hear("eth0", p)
	}
	if n := len(l.Speakers()); n != MaxSpeakers || l.Lost() != 10 {
		t.Errorf("%d speakers, %d lost", n, l.Lost())
	}
}

// FuzzHear: whatever the packet, the log can be shown.
func FuzzHear(f *testing.F) {
	for _, p := range corpus(f) {
		f.Add(p)
		f.Add(p[:len(p)-3])
	}
	f.Add([]byte{0x4f})
	f.Fuzz(func(t *testing.T, p []byte) {
		var l Log
		heard := l.Hear("eth0", p)
		if heard != (len(l.Speakers()) == 1) {
			t.Errorf("heard: %v, %v", heard, l.Speakers())
		}
		if _, err := json.Marshal(l.Speakers()); err != nil {
			t.Error(err)
		}
		for _, r := range l.Free("eth0") {
			if r[0] < 1 || r[1] > 255 || r[0] > r[1] {
				t.Errorf("free: %v", r)
			}
		}
	})
}
