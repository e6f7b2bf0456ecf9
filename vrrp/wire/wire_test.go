package wire_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/lbha/lbha/vrrp/wire"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func addrs(ss ...string) []netip.Addr {
	var as []netip.Addr
	for _, s := range ss {
		as = append(as, netip.MustParseAddr(s))
	}
	return as
}

func meta(src, dst string) wire.Meta {
	return wire.Meta{Src: netip.MustParseAddr(src), Dst: netip.MustParseAddr(dst), TTL: 255}
}

var (
	meta4 = meta("10.77.0.1", "224.0.0.18")
	meta6 = meta("fe80::a", "ff02::12")
)

// Frames captured from keepalived 2.2.7, checksums verified independently.
// ipLen is the length of the headers in front of the message.
var golden = []struct {
	name  string
	frame string
	ipLen int
	form  wire.ChecksumForm
	want  wire.Advert
}{{
	name:  "v2, no authentication, two addresses",
	frame: "01005e00001202000000000a0800 45c0002c00010000ff70d0400a4d0001e0000012 2133c802000101660a4d00640a4d00650000000000000000",
	ipLen: 20,
	form:  wire.FormMessage,
	want: wire.Advert{
		Version: 2, VRID: 51, Priority: 200, Interval: time.Second,
		Addresses: addrs("10.77.0.100", "10.77.0.101"),
	},
}, {
	name:  "v2, password",
	frame: "01005e00001202000000000a0800 45c0002800010000ff70d0440a4d0001e0000012 2133c80101019d9a0a4d00647365637265743132",
	ipLen: 20,
	form:  wire.FormMessage,
	want: wire.Advert{
		Version: 2, VRID: 51, Priority: 200, Interval: time.Second,
		Addresses: addrs("10.77.0.100"),
		AuthType:  wire.AuthPassword, AuthData: wire.AuthData([]byte("secret12")),
	},
}, {
	name:  "v3 IPv4, pseudo header",
	frame: "01005e00001202000000000a0800 45c0002000010000ff70d04c0a4d0001e0000012 3133c8010032110b0a4d0064",
	ipLen: 20,
	form:  wire.FormPseudo,
	want: wire.Advert{
		Version: 3, VRID: 51, Priority: 200, Interval: 500 * time.Millisecond,
		Addresses: addrs("10.77.0.100"),
	},
}, {
	name:  "v3 IPv4, message only",
	frame: "01005e00001202000000000a0800 45c0002000010000ff70d04c0a4d0001e0000012 3133c8010032fbe70a4d0064",
	ipLen: 20,
	form:  wire.FormMessage,
	want: wire.Advert{
		Version: 3, VRID: 51, Priority: 200, Interval: 500 * time.Millisecond,
		Addresses: addrs("10.77.0.100"),
	},
}, {
	name: "v3 IPv6",
	frame: "33330000001202000000000a86dd 6c0e0b82002870fffe80000000000000000000000000000aff020000000000000000000000000012" +
		"3133c8020032db5dfe80000000000000000000000000006420010db8000000000000000000000064",
	ipLen: 40,
	form:  wire.FormPseudo,
	want: wire.Advert{
		Version: 3, VRID: 51, Priority: 200, Interval: 500 * time.Millisecond,
		Addresses: addrs("fe80::64", "2001:db8::64"),
	},
}}

func TestGolden(t *testing.T) {
	for _, tt := range golden {
		t.Run(tt.name, func(t *testing.T) {
			m, msg := split(t, tt.frame, tt.ipLen)
			var got wire.Advert
			form, drop := wire.Decode(&got, msg, m)
			if drop != wire.Accepted || form != tt.form {
				t.Fatalf("Decode: %v, %v; want accepted, %v", drop, form, tt.form)
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
				t.Errorf("Decode (-want +got):\n%s", diff)
			}
			// Bytes in front of the message stay and are under no checksum.
			sent, err := wire.Append([]byte("abc"), &tt.want, m.Src, m.Dst, tt.form)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff("616263"+hex.EncodeToString(msg), hex.EncodeToString(sent)); diff != "" {
				t.Errorf("Append (-want +got):\n%s", diff)
			}
		})
	}
}

// split cuts a frame into what the IP header says and the message.
func split(t *testing.T, frame string, ipLen int) (wire.Meta, []byte) {
	ip, msg := unhex(t, frame)[14:], unhex(t, frame)[14+ipLen:]
	if ipLen == 20 {
		return wire.Meta{Src: netip.AddrFrom4([4]byte(ip[12:])), Dst: netip.AddrFrom4([4]byte(ip[16:])), TTL: int(ip[8])}, msg
	}
	return wire.Meta{Src: netip.AddrFrom16([16]byte(ip[8:])), Dst: netip.AddrFrom16([16]byte(ip[24:])), TTL: int(ip[7])}, msg
}

// The vector of draft-cassen-vrrp-auth-hmac, without its trailer: the form of
// the checksum depends on the addresses.
func TestPublishedVector(t *testing.T) {
	m := meta("198.51.100.10", "224.0.0.18")
	for _, tt := range []struct {
		msg  string
		form wire.ChecksumForm
	}{
		{"3133c80100644402c0000264", wire.FormMessage},
		{"3133c80100643935c0000264", wire.FormPseudo},
	} {
		var a wire.Advert
		if form, drop := wire.Decode(&a, unhex(t, tt.msg), m); form != tt.form || drop != wire.Accepted {
			t.Errorf("%s: %v, %v; want %v, accepted", tt.msg, form, drop, tt.form)
		}
	}
}

// On unicast the pseudo header holds the real destination: what is made for one
// peer is no message for another, nor for the group.
func TestPseudoHeaderOfUnicast(t *testing.T) {
	a := wire.Advert{Version: 3, VRID: 51, Priority: 200, Interval: time.Second, Addresses: addrs("10.77.0.100")}
	m := meta("10.77.0.1", "10.77.0.2")
	msg, err := wire.Append(nil, &a, m.Src, m.Dst, wire.FormPseudo)
	if err != nil {
		t.Fatal(err)
	}
	for dst, want := range map[string]wire.Drop{
		"10.77.0.2":  wire.Accepted,
		"10.77.0.3":  wire.DropBadChecksum,
		"224.0.0.18": wire.DropBadChecksum,
	} {
		m.Dst = netip.MustParseAddr(dst)
		if _, drop := wire.Decode(&a, msg, m); drop != want {
			t.Errorf("received as to %s: %v, want %v", dst, drop, want)
		}
	}
}

// message makes a message with a right checksum, whatever its fields say.
func message(t testing.TB, s string) []byte {
	b := unhex(t, s)
	b[6], b[7] = 0, 0
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(b[i])<<8 | uint32(b[i+1])
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	b[6], b[7] = ^byte(sum>>8), ^byte(sum)
	return b
}

func TestDecodeRefuses(t *testing.T) {
	const (
		v3 = "3133c80100640000 0a4d0064"
		v2 = "2133c80100010000 0a4d0064 0000000000000000"
	)
	far := meta4
	far.TTL = 254
	for _, tt := range []struct {
		name string
		msg  []byte
		m    wire.Meta
		want wire.Drop
	}{
		{"sound v3", message(t, v3), meta4, wire.Accepted},
		{"sound v2", message(t, v2), meta4, wire.Accepted},
		{"reserved bits are ignored", message(t, "3133c801f0640000 0a4d0064"), meta4, wire.Accepted},
		{"priority 0", message(t, "3133000100640000 0a4d0064"), meta4, wire.Accepted},
		{"longest interval", message(t, "3133c8010fff0000 0a4d0064"), meta4, wire.Accepted},
		{"no source", message(t, v3), wire.Meta{Dst: meta4.Dst, TTL: 255}, wire.DropBadSource},
		{"source unspecified", message(t, v3), meta("0.0.0.0", "224.0.0.18"), wire.DropBadSource},
		{"source multicast", message(t, v3), meta("224.0.0.18", "224.0.0.18"), wire.DropBadSource},
		{"two families", message(t, v3), meta("10.77.0.1", "ff02::12"), wire.DropBadSource},
		{"TTL 254", message(t, v3), far, wire.DropBadTTL},
		{"TTL 254 on unicast", message(t, v3), wire.Meta{Src: meta4.Src, Dst: netip.MustParseAddr("10.77.0.2"), TTL: 254}, wire.Accepted},
		{"nothing", nil, meta4, wire.DropShort},
		{"7 bytes", message(t, v3)[:7], meta4, wire.DropShort},
		{"version 4", message(t, "4133c80100640000 0a4d0064"), meta4, wire.DropBadVersion},
		{"version 1", message(t, "1133c80100640000 0a4d0064"), meta4, wire.DropBadVersion},
		{"version 2 on IPv6", message(t, v2), meta6, wire.DropBadVersion},
		{"type 2", message(t, "3233c80100640000 0a4d0064"), meta4, wire.DropBadType},
		{"VRID 0", message(t, "3100c80100640000 0a4d0064"), meta4, wire.DropZeroVRID},
		{"no addresses", message(t, "3133c80000640000"), meta4, wire.DropZeroCount},
		{"no addresses, one present", message(t, "3133c80000640000 0a4d0064"), meta4, wire.DropZeroCount},
		{"one address missing", message(t, "3133c80200640000 0a4d0064"), meta4, wire.DropBadLength},
		{"count 255", message(t, "3133c8ff00640000 0a4d0064"), meta4, wire.DropBadLength},
		{"v2 without authentication data", message(t, "2133c80100010000 0a4d0064"), meta4, wire.DropBadLength},
		{"IPv6 with an address of 4 bytes", message(t, v3), meta6, wire.DropBadLength},
		{"checksum off by one", unhex(t, "3133c8010032110c0a4d0064"), meta4, wire.DropBadChecksum},
		{"checksum 0", unhex(t, "3133c801003200000a4d0064"), meta4, wire.DropBadChecksum},
		{"pseudo header of another source", unhex(t, "3133c8010032110b0a4d0064"), meta("10.77.0.2", "224.0.0.18"), wire.DropBadChecksum},
		{"IPv6 without pseudo header", message(t, "3133c80100320000 fe800000000000000000000000000064"), meta6, wire.DropBadChecksum},
		{"v3 interval 0", message(t, "3133c801f0000000 0a4d0064"), meta4, wire.DropZeroInterval},
		{"v2 interval 0", message(t, "2133c80100000000 0a4d0064 0000000000000000"), meta4, wire.DropZeroInterval},
		{"v2 authentication header", unhex(t, "2133c80102010a190a4d00640000000000000000"), meta4, wire.DropBadAuthType},
		{"v2 authentication type 255", message(t, "2133c801ff010000 0a4d0064 0000000000000000"), meta4, wire.DropBadAuthType},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var a wire.Advert
			if _, drop := wire.Decode(&a, tt.msg, tt.m); drop != tt.want {
				t.Errorf("got %v, want %v", drop, tt.want)
			}
		})
	}
}

// keepalived sends its addresses in the order of its configuration, and need not
// have a link-local one (contrary to erratum 8300).
func TestDecodeIPv6WithoutLinkLocalFirst(t *testing.T) {
	// As the golden frame, with the addresses swapped: the sum stays.
	msg := unhex(t, "3133c8020032db5d 20010db8000000000000000000000064 fe800000000000000000000000000064")
	var a wire.Advert
	if _, drop := wire.Decode(&a, msg, meta6); drop != wire.Accepted {
		t.Fatal(drop)
	}
	if diff := cmp.Diff(addrs("2001:db8::64", "fe80::64"), a.Addresses, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	sent, err := wire.Append(nil, &a, meta6.Src, meta6.Dst, wire.FormPseudo)
	if err != nil || hex.EncodeToString(sent) != hex.EncodeToString(msg) {
		t.Errorf("Append: %x, %v", sent, err)
	}
}

// Ethernet pads an IPv4 packet to 46 bytes, header included, with anything.
func TestDecodePadding(t *testing.T) {
	for _, tt := range []struct {
		msg  string
		pad  int
		want wire.Drop
	}{
		{"3133c80100640000 0a4d0064", 1, wire.Accepted},
		{"3133c80100640000 0a4d0064", 14, wire.Accepted},
		{"3133c80100640000 0a4d0064", 15, wire.DropBadLength},
		{"2133c80101010000 0a4d0064 7365637265743132", 6, wire.Accepted},
		{"2133c80101010000 0a4d0064 7365637265743132", 7, wire.DropBadLength},
		{"2133c80200010000 0a4d00640a4d0065 0000000000000000", 2, wire.Accepted},
		{"3133c80500640000 0a4d00640a4d00650a4d00660a4d00670a4d0068", 1, wire.DropBadLength},
	} {
		msg := append(message(t, tt.msg), []byte("leftovers of memory")[:tt.pad]...)
		var a wire.Advert
		_, drop := wire.Decode(&a, msg, meta4)
		if drop != tt.want {
			t.Errorf("%s and %d bytes: got %v, want %v", tt.msg, tt.pad, drop, tt.want)
		}
		if a.AuthType == wire.AuthPassword && string(a.AuthData[:]) != "secret12" {
			t.Errorf("%s and %d bytes: password %q", tt.msg, tt.pad, a.AuthData)
		}
	}
	msg := unhex(t, "3133c8020032db5dfe80000000000000000000000000006420010db8000000000000000000000064 00")
	var a wire.Advert
	if _, drop := wire.Decode(&a, msg, meta6); drop != wire.DropBadLength {
		t.Errorf("IPv6 and a byte: got %v, want %v", drop, wire.DropBadLength)
	}
}

func TestAppendRefuses(t *testing.T) {
	const ms = time.Millisecond
	many := make([]netip.Addr, 256)
	for i := range many {
		many[i] = netip.AddrFrom4([4]byte{10, 0, 1, byte(i)})
	}
	for _, tt := range []struct {
		name   string
		change func(a *wire.Advert, m *wire.Meta)
	}{
		{"version 1", func(a *wire.Advert, _ *wire.Meta) { a.Version = 1 }},
		{"VRID 0", func(a *wire.Advert, _ *wire.Meta) { a.VRID = 0 }},
		{"no addresses", func(a *wire.Advert, _ *wire.Meta) { a.Addresses = nil }},
		{"256 addresses", func(a *wire.Advert, _ *wire.Meta) { a.Addresses = many }},
		{"interval 0", func(a *wire.Advert, _ *wire.Meta) { a.Interval = 0 }},
		{"interval negative", func(a *wire.Advert, _ *wire.Meta) { a.Interval = -time.Second }},
		{"interval 15 ms", func(a *wire.Advert, _ *wire.Meta) { a.Interval = 15 * ms }},
		{"interval 40.96 s", func(a *wire.Advert, _ *wire.Meta) { a.Interval = 40960 * ms }},
		{"v2 interval 500 ms", func(a *wire.Advert, _ *wire.Meta) { a.Version, a.Interval = 2, 500*ms }},
		{"v2 interval 256 s", func(a *wire.Advert, _ *wire.Meta) { a.Version, a.Interval = 2, 256*time.Second }},
		{"v2 authentication header", func(a *wire.Advert, _ *wire.Meta) { a.Version, a.AuthType = 2, 2 }},
		{"v2 on IPv6", func(a *wire.Advert, m *wire.Meta) { a.Version, *m, a.Addresses = 2, meta6, addrs("fe80::64") }},
		{"v3 password", func(a *wire.Advert, _ *wire.Meta) { a.AuthType = wire.AuthPassword }},
		{"v3 authentication data", func(a *wire.Advert, _ *wire.Meta) { a.AuthData[7] = 1 }},
		{"IPv6 address on IPv4", func(a *wire.Advert, _ *wire.Meta) { a.Addresses = addrs("10.77.0.100", "fe80::64") }},
		{"IPv4 address on IPv6", func(a *wire.Advert, m *wire.Meta) { *m, a.Addresses = meta6, addrs("fe80::64", "10.77.0.100") }},
		{"address missing", func(a *wire.Advert, _ *wire.Meta) { a.Addresses = []netip.Addr{{}} }},
		{"address with zone", func(a *wire.Advert, m *wire.Meta) { *m, a.Addresses = meta6, addrs("fe80::64%eth0") }},
		{"source missing", func(_ *wire.Advert, m *wire.Meta) { m.Src = netip.Addr{} }},
		{"two families", func(_ *wire.Advert, m *wire.Meta) { m.Dst = meta6.Dst }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := wire.Advert{Version: 3, VRID: 51, Priority: 200, Interval: time.Second, Addresses: addrs("10.77.0.100")}
			m := meta4
			tt.change(&a, &m)
			buf, err := wire.Append([]byte("abc"), &a, m.Src, m.Dst, wire.FormPseudo)
			if !errors.Is(err, wire.ErrUnencodable) || string(buf) != "abc" {
				t.Errorf("got %q, %v; want the buffer as it was, ErrUnencodable", buf, err)
			}
		})
	}
}

func TestDecodeDoesNotAllocate(t *testing.T) {
	var a wire.Advert
	for _, tt := range golden {
		m, msg := split(t, tt.frame, tt.ipLen)
		wire.Decode(&a, msg, m)
		if n := testing.AllocsPerRun(100, func() { wire.Decode(&a, msg, m) }); n != 0 {
			t.Errorf("%s: %v allocations", tt.name, n)
		}
	}
}

func ExampleDecode() {
	payload, _ := hex.DecodeString("3133c8010032110b0a4d0064")
	var a wire.Advert
	form, drop := wire.Decode(&a, payload, wire.Meta{
		Src: netip.MustParseAddr("10.77.0.1"), Dst: wire.Group4(), TTL: 255,
	})
	fmt.Println(drop, form, a.VRID, a.Priority, a.Interval, a.Addresses)
	// Output: accepted pseudo-header 51 200 500ms [10.77.0.100]
}
