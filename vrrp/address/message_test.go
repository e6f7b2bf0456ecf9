//go:build linux

package address

import (
	"encoding/hex"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// The bytes of requests on a little-endian host: header, ifaddrmsg, attributes.
func TestRequests(t *testing.T) {
	if native.Uint16([]byte{1, 0}) != 1 {
		t.Skip("the golden bytes are little-endian")
	}
	v4 := VIP{Prefix: netip.MustParsePrefix("10.77.0.100/32"), Index: 2, Label: "eth0:1"}
	v6 := VIP{Prefix: netip.MustParsePrefix("2001:db8::100/128"), Index: 3, Label: "ignored"}
	claim := func(v *VIP, lease time.Duration) func(b []byte) []byte {
		return func(b []byte) []byte { return appendLease(appendVIP(b, v), v, lease) }
	}
	for _, tt := range []struct {
		name string
		got  []byte
		want string
	}{
		{"claim for 2 s", appendMessage(nil, unix.RTM_NEWADDR, unix.NLM_F_ACK|unix.NLM_F_CREATE|unix.NLM_F_REPLACE, 7, claim(&v4, 2*time.Second)),
			"5000000014000505" + "0700000000000000" + "02200000" + "02000000" +
				"080002000a4d0064" + "080001000a4d0064" + "0b000300657468303a310000" + "05000b0070000000" +
				"14000600" + "02000000" + "02000000" + "0000000000000000"},
		{"claim IPv6 for ever", appendMessage(nil, unix.RTM_NEWADDR, unix.NLM_F_ACK, 8, claim(&v6, 0)),
			"5c00000014000500" + "0800000000000000" + "0a800200" + "03000000" +
				"1400020020010db8000000000000000000000100" + "1400010020010db8000000000000000000000100" +
				"05000b0070000000" + "14000600" + "00000000" + "ffffffff" + "0000000000000000"},
		{"release", appendMessage(nil, unix.RTM_DELADDR, unix.NLM_F_ACK, 9, func(b []byte) []byte { return appendVIP(b, &v4) }),
			"2800000015000500" + "0900000000000000" + "02200000" + "02000000" + "080002000a4d0064" + "080001000a4d0064"},
	} {
		if diff := cmp.Diff(tt.want, hex.EncodeToString(tt.got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestLifetime(t *testing.T) {
	for lease, want := range map[time.Duration]uint32{
		0: infinity, -1: infinity,
		1: 1, time.Second: 1, time.Second + 1: 2, 2500 * time.Millisecond: 3,
	} {
		if got := lifetime(lease); got != want {
			t.Errorf("lifetime(%v) = %d, want %d", lease, got, want)
		}
	}
}

func TestParseAck(t *testing.T) {
	failure := func(errno unix.Errno, rest ...byte) []byte {
		code := -int32(errno)
		return append(native.AppendUint32(nil, uint32(code)), rest...)
	}
	request := native.AppendUint32(nil, 20)
	request = append(request, make([]byte, 12)...) // the rest of its header
	text := appendAttribute(nil, unix.NLMSGERR_ATTR_MSG, append([]byte("no good"), 0)...)
	for _, tt := range []struct {
		name  string
		flags uint16
		body  []byte
		errno error
		text  string
	}{
		{"done", 0, failure(0), nil, ""},
		{"failed", 0, failure(unix.ENODEV), unix.ENODEV, "no such device"},
		{"failed with a text", unix.NLM_F_ACK_TLVS | unix.NLM_F_CAPPED, append(failure(unix.EINVAL, request...), text...), unix.EINVAL, "invalid argument: no good"},
		{"failed with the request and a text", unix.NLM_F_ACK_TLVS, append(failure(unix.EINVAL, append(request, 1, 2, 3, 4)...), text...), unix.EINVAL, "invalid argument: no good"},
		{"text announced and missing", unix.NLM_F_ACK_TLVS, failure(unix.EINVAL, 0xff, 0xff, 0xff, 0xff), unix.EINVAL, "invalid argument"},
		{"cut off", 0, nil, errTruncated, errTruncated.Error()},
	} {
		err := parseAck(tt.flags, tt.body)
		if !errors.Is(err, tt.errno) || err != nil && err.Error() != tt.text {
			t.Errorf("%s: %v, want %v %q", tt.name, err, tt.errno, tt.text)
		}
	}
}

// FuzzDatagram: no bytes from a netlink socket panic, hang or grow what is
// kept, whichever parser they reach.
func FuzzDatagram(f *testing.F) {
	v := VIP{Prefix: netip.MustParsePrefix("10.77.0.100/32"), Index: 2, Label: "eth0:1"}
	claim := appendMessage(nil, unix.RTM_DELADDR, 0, 1, func(b []byte) []byte { return appendLease(appendVIP(b, &v), &v, time.Second) })
	f.Add(claim)
	f.Add(append(claim, claim...))
	f.Add(appendMessage(nil, unix.RTM_NEWLINK, 0, 1, linkNamed("eth0")))
	f.Add(appendMessage(nil, unix.NLMSG_ERROR, unix.NLM_F_ACK_TLVS, 1, func(b []byte) []byte { return append(b, 0xed, 0xff, 0xff, 0xff, 40, 0, 0, 0) }))
	f.Add(claim[:20])
	f.Fuzz(func(t *testing.T, b []byte) {
		var ch Changes
		ch.add(b, 1)
		if len(ch.Deleted) > len(b)/unix.NLMSG_HDRLEN {
			t.Errorf("%d deleted in %d bytes", len(ch.Deleted), len(b))
		}
		for h, body := range messages(b) {
			parseLink(body)
			parseAddress(body)
			parseAck(h.flags, body)
		}
	})
}

func BenchmarkRenewRequest(b *testing.B) {
	v := VIP{Prefix: netip.MustParsePrefix("10.77.0.100/32"), Index: 2}
	buf := make([]byte, 0, 128)
	b.ReportAllocs()
	for b.Loop() {
		appendMessage(buf, unix.RTM_NEWADDR, 0, 1, func(b []byte) []byte { return appendLease(appendVIP(b, &v), &v, time.Second) })
	}
}
