package observe

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/lbha/lbha/integration/internal/mono"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Frames as keepalived sent them.
const (
	frameV2   = "01005e00001202000000000a080045c0002800010000ff70d0440a4d0001e00000122133c80101019d9a0a4d00647365637265743132"
	frameV3   = "01005e00001202000000000a080045c0002000010000ff70d04c0a4d0001e00000123133c8010032110b0a4d0064"
	frameGARP = "ffffffffffff02000000000a0806000108000604000102000000000a0a4d0064ffffffffffff0a4d0064"
)

func frame(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParseAdvert(t *testing.T) {
	source := netip.MustParseAddr("10.77.0.1")
	tests := []struct {
		name, frame string
		want        Advert
		ok          bool
	}{
		{"version 2", frameV2, Advert{Source: source, Version: 2, VRID: 51, Priority: 200, Interval: time.Second}, true},
		{"version 3", frameV3, Advert{Source: source, Version: 3, VRID: 51, Priority: 200, Interval: 500 * time.Millisecond}, true},
		{"ARP", frameGARP, Advert{}, false},
		{"cut", frameV3[:len(frameV3)-20], Advert{}, false},
		{"empty", "", Advert{}, false},
	}
	for _, tt := range tests {
		got, ok := parseAdvert(frame(t, tt.frame))
		if ok != tt.ok {
			t.Errorf("%s: ok = %v", tt.name, ok)
		}
		if diff := cmp.Diff(tt.want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

func TestParseARP(t *testing.T) {
	p, ok := parseARP(frame(t, frameGARP))
	vip := netip.MustParseAddr("10.77.0.100")
	if !ok || p.operation != arpRequest || p.senderIP != vip || p.targetIP != vip || p.senderMAC != [6]byte{2, 0, 0, 0, 0, 10} {
		t.Errorf("%+v, %v", p, ok)
	}
	if _, ok := parseARP(frame(t, frameV3)); ok {
		t.Error("an advert is read as ARP")
	}
	if _, ok := parseARP(frame(t, frameGARP[:80])); ok {
		t.Error("half a packet is read as ARP")
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{frameV2, frameV3, frameGARP, ""} {
		b, err := hex.DecodeString(text)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(_ *testing.T, b []byte) {
		parseAdvert(b)
		parseARP(b)
		writes(b, 30)
		_, _ = ParseTable(b)
	})
}

func TestWireFilter(t *testing.T) {
	vm, err := bpf.NewVM(wireFilter(netip.MustParseAddr("10.77.0.1"), netip.MustParseAddr("10.77.0.2")))
	if err != nil {
		t.Fatal(err)
	}
	other := frame(t, frameV3)
	other[14+15] = 9 // from 10.77.0.9
	tcp := frame(t, frameV3)
	tcp[14+9] = unix.IPPROTO_TCP
	tests := []struct {
		name   string
		frame  []byte
		accept bool
	}{
		{"advert of a director", frame(t, frameV3), true},
		{"ARP", frame(t, frameGARP), true},
		{"advert of a stranger", other, false},
		{"TCP of a director", tcp, false},
	}
	for _, tt := range tests {
		n, err := vm.Run(tt.frame)
		if err != nil || (n > 0) != tt.accept {
			t.Errorf("%s: %d, %v; accepted: want %v", tt.name, n, err, tt.accept)
		}
	}
}

func TestParseTable(t *testing.T) {
	const text = `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
UDP  0A090064:1388 rr ops
  -> 0A090003:1388      Route   1      0          0
TCP  0A090064:0050 wlc persistent 30000 FFFFFFFF
  -> 0A090004:0050      Masq    0      12         7
  -> 0A090003:0050      Tunnel  3      0          0
FWM  0000000A sh
`
	table, err := ParseTable([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	want := Table{
		"-A -f 10 -s sh",
		"-A -t 10.9.0.100:80 -s wlc -p",
		"-A -u 10.9.0.100:5000 -s rr -o",
		"-a -t 10.9.0.100:80 -r 10.9.0.3:80 -i -w 3",
		"-a -t 10.9.0.100:80 -r 10.9.0.4:80 -m -w 0",
		"-a -u 10.9.0.100:5000 -r 10.9.0.3:5000 -g -w 1",
	}
	if diff := cmp.Diff(want, table); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{"TCP  0A0900:0050 rr\n", "ABC  0A090064:0050 rr\n", "  -> 0A090003:0050 Route 1 0 0\n", "TCP 0A090064 rr\n"} {
		if _, err := ParseTable([]byte(bad)); err == nil {
			t.Errorf("%q is a table", bad)
		}
	}
}

func TestDiff(t *testing.T) {
	from := Table{"-A a", "-a a -r x -w 1", "-a a -r y -w 1"}
	to := Table{"-A a", "-a a -r x -w 0", "-a a -r z -w 1"}
	want := []string{"- -a a -r x -w 1", "- -a a -r y -w 1", "+ -a a -r x -w 0", "+ -a a -r z -w 1"}
	if diff := cmp.Diff(want, Diff(from, to)); diff != "" {
		t.Error(diff)
	}
	if got := Diff(to, to); got != nil {
		t.Errorf("a table differs from itself: %v", got)
	}
}

func TestWrites(t *testing.T) {
	const family = 30
	message := func(kind, flags uint16, command byte, payload int) []byte {
		b := make([]byte, 20+payload)
		binary.NativeEndian.PutUint32(b, uint32(len(b)))
		binary.NativeEndian.PutUint16(b[4:], kind)
		binary.NativeEndian.PutUint16(b[6:], flags)
		b[16] = command
		for len(b)%4 != 0 {
			b = append(b, 0)
		}
		return b
	}
	var packet []byte
	packet = append(packet, message(family, unix.NLM_F_REQUEST|unix.NLM_F_ACK, 5, 7)...) // a write, with padding after it
	packet = append(packet, message(family, unix.NLM_F_REQUEST|unix.NLM_F_DUMP, 8, 0)...)
	packet = append(packet, message(family, unix.NLM_F_MULTI, 5, 4)...) // the answer to a listing
	packet = append(packet, message(family+1, unix.NLM_F_REQUEST, 5, 0)...)
	packet = append(packet, message(family, unix.NLM_F_REQUEST, 17, 0)...)
	if diff := cmp.Diff([]Write{{Command: "new-dest"}, {Command: "flush"}}, writes(packet, family)); diff != "" {
		t.Error(diff)
	}
	if got := writes(packet[:21], family); got != nil {
		t.Errorf("a message that is cut: %v", got)
	}
}

func TestTape(t *testing.T) {
	var tape Tape[string]
	for i, entry := range []string{"a", "b", "c", "d"} {
		tape.add(10*(1+mono.Time(i)), entry)
	}
	if diff := cmp.Diff([]string{"b", "c"}, tape.Between(20, 40)); diff != "" {
		t.Error(diff)
	}
	if got, ok := tape.Before(40, func(s string) bool { return s != "c" }); !ok || got != "b" {
		t.Errorf("before 40, not c: %q, %v", got, ok)
	}
	if _, ok := tape.Before(10, func(string) bool { return true }); ok {
		t.Error("something is before the first")
	}
}
