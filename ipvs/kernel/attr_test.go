package kernel

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"github.com/lbha/lbha/ipvs"
	"github.com/mdlayher/netlink"
)

// dumpedService is an attribute list as the kernel writes one about a service.
func dumpedService(family uint16, fill func(*netlink.AttributeEncoder)) []byte {
	return encode(func(e *netlink.AttributeEncoder) {
		e.Nested(cmdAttrService, func(e *netlink.AttributeEncoder) error {
			e.Uint16(svcAttrFamily, family)
			fill(e)
			return nil
		})
	})
}

func addressed(e *netlink.AttributeEncoder) {
	e.Uint16(svcAttrProtocol, syscall.IPPROTO_TCP)
	e.Bytes(svcAttrAddr, append([]byte{10, 9, 0, 100}, make([]byte, 12)...)) // 16 bytes, whatever the family
	e.Bytes(svcAttrPort, []byte{0, 80})
	e.String(svcAttrScheduler, "wlc")
	e.Bytes(svcAttrFlags, append(binary.NativeEndian.AppendUint32(nil, 0x2), 0xff, 0xff, 0xff, 0xff)) // hashed
}

func TestDecodeService(t *testing.T) {
	for _, tt := range []struct {
		name string
		body []byte
		want string // the rule, or the error
	}{
		{"hashed only", dumpedService(syscall.AF_INET, addressed), "-A -t 10.9.0.100:80 -s wlc\n"},
		{"what is left of a former persistence", dumpedService(syscall.AF_INET, func(e *netlink.AttributeEncoder) {
			addressed(e)
			e.Uint32(svcAttrTimeout, 90000)
			e.Uint32(svcAttrNetmask, 0xffffffff)
		}), "-A -t 10.9.0.100:80 -s wlc\n"},
		{"empty", nil, "a reply without attribute 1"},
		{"unknown family", dumpedService(7, addressed), "address family 7"},
		{"no address", dumpedService(syscall.AF_INET, func(e *netlink.AttributeEncoder) { e.Uint16(svcAttrProtocol, 6) }),
			"an ipv4 address of 0 bytes and a port of 0"},
		{"a short address", dumpedService(syscall.AF_INET6, func(e *netlink.AttributeEncoder) {
			e.Bytes(svcAttrAddr, make([]byte, 15))
			e.Bytes(svcAttrPort, []byte{0, 80})
		}), "an ipv6 address of 15 bytes and a port of 2"},
		{"no protocol", dumpedService(syscall.AF_INET, func(e *netlink.AttributeEncoder) {
			e.Bytes(svcAttrAddr, make([]byte, 16))
			e.Bytes(svcAttrPort, []byte{0, 80})
		}), "protocol 0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, _, err := decodeService(tt.body)
			got := ipvs.NewTable(ipvs.Pool{Service: s}).String()
			if err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestDecodeServer checks that what we write is what we read.
func TestDecodeServer(t *testing.T) {
	for _, rule := range []string{
		"-a -f 1 -r 10.9.0.3:0 -m -w 2147483647 -x 70000 -y 5",
		"-a -f 1 -r 10.9.0.3:0 -g -w 0",
		"-a -f 1 -r [2001:db8::3]:0 -i --tun-type gue --tun-port 6080 --tun-remcsum -w 1",
	} {
		table, err := ipvs.ParseRules("-A -f 1 -s rr\n"+rule, nil)
		if err != nil {
			t.Fatal(err)
		}
		want := table[ipvs.MarkKey(1, ipvs.IPv4)].Servers[0]
		got, _, err := decodeServer(encode(func(e *netlink.AttributeEncoder) { encodeServer(e, want, true) }), ipvs.IPv4)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", rule, got, err)
		}
	}
}

// FuzzDecode feeds all decoders: they may refuse, and do not panic; and what
// they accept is an address of its family.
func FuzzDecode(f *testing.F) {
	f.Add(dumpedService(syscall.AF_INET, addressed))
	f.Add(dumpedService(syscall.AF_INET6, func(e *netlink.AttributeEncoder) {
		e.Uint32(svcAttrMark, 10)
		e.Uint32(svcAttrNetmask, 64)
		e.String(svcAttrEngine, "sip")
		e.Nested(svcAttrStats64, func(e *netlink.AttributeEncoder) error {
			for i := uint16(statsAttrConns); i <= statsAttrOutBPS; i++ {
				e.Uint64(i, uint64(i))
			}
			return nil
		})
	}))
	server := ipvs.Server{Addr: netip.MustParseAddrPort("[2001:db8::3]:80"), Forward: ipvs.TUN, Tunnel: ipvs.Tunnel{Type: ipvs.GUE, Port: 6080}}
	f.Add(encode(func(e *netlink.AttributeEncoder) { encodeServer(e, server, true) }))
	f.Add(encode(func(e *netlink.AttributeEncoder) {
		encodeDaemon(e, ipvs.Daemon{Role: ipvs.SyncBackup, Interface: "eth0", Group: netip.MustParseAddr("ff02::81"), Port: 1, TTL: 2, MaxLen: 3}, true)
	}))
	f.Add([]byte(strings.Repeat("\x04\x00\x01\x80", 64)))
	f.Fuzz(func(t *testing.T, body []byte) {
		if s, _, err := decodeService(body); err == nil && !s.Key.IsValid() {
			t.Errorf("a service without a key: %+v", s)
		}
		for _, family := range []ipvs.Family{ipvs.IPv4, ipvs.IPv6} {
			if s, _, err := decodeServer(body, family); err == nil && !s.Addr.IsValid() {
				t.Errorf("a server without an address: %+v", s)
			}
		}
		_, _ = decodeDaemon(body)
	})
}
