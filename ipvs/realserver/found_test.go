//go:build linux

package realserver

import (
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/lbha/lbha/ipvs"
)

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
