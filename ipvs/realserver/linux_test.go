//go:build linux

package realserver

import (
	"context"
	"errors"
	"net/netip"
	"os/exec"
	"strings"
	"testing"

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
