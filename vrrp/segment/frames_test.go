//go:build linux

package segment_test

import (
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/integration/lan"
	"github.com/lbha/lbha/vrrp/segment"
	"github.com/lbha/lbha/vrrp/wire"
)

// What is sent from another MAC arrives on the wire as it should be, and is heard
// by a Conn like any other advert.
func TestFrames(t *testing.T) {
	for _, tt := range []struct {
		name  string
		vip   string
		src   func(*lan.Host) netip.Addr
		group netip.Addr
		mac   net.HardwareAddr
		want  string // the frame
	}{{
		"IPv4", "10.77.0.100", func(h *lan.Host) netip.Addr { return h.Addr }, wire.Group4(), net.HardwareAddr{0, 0, 0x5e, 0, 1, 51},
		"01005e000012" + "00005e000133" + "0800" + "45c0002000004000ff70904d" + "0a4d0001" + "e0000012" + "3133c8010032110b" + "0a4d0064",
	}, {
		"IPv6", "fe80::64", func(h *lan.Host) netip.Addr { return h.Link6 }, wire.Group6(), net.HardwareAddr{0, 0, 0x5e, 0, 2, 51},
		"333300000012" + "00005e000233" + "86dd" + "6c000000" + "0018" + "70ff" +
			"fe800000000000000000000000000001" + "ff020000000000000000000000000012" + "3133c80100320995" + "fe800000000000000000000000000064",
	}} {
		t.Run(tt.name, func(t *testing.T) {
			hosts := lan.WithIPv6(lan.New(t, 2))
			var index int
			var frames *segment.Frames
			var conn *segment.Conn
			var err error
			hosts[0].Do(func() {
				ifi, _ := net.InterfaceByName(lan.Interface)
				index = ifi.Index
				frames, err = segment.OpenFrames(index)
			})
			if err != nil {
				t.Fatal(err)
			}
			defer frames.Close()
			hosts[1].Do(func() {
				conn, err = segment.Open(segment.Config{Interface: lan.Interface, IPv6: tt.group.Is6(), Filter: segment.Filter{V3: []uint8{51}}})
			})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			sniffer := sniff(t, hosts[1])

			a := wire.Advert{Version: 3, VRID: 51, Priority: 200, Interval: 500 * time.Millisecond, Addresses: []netip.Addr{netip.MustParseAddr(tt.vip)}}
			msg, err := wire.Append(nil, &a, tt.src(hosts[0]), tt.group, wire.FormPseudo)
			if err != nil {
				t.Fatal(err)
			}
			if err := frames.Send(msg, tt.src(hosts[0]), tt.mac); err != nil {
				t.Fatal(err)
			}
			if got := sniffer(tt.want[24:28]); got != tt.want {
				t.Errorf("on the wire\n     %s\nwant %s", got, tt.want)
			}
			pkts := make([]segment.Packet, 4)
			n := 0
			for deadline := time.Now().Add(5 * time.Second); n == 0 && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
				if n, err = conn.Receive(pkts); err != nil {
					t.Fatal(err)
				}
			}
			if n != 1 {
				t.Fatalf("%d packets were heard", n)
			}
			p := &pkts[0]
			_, drop := wire.Decode(&a, p.Payload, p.Meta())
			if got, want := fmt.Sprint(p.Src, p.Dst, p.TTL, drop), fmt.Sprint(tt.src(hosts[0]), tt.group, 255, wire.Accepted); got != want {
				t.Errorf("heard %s, want %s", got, want)
			}
		})
	}
}

// sniff returns a function that waits for the next frame of VRRP, whose type is
// given in hexadecimal.
func sniff(t *testing.T, h *lan.Host) func(kind string) string {
	t.Helper()
	const all = unix.ETH_P_ALL>>8 | unix.ETH_P_ALL&0xff<<8
	var fd int
	var err error
	h.Do(func() { fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, all) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	timeout := unix.Timeval{Sec: 5}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout); err != nil {
		t.Fatal(err)
	}
	return func(kind string) string {
		t.Helper()
		b := make([]byte, 2048)
		for {
			n, _, err := unix.Recvfrom(fd, b, 0)
			if err == unix.EINTR {
				continue
			}
			if err != nil {
				t.Fatalf("no frame: %v", err)
			}
			text := hex.EncodeToString(b[:n])
			protocol := 14 + 9
			if kind == "86dd" {
				protocol = 14 + 6
			}
			if n > protocol && text[24:28] == kind && b[protocol] == wire.Protocol {
				return text
			}
		}
	}
}
