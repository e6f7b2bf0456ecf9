//go:build linux

package realserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mdlayher/arp"
	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv6"

	"github.com/lbha/lbha/ipvs"
)

const (
	vip4 = "10.77.0.100"
	vip6 = "fd77::100"
)

// with calls f with the real kernel of a host.
func (h *host) with(dir string, f func(s *Setup)) {
	h.t.Helper()
	h.do(func() {
		k, err := Dial()
		if err != nil {
			h.t.Fatal(err)
		}
		defer k.Close()
		f(New(k, dir))
	})
}

func (h *host) up(dir string, ws ...Wanted) (steps []Step) {
	h.t.Helper()
	h.with(dir, func(s *Setup) {
		var err error
		if steps, err = s.Up(context.Background(), ws...); err != nil {
			h.t.Fatal(err)
		}
	})
	return steps
}

func (h *host) down(dir string, vips ...netip.Addr) {
	h.t.Helper()
	h.with(dir, func(s *Setup) {
		if _, left, err := s.Down(context.Background(), vips...); err != nil || left != nil {
			h.t.Fatal(left, err)
		}
	})
}

// wrong are the findings of Show that are not OK.
func (h *host) wrong(dir string, ws ...Wanted) string {
	h.t.Helper()
	var lines []string
	h.with(dir, func(s *Setup) {
		reports, err := s.Show(context.Background(), ws...)
		if err != nil {
			h.t.Fatal(err)
		}
		for _, r := range reports {
			for _, f := range r.Findings {
				if !f.OK {
					lines = append(lines, f.Text+"; "+f.Fix)
				}
			}
		}
	})
	return strings.Join(lines, "\n")
}

// all is what the system's own tools say of a host.
func (h *host) all() string {
	h.t.Helper()
	var lines []string
	for line := range strings.Lines(h.run("ip", "-oneline", "address", "show")) {
		lines = append(lines, strings.Join(strings.Fields(line)[1:], " "))
	}
	for line := range strings.Lines(h.run("ip", "-oneline", "link", "show")) {
		lines = append(lines, strings.Fields(line)[1]+strings.Fields(line)[2])
	}
	h.do(func() {
		for _, glob := range []string{"ipv4/conf/*/arp_*", "ipv4/conf/*/rp_filter", "ipv6/conf/lo/disable_ipv6", "ipv6/conf/eth0/disable_ipv6"} {
			out, err := exec.Command("sh", "-c", "cd /proc/sys/net && grep . "+glob).CombinedOutput()
			if err != nil {
				h.t.Fatal(err)
			}
			lines = append(lines, string(out))
		}
	})
	if _, err := exec.LookPath("nft"); err == nil {
		lines = append(lines, h.run("nft", "list", "ruleset"))
	}
	for _, of := range []string{"-6 tunnel", "fou"} { // where the kernel has them
		if out, err := h.try("ip", strings.Fields(of+" show")...); err == nil {
			lines = append(lines, out)
		}
	}
	return strings.Join(lines, "\n")
}

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

// A third host that looks for the VIP finds the director alone, whatever the
// real server does.
func TestOnlyTheDirectorIsFound(t *testing.T) {
	hosts := segment(t, 3)
	director, rs, third := hosts[0], hosts[1], hosts[2]
	director.ip("address add "+vip4+"/32 dev eth0", "address add "+vip6+"/128 dev eth0 nodad")
	found := func(t *testing.T, when string, macs ...string) {
		t.Helper()
		for _, vip := range []string{vip4, vip6} {
			want := macs
			if vip == vip6 {
				want = []string{director.mac} // always: IPv6 needs no guard
			}
			if got := third.answers(vip, rs.mac); !slices.Equal(got, want) {
				t.Errorf("%s: %v answer for %s, want %v", when, got, vip, want)
			}
		}
	}
	found(t, "at first", director.mac)

	// What this is all about: without a guard the real server answers too, and
	// announces the VIP unasked. Were it not so, the tests below proved nothing.
	bare := rs.all()
	rs.ip("address add "+vip4+"/32 dev lo", "address add "+vip6+"/128 dev lo nodad")
	found(t, "without a guard", director.mac, rs.mac)
	if got := betrayed(rs, third, vip4, "10.77.0.3"); got != rs.mac {
		t.Errorf("without a guard the real server's request did not announce the VIP: %q", got)
	}
	rs.ip("address del "+vip4+"/32 dev lo", "address del "+vip6+"/128 dev lo")

	for _, guard := range []ARP{BySysctl, ByFilter} {
		t.Run(string(guard), func(t *testing.T) {
			if guard == ByFilter {
				needNFT(t, rs)
			}
			dir := t.TempDir()
			ws := []Wanted{
				{VIP: netip.MustParseAddr(vip4), Mode: ipvs.DR, Interface: "eth0", ARP: guard},
				{VIP: netip.MustParseAddr(vip6), Mode: ipvs.DR},
			}
			if rs.wrong(dir, ws...) == "" {
				t.Error("show finds nothing wrong before up")
			}
			if steps := rs.up(dir, ws...); len(steps) == 0 {
				t.Error("no steps")
			}
			if steps := rs.up(dir, ws...); len(steps) > 0 {
				t.Errorf("the second time:\n%s", text(steps))
			}
			if wrong := rs.wrong(dir); wrong != "" {
				t.Errorf("show:\n%s", wrong)
			}
			found(t, "up", director.mac)
			for vip, receiver := range map[string]string{vip4: "10.77.0.3", vip6: "fd77::3"} {
				if got := betrayed(rs, third, vip, receiver); got != "" {
					t.Errorf("the real server's request announces %s", vip)
				}
			}
			// The real server itself is still found.
			if got := third.answers("10.77.0.2", rs.mac); !slices.Equal(got, []string{rs.mac}) {
				t.Errorf("%v answer for the real server", got)
			}

			// Half gone: completed.
			rs.ip("address del " + vip4 + "/32 dev lo")
			if steps := rs.up(dir, ws...); text(steps) != "ip address add "+vip4+"/32 dev lo" {
				t.Errorf("completed by:\n%s", text(steps))
			}
			rs.down(dir, netip.MustParseAddr(vip6))
			found(t, "one down", director.mac)
			rs.down(dir)
			found(t, "down", director.mac)
			same(t, "the real server", bare, rs.all())
			if file(t, dir) != "" {
				t.Error("the state is left")
			}
		})
	}
}

func needNFT(t *testing.T, h *host) {
	t.Helper()
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skip("the program nft is missing: the ARP filter cannot be tested")
	}
	if out, err := h.try("nft", "add table arp probe; delete table arp probe"); err != nil {
		t.Skipf("only where the kernel's nftables have the family arp (CONFIG_NF_TABLES_ARP): %s", out)
	}
}

// Where the kernel has no filter for ARP, the filter is refused and nothing is
// left.
func TestNoFilterOnTheKernel(t *testing.T) {
	rs := segment(t, 1)[0]
	if _, err := exec.LookPath("nft"); err == nil {
		if _, err := rs.try("nft", "add table arp probe; delete table arp probe"); err == nil {
			t.Skip("only where nft or the kernel's nftables of the family arp are missing")
		}
	}
	before, dir := rs.all(), t.TempDir()
	rs.with(dir, func(s *Setup) {
		_, err := s.Up(t.Context(), Wanted{VIP: netip.MustParseAddr(vip4), Mode: ipvs.DR, Interface: "eth0", ARP: ByFilter})
		if err == nil || !strings.Contains(err.Error(), "guard the VIP by sysctl (--arp sysctl)") {
			t.Errorf("error: %v", err)
		}
	})
	same(t, "host", before, rs.all())
	if file(t, dir) != "" {
		t.Error("the state is left")
	}
}

// A failure in the middle on the real kernel: all is as before.
func TestRollbackOnTheKernel(t *testing.T) {
	rs := segment(t, 1)[0]
	rs.sysctl("net/ipv6/conf/lo/disable_ipv6", "1")
	before, dir := rs.all(), t.TempDir()
	rs.do(func() {
		k, err := Dial()
		if err != nil {
			t.Fatal(err)
		}
		defer k.Close()
		_, err = New(&refusingLinux{k, "ip address add " + vip6 + "/128 dev lo nodad preferred_lft 0"}, dir).Up(t.Context(),
			Wanted{VIP: netip.MustParseAddr(vip4), Mode: ipvs.DR, Interface: "eth0"}, Wanted{VIP: netip.MustParseAddr(vip6), Mode: ipvs.DR})
		if !errors.Is(err, errFake) {
			t.Errorf("error: %v", err)
		}
	})
	same(t, "host", before, rs.all())
	if file(t, dir) != "" {
		t.Error("the state is left")
	}
}

type refusingLinux struct {
	*Linux
	step string
}

func (r *refusingLinux) Apply(ctx context.Context, s Step) error {
	if s.String() == r.step {
		return errFake
	}
	return r.Linux.Apply(ctx, s)
}

// Addresses, masks, default routes and proxy entries as the kernel reports them.
func TestShowOnTheKernel(t *testing.T) {
	rs := segment(t, 1)[0]
	rs.ip("neigh add proxy "+vip6+" dev eth0",
		"route add default via 10.77.0.77 metric 7", "route add default via 10.77.0.99 metric 9",
		"-6 route add default nexthop via fd77::77 dev eth0 nexthop via fd77::78 dev eth0",
		"address add "+vip4+"/24 dev lo")
	dir := t.TempDir()
	same(t, "dr", `10.77.0.100/24 is on lo: with this mask the whole network seems to be there; ip address del 10.77.0.100/24 dev lo
net/ipv4/conf/all/arp_ignore is 0: the host answers ARP for the VIP; sysctl -w net/ipv4/conf/all/arp_ignore=1
net/ipv4/conf/all/arp_announce is 0: its own ARP requests carry the VIP; sysctl -w net/ipv4/conf/all/arp_announce=2
net/ipv4/conf/eth0/arp_ignore is 0: the host answers ARP for the VIP; sysctl -w net/ipv4/conf/eth0/arp_ignore=1
net/ipv4/conf/eth0/arp_announce is 0: its own ARP requests carry the VIP; sysctl -w net/ipv4/conf/eth0/arp_announce=2
10.77.0.100/32 is not on lo: the host drops packets to the VIP; ip address add 10.77.0.100/32 dev lo`,
		rs.wrong(dir, Wanted{VIP: netip.MustParseAddr(vip4), Mode: ipvs.DR}))
	same(t, "IPv6", `a proxy entry may answer neighbour solicitations for fd77::100 on eth0; ip -6 neighbour del proxy fd77::100 dev eth0
fd77::100/128 is not on lo: the host drops packets to the VIP; ip address add fd77::100/128 dev lo nodad preferred_lft 0`,
		rs.wrong(dir, Wanted{VIP: netip.MustParseAddr(vip6), Mode: ipvs.DR}))
	nat := func(vip, director string) string {
		return rs.wrong(dir, Wanted{VIP: netip.MustParseAddr(vip), Mode: ipvs.NAT, Director: netip.MustParseAddr(director)})
	}
	same(t, "NAT", "", nat("192.0.2.1", "10.77.0.77"))
	same(t, "NAT by the other", "the ipv4 default route leads via 10.77.0.77 (eth0), not to the director 10.77.0.99: answers pass it by, and clients refuse them; ip route replace default via 10.77.0.99",
		nat("192.0.2.1", "10.77.0.99"))
	same(t, "NAT for half of the answers", "the ipv6 default route leads via fd77::78 (eth0), not to the director fd77::77: answers pass it by, and clients refuse them; ip -6 route replace default via fd77::77",
		nat("2001:db8::1", "fd77::77"))
}

// An answer from the VIP, for a client whose packets come by way of a director:
// unchanged (DR) or in a tunnel (TUN).
func TestServe(t *testing.T) {
	tests := []struct {
		want     string
		director []string // what brings the packets to the real server
	}{
		{vip4 + " dr", []string{"route add " + vip4 + "/32 via 10.77.0.2"}},
		{vip6 + " dr", []string{"-6 route add " + vip6 + "/128 via fd77::2"}},
		{vip4 + " tun", []string{"link add t0 type ipip local 10.77.0.1 remote 10.77.0.2"}},
		{vip6 + " tun", []string{"link add t0 type ip6tnl mode ip6ip6 local fd77::1 remote fd77::2 encaplimit none"}},
		{vip4 + " tun over ipv6", []string{"link add t0 type ip6tnl mode ipip6 local fd77::1 remote fd77::2 encaplimit none"}},
		{vip6 + " tun tunnel gre over ipv4", []string{"link add t0 type gre local 10.77.0.1 remote 10.77.0.2"}},
		// The others are for the lab, where IPVS sends them: the tunnels of its kernel do not send GUE.
	}
	for _, test := range tests {
		t.Run(test.want, func(t *testing.T) {
			hosts := segment(t, 3)
			director, rs, client := hosts[0], hosts[1], hosts[2]
			w := want(t, test.want)
			w.Interface = "eth0"
			vip := w.VIP.String()
			if w.Mode == ipvs.TUN {
				needTunnel(t, rs, w)
				// The hard case: strict everywhere.
				rs.sysctl("net/ipv4/conf/all/rp_filter", "1")
			}
			for _, key := range []string{"ipv4/conf/all/forwarding", "ipv6/conf/all/forwarding"} {
				director.sysctl("net/"+key, "1")
			}
			for _, on := range []string{"all", "eth0"} {
				director.sysctl("net/ipv4/conf/"+on+"/send_redirects", "0")
			}
			director.ip(test.director...)
			if w.Mode == ipvs.TUN {
				director.ip("link set t0 up", fmt.Sprintf("-%d route add %v dev t0", uint8(w.family()), w.prefix()))
			}
			if w.VIP.Is4() {
				client.ip("route add " + vip + "/32 via 10.77.0.1")
			} else {
				client.ip("-6 route add " + vip + "/128 via fd77::1")
			}
			before, dir := rs.all(), t.TempDir()
			if err := exchange(rs, client, vip); err == nil {
				t.Error("served before up")
			}
			rs.up(dir, w)
			if wrong := rs.wrong(dir); wrong != "" {
				t.Errorf("show:\n%s", wrong)
			}
			if err := exchange(rs, client, vip); err != nil {
				t.Errorf("up, but not served: %v", err)
			}
			if got := client.answers(vip, rs.mac); got != nil {
				t.Errorf("%v answer for the VIP", got)
			}
			if w.Mode == ipvs.TUN && w.VIP.Is4() {
				rs.sysctl("net/ipv4/conf/"+w.device()+"/rp_filter", "1")
				if rs.wrong(dir) == "" || exchange(rs, client, vip) == nil {
					t.Errorf("strict filtering on %s does no harm, or show does not see it", w.device())
				}
				rs.up(dir, w)
			}
			rs.down(dir)
			same(t, "the real server", before, rs.all())
		})
	}
}

// needTunnel loads the tunnel's module, as Up would, or skips.
func needTunnel(t *testing.T, h *host, w Wanted) {
	t.Helper()
	h.do(func() {
		if err := loadTunnel(w.device()); err != nil {
			t.Skipf("only where the kernel has tunnels (the lab's user-mode kernel does): %v", err)
		}
	})
}

// exchange lets the client ask the VIP who it seems to be.
func exchange(rs, client *host, vip string) error {
	var l net.Listener
	var err error
	rs.do(func() { l, err = net.Listen("tcp", net.JoinHostPort(vip, "80")) })
	if err != nil {
		return err
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			io.WriteString(c, c.RemoteAddr().String())
			c.Close()
		}
	}()
	defer func() { l.Close(); <-served }()
	var said []byte
	var seen string
	client.do(func() {
		var c net.Conn
		if c, err = net.DialTimeout("tcp", net.JoinHostPort(vip, "80"), 500*time.Millisecond); err != nil {
			return
		}
		defer c.Close()
		seen = c.LocalAddr().String()
		c.SetDeadline(time.Now().Add(500 * time.Millisecond))
		said, err = io.ReadAll(c)
	})
	if err == nil && string(said) != seen {
		err = errors.New("the real server sees " + string(said) + ", not " + seen)
	}
	return err
}

// Without tunnels in the kernel, TUN is refused and nothing is left.
func TestNoTunnelOnTheKernel(t *testing.T) {
	rs := segment(t, 1)[0]
	rs.do(func() {
		if loadTunnel("tunl0") == nil {
			t.Skip("only where the kernel has no tunl0, and cannot load it")
		}
	})
	before, dir := rs.all(), t.TempDir()
	rs.with(dir, func(s *Setup) {
		_, err := s.Up(t.Context(), Wanted{VIP: netip.MustParseAddr(vip4), Mode: ipvs.TUN, Interface: "eth0"})
		if err == nil || !strings.Contains(err.Error(), "the kernel has no tunl0 and cannot load the module ipip") {
			t.Errorf("error: %v", err)
		}
	})
	same(t, "host", before, rs.all())
	if file(t, dir) != "" {
		t.Error("the state is left")
	}
}
