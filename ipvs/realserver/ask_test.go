//go:build linux

package realserver

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mdlayher/arp"
	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv6"
)

// answers asks for a VIP, as a host that looks for it does and as one that
// verifies an entry of its table does, and returns who answers.
func (h *host) answers(vip, verify string) (macs []string) {
	h.t.Helper()
	ask := h.ask6
	if netip.MustParseAddr(vip).Is4() {
		ask = h.ask4
	}
	for _, mac := range ask(netip.MustParseAddr(vip), verify) {
		if !slices.Contains(macs, mac) {
			macs = append(macs, mac)
		}
	}
	slices.Sort(macs)
	return macs
}

const patience = 250 * time.Millisecond

func (h *host) ask4(vip netip.Addr, verify string) (macs []string) {
	h.t.Helper()
	h.do(func() {
		ifi, err := net.InterfaceByName("eth0")
		if err != nil {
			h.t.Fatal(err)
		}
		c, err := arp.Dial(ifi)
		if err != nil {
			h.t.Fatal(err)
		}
		defer c.Close()
		c.SetReadDeadline(time.Now().Add(patience))
		if err := c.Request(vip); err != nil {
			h.t.Fatal(err)
		}
		mac, err := net.ParseMAC(verify)
		if err != nil {
			h.t.Fatal(err)
		}
		own := netip.MustParseAddr("10.77.0.3")
		p, err := arp.NewPacket(arp.OperationRequest, ifi.HardwareAddr, own, mac, vip)
		if err != nil {
			h.t.Fatal(err)
		}
		if err := c.WriteTo(p, mac); err != nil {
			h.t.Fatal(err)
		}
		for {
			p, _, err := c.Read()
			if err != nil {
				if !errors.Is(err, os.ErrDeadlineExceeded) {
					h.t.Fatal(err)
				}
				return
			}
			if p.Operation == arp.OperationReply && p.SenderIP == vip {
				macs = append(macs, p.SenderHardwareAddr.String())
			}
		}
	})
	return macs
}

func (h *host) ask6(vip netip.Addr, verify string) (macs []string) {
	h.t.Helper()
	h.do(func() {
		ifi, err := net.InterfaceByName("eth0")
		if err != nil {
			h.t.Fatal(err)
		}
		c, err := icmp.ListenPacket("ip6:ipv6-icmp", "::")
		if err != nil {
			h.t.Fatal(err)
		}
		defer c.Close()
		p := c.IPv6PacketConn()
		if err := errors.Join(p.SetMulticastInterface(ifi), p.SetMulticastHopLimit(255), p.SetHopLimit(255),
			c.SetReadDeadline(time.Now().Add(patience))); err != nil {
			h.t.Fatal(err)
		}
		// RFC 4861, section 4.3: reserved, target, source link-layer address.
		target := vip.As16()
		body := append(append(make([]byte, 4), target[:]...), append([]byte{1, 1}, ifi.HardwareAddr...)...)
		m := icmp.Message{Type: ipv6.ICMPTypeNeighborSolicitation, Body: &icmp.RawBody{Data: body}}
		packet, err := m.Marshal(nil)
		if err != nil {
			h.t.Fatal(err)
		}
		group := net.IP{0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, target[13], target[14], target[15]}
		// The N-th host has fd77::N, and N as the last byte of its MAC.
		unicast := net.ParseIP("fd77::" + strings.TrimPrefix(verify, "02:00:00:00:00:0"))
		// The zone is a number because net caches names, and every host has an eth0.
		for _, to := range []*net.IPAddr{{IP: group, Zone: strconv.Itoa(ifi.Index)}, {IP: unicast}} {
			if _, err := c.WriteTo(packet, to); err != nil {
				h.t.Fatal(err)
			}
		}
		buf := make([]byte, 1500)
		for {
			n, _, err := c.ReadFrom(buf)
			if err != nil {
				if !errors.Is(err, os.ErrDeadlineExceeded) {
					h.t.Fatal(err)
				}
				return
			}
			// An advertisement of the target with its link-layer address.
			if n >= 32 && ipv6.ICMPType(buf[0]) == ipv6.ICMPTypeNeighborAdvertisement && string(buf[8:24]) == string(target[:]) && buf[24] == 2 {
				macs = append(macs, net.HardwareAddr(buf[26:32]).String())
			}
		}
	})
	return macs
}

// betrayed sends a datagram from the VIP, whose receiver must first be asked
// for, and reports where the receiver then believes the VIP to be.
func betrayed(rs, third *host, vip, receiver string) string {
	rs.t.Helper()
	third.ip("neigh flush dev eth0")
	rs.ip("neigh flush dev eth0")
	// Flushing leaves what is in use: forget the receiver for certain.
	rs.try("ip", "neigh", "del", receiver, "dev", "eth0")
	third.try("ip", "neigh", "del", vip, "dev", "eth0")
	rs.do(func() {
		c, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(vip), 0)),
			net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(receiver), 9)))
		if err != nil {
			rs.t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write([]byte("x")); err != nil {
			rs.t.Fatal(err)
		}
	})
	for range 50 {
		time.Sleep(5 * time.Millisecond)
		if strings.Contains(rs.run("ip", "neigh", "show", receiver), "lladdr") {
			time.Sleep(20 * time.Millisecond)
			break
		}
	}
	if out := rs.run("ip", "neigh", "show", receiver); !strings.Contains(out, "lladdr") {
		rs.t.Errorf("the real server cannot resolve %s: %s", receiver, out)
	}
	if strings.Contains(third.run("ip", "neigh", "show", vip), rs.mac) {
		return rs.mac
	}
	return ""
}
