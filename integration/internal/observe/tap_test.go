package observe

import (
	"encoding/hex"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/lbha/lbha/integration/internal/netlab"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Frames as keepalived sent them, over IPv6.
const (
	frameV3IPv6 = "33330000001202000000000a86dd6c0e0b82002870fffe80000000000000000000000000000aff0200000000000000000000000000123133c8020032db5dfe80000000000000000000000000006420010db8000000000000000000000064"
	frameNA     = "33330000000102000000000a86dd6000000000203afffe800000000000000000000000000064ff020000000000000000000000000001880056cc20000000fe800000000000000000000000000064020102000000000a"
)

func TestTapSortsWhatComesIn(t *testing.T) {
	tap := &Tap{ports: map[int]string{7: "d1"}}
	from := &unix.SockaddrLinklayer{Ifindex: 7}
	for _, text := range []string{frameV3IPv6, frameNA, frameGARP, frameV3} {
		tap.deliver(1, from, frame(t, text))
		tap.deliver(1, &unix.SockaddrLinklayer{Ifindex: 7, Pkttype: unix.PACKET_OUTGOING}, frame(t, text))
		tap.deliver(1, &unix.SockaddrLinklayer{Ifindex: 8}, frame(t, text))
	}
	ll := netip.MustParseAddr("fe80::64")
	answer := frame(t, frameNA)
	answer[14+40+4] |= 0x40 // solicited
	tap.deliver(2, from, answer)
	echo := append(frame(t, frameV3)[:14+20], 0, 0, 0, 0, 0, 0, 0, 0)
	echo[14+9] = protocolICMP
	tap.deliver(3, from, echo)

	if diff := cmp.Diff([]Heard{
		{Host: "d1", Advert: Advert{At: 1, Source: netip.MustParseAddr("fe80::a"), Version: 3, VRID: 51, Priority: 200, Interval: 500 * time.Millisecond}},
		{Host: "d1", Advert: Advert{At: 1, Source: netip.MustParseAddr("10.77.0.1"), Version: 3, VRID: 51, Priority: 200, Interval: 500 * time.Millisecond}},
	}, tap.Adverts.Between(0, 9), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	same := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
	if diff := cmp.Diff([]Claim{{1, "d1", ll}, {1, "d1", netip.MustParseAddr("10.77.0.100")}}, tap.Announcements.Between(0, 9), same); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]Claim{{2, "d1", ll}}, tap.Answers.Between(0, 9), same); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]Claim{{3, "d1", netip.MustParseAddr("10.77.0.1")}}, tap.Echoes.Between(0, 9), same); diff != "" {
		t.Error(diff)
	}
}

func TestTapFilter(t *testing.T) {
	vm, err := bpf.NewVM(tapFilter())
	if err != nil {
		t.Fatal(err)
	}
	udp4, udp6 := frame(t, frameV3), frame(t, frameV3IPv6)
	udp4[23], udp6[20] = unix.IPPROTO_UDP, unix.IPPROTO_UDP
	icmp := frame(t, frameV3)
	icmp[23] = unix.IPPROTO_ICMP
	tests := []struct {
		name  string
		frame []byte
		want  bool
	}{
		{"VRRP over IPv4", frame(t, frameV2), true}, {"VRRP over IPv6", frame(t, frameV3IPv6), true}, {"ARP", frame(t, frameGARP), true},
		{"ICMP", icmp, true}, {"ICMPv6", frame(t, frameNA), true}, {"UDP over IPv4", udp4, false}, {"UDP over IPv6", udp6, false},
		{"something else", make([]byte, 60), false},
	}
	for _, tt := range tests {
		n, err := vm.Run(tt.frame)
		if err != nil || (n > 0) != tt.want {
			t.Errorf("%s: accepted %v, %v; want %v", tt.name, n > 0, err, tt.want)
		}
	}
}

// What asks must be what a host answers: the checksum of the solicitation is right, and the group is that of the address.
func TestSolicit(t *testing.T) {
	h := &netlab.Host{MAC: net.HardwareAddr{2, 0, 0, 0, 0, 20}}
	got := solicit(h, netip.MustParseAddr("fd00:9::64"))
	if want := []byte{0x33, 0x33, 0xff, 0, 0, 0x64}; string(got[:6]) != string(want) {
		t.Errorf("destination % x, want % x", got[:6], want)
	}
	icmp := got[14+40:]
	pseudo := append(append([]byte(nil), got[14+8:14+40]...), 0, 0, 0, byte(len(icmp)), 0, 0, 0, protocolICMPv6)
	if sum := checksum(append(pseudo, icmp...)); sum != 0 {
		t.Errorf("the checksum of the whole is %#x, not 0", sum)
	}
}

func FuzzTap(f *testing.F) {
	for _, seed := range []string{frameV2, frameV3, frameV3IPv6, frameNA, frameGARP} {
		b, err := hex.DecodeString(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(_ *testing.T, b []byte) {
		tap := &Tap{ports: map[int]string{7: "d1"}}
		tap.deliver(1, &unix.SockaddrLinklayer{Ifindex: 7}, b)
	})
}
