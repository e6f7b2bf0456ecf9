package probe

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// TestICMP: echoes over loopback, and none.
func TestICMP(t *testing.T) {
	namespace(t, func(t *testing.T) {
		if !ip(t, "route add unreachable 203.0.113.1") || !ip(t, "rule add fwmark 7 pref 10 table 7") ||
			!ip(t, "route add unreachable default table 7") {
			return
		}
		var got strings.Builder
		try := func(name, target string, d Dial) {
			o := Options{Type: "icmp", Target: netip.AddrPortFrom(netip.MustParseAddr(target), 0), Dial: d}
			fmt.Fprintf(&got, "%s: %s\n", name, steady(run(t, o)))
		}
		try("healthy", "127.0.0.1", Dial{})
		try("healthy, IPv6", "::1", Dial{})
		try("black-holed", "192.0.2.9", Dial{})
		try("no route", "198.51.100.1", Dial{})
		try("route of type unreachable", "203.0.113.1", Dial{})
		try("source", "127.0.0.1", Dial{Source: netip.MustParseAddr("127.0.0.9")})
		try("mark", "192.0.2.9", Dial{Mark: 7})
		if err := withoutNetRaw(); err != nil {
			t.Error(err)
			return
		}
		try("not allowed", "127.0.0.1", Dial{})
		want := `healthy: ok: echo in T
healthy, IPv6: ok: echo in T
black-holed: timeout: timeout in answer after TIMEOUT
no route: unreachable: network is unreachable
route of type unreachable: unreachable: no route to host
source: ok: echo in T
mark: unreachable: no route to host
not allowed: local: socket: operation not permitted
`
		if diff := cmp.Diff(want, got.String()); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

// withoutNetRaw drops CAP_NET_RAW for the calling thread, which is to end soon.
func withoutNetRaw() error {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&head, &data[0]); err != nil {
		return err
	}
	data[0].Effective &^= 1 << unix.CAP_NET_RAW
	return unix.Capset(&head, &data[0])
}

// FuzzEcho: whatever comes in, it is the reply only if it has our marks.
func FuzzEcho(f *testing.F) {
	for _, s := range []string{
		"450000240000400040010000c0000201c0000202" + "0000ffff" + "00010002" + "6162636465666768",
		"450000240000400040010000c0000201c0000202" + "0000ffff" + "00010003" + "6162636465666768",
		"4f00", "46000024", "8100ffff00010002" + "6162636465666768", "810000000001", "",
	} {
		packet, err := hex.DecodeString(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packet, true)
		f.Add(packet, false)
	}
	f.Fuzz(func(t *testing.T, packet []byte, is4 bool) {
		e := &echo{is4: is4, id: 1, seq: 2, token: []byte("abcdefgh")}
		ours := len(packet) >= 16 && string(packet[len(packet)-12:]) == "\x00\x01\x00\x02abcdefgh"
		if e.answeredBy(packet) && !ours {
			t.Errorf("%x is taken for the reply", packet)
		}
	})
}

// TestEcho: the reply to a request is recognised.
func TestEcho(t *testing.T) {
	for _, is4 := range []bool{true, false} {
		e := newEcho(is4)
		packet, err := e.request()
		if err != nil {
			t.Fatal(err)
		}
		header := make([]byte, 0, 20)
		if packet[0] = 129; is4 {
			packet[0] = 0
			header = header[:20]
			header[0] = 0x45
		}
		reply := append(header, packet...)
		if !e.answeredBy(reply) {
			t.Errorf("is4 %v: %x is not taken for the reply", is4, reply)
		}
		for i := len(header) + 4; i < len(reply); i++ { // id, seq, token
			reply[i] ^= 1
			if e.answeredBy(reply) {
				t.Errorf("is4 %v: byte %d does not matter", is4, i)
			}
			reply[i] ^= 1
		}
	}
}
