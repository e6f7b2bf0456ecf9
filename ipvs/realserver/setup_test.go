package realserver

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func same(t testing.TB, what, want, got string) {
	t.Helper()
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func file(t testing.TB, dir string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, stateFile))
	if errors.Is(err, os.ErrNotExist) {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestDownLeavesWhatOthersChanged(t *testing.T) {
	f, dir := newFake(t), t.TempDir()
	s := New(f, dir)
	if _, err := s.Up(t.Context(), want(t, "192.0.2.1 dr")); err != nil {
		t.Fatal(err)
	}
	f.host.Sysctls["net/ipv4/conf/eth0/arp_ignore"] = "8"
	f.edit("lo", func(l *Link) { l.Addrs = prefixes("127.0.0.1/8") })
	steps, left, err := s.Down(t.Context())
	if err != nil || !cmp.Equal(left, []Setting{{Sysctl, "net/ipv4/conf/eth0/arp_ignore"}}) {
		t.Errorf("left %v, %v", left, err)
	}
	same(t, "steps", `sysctl -w net/ipv4/conf/eth0/arp_announce=0
sysctl -w net/ipv4/conf/all/arp_announce=0
sysctl -w net/ipv4/conf/all/arp_ignore=0`, text(steps))
	same(t, "state", "", file(t, dir))
}

func TestUpCompletesWhatIsHalfDone(t *testing.T) {
	f, dir := newFake(t), t.TempDir()
	bare := f.String()
	s, w := New(f, dir), want(t, "192.0.2.1 dr arp filter")
	if _, err := s.Up(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	f.host.Filter = listed + "table arp lbha_realserver { }"
	f.edit("lo", func(l *Link) { l.Addrs = prefixes("127.0.0.1/8 ::1/128") })
	steps, err := s.Up(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "steps", "nft -f - (table arp lbha_realserver)\nip address add 192.0.2.1/32 dev lo", text(steps))
	if _, _, err := s.Down(t.Context()); err != nil {
		t.Fatal(err)
	}
	same(t, "host", bare, f.String())
}

func TestRulesFollowTheAddresses(t *testing.T) {
	f, dir := newFake(t), t.TempDir()
	s := New(f, dir)
	if _, err := s.Up(t.Context(), want(t, "192.0.2.1 dr arp filter"), want(t, "192.0.2.2 dr arp filter")); err != nil {
		t.Fatal(err)
	}
	same(t, "filter", listed+`table arp lbha_realserver {
	chain input {
		type filter hook input priority 0; policy accept;
		arp daddr ip { 192.0.2.1, 192.0.2.2 } drop
	}
	chain output {
		type filter hook output priority 0; policy accept;
		oifname "eth0" arp saddr ip 192.0.2.1 arp daddr ip 10.0.0.0/24 arp saddr ip set 10.0.0.5
		oifname "eth0" arp saddr ip 192.0.2.1 arp daddr ip 10.1.0.0/16 arp saddr ip set 10.1.0.5
		oifname "eth0" arp saddr ip 192.0.2.1 arp saddr ip set 10.0.0.5
		oifname "eth0" arp saddr ip 192.0.2.2 arp daddr ip 10.0.0.0/24 arp saddr ip set 10.0.0.5
		oifname "eth0" arp saddr ip 192.0.2.2 arp daddr ip 10.1.0.0/16 arp saddr ip set 10.1.0.5
		oifname "eth0" arp saddr ip 192.0.2.2 arp saddr ip set 10.0.0.5
		arp saddr ip { 192.0.2.1, 192.0.2.2 } drop
	}
}
`, f.host.Filter)
	f.edit("eth0", func(l *Link) { l.Addrs = prefixes("10.0.0.6/24") })
	reports, err := s.Show(t.Context())
	if err != nil || reports[0].OK() || reports[1].OK() {
		t.Errorf("show does not see that the interface's address changed: %v %v", reports, err)
	}
	if steps, err := s.Up(t.Context(), want(t, "192.0.2.1 dr arp filter")); err != nil || len(steps) != 1 {
		t.Errorf("up: %v %v", steps, err)
	}
	if !strings.Contains(f.host.Filter, "arp saddr ip set 10.0.0.6") || strings.Contains(f.host.Filter, "10.0.0.5") {
		t.Errorf("the filter is out of date:\n%s", f.host.Filter)
	}
}

// Any sequence of calls, on any host, never leaves a VIP unguarded (which the
// fake watches at each step), and ends, after Down, where it began.
func TestSequences(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		f := newFake(t)
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			r.Fatal(err)
		}
		f.addLink(Link{Name: "tunl0", Up: rapid.Bool().Draw(r, "tunl0 up")})
		for _, name := range []string{"all", "eth0", "tunl0"} {
			for _, key := range []string{"arp_ignore", "arp_announce", "rp_filter"} {
				f.host.Sysctls["net/ipv4/conf/"+name+"/"+key] = rapid.SampledFrom([]string{"0", "1", "2"}).Draw(r, key)
			}
		}
		bare := f.String()
		s := New(f, dir)
		for range rapid.IntRange(1, 8).Draw(r, "calls") {
			vip := rapid.SampledFrom([]string{"192.0.2.1", "192.0.2.2"}).Draw(r, "vip")
			mode := rapid.SampledFrom([]string{" dr", " tun", " dr arp filter", " tun arp filter", " down"}).Draw(r, "mode")
			f.steps, f.fail = 0, rapid.IntRange(0, 12).Draw(r, "failing step")
			if mode == " down" {
				_, _, err = s.Down(r.Context(), netip.MustParseAddr(vip))
			} else {
				_, err = s.Up(r.Context(), want(t, vip+mode))
			}
			if err != nil && !errors.Is(err, errFake) && !errors.Is(err, ErrNothing) {
				r.Fatal(err)
			}
		}
		f.fail = 0
		if _, left, err := s.Down(r.Context()); left != nil || err != nil && !errors.Is(err, ErrNothing) {
			r.Fatal(left, err)
		}
		if diff := cmp.Diff(bare, f.String()); diff != "" {
			r.Fatalf("the host (-before +after):\n%s", diff)
		}
	})
}
