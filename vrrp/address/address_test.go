//go:build linux

package address

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lbha/lbha/integration/lan"
)

func dial(t testing.TB, h *lan.Host) *Conn {
	t.Helper()
	var c *Conn
	var err error
	h.Do(func() { c, err = Dial() })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func watch(t testing.TB, h *lan.Host, c *Conn) *Watch {
	t.Helper()
	var w *Watch
	var err error
	h.Do(func() { w, err = c.Watch() })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

func link(t testing.TB, c *Conn) State {
	t.Helper()
	s, err := c.Link(lan.Interface)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// vips are VIPs on the host's interface, written as "prefix" or "prefix label".
func vips(t testing.TB, c *Conn, texts ...string) []VIP {
	t.Helper()
	index := link(t, c).Index
	var vs []VIP
	for _, text := range texts {
		prefix, label, _ := strings.Cut(text, " ")
		vs = append(vs, VIP{Prefix: netip.MustParsePrefix(prefix), Index: index, Label: label})
	}
	return vs
}

// shown is what ip(8) says of the host's addresses but for the fixed ones, one
// a line. It does not know marks; held does.
func shown(h *lan.Host) string {
	var lines []string
	for line := range strings.Lines(h.Run("ip", "-oneline", "address", "show", "dev", lan.Interface)) {
		line = strings.ReplaceAll(line, `\`, "")
		f := strings.Fields(line)[2:]
		if f[1] != h.Addr.String()+"/24" && !strings.HasPrefix(f[1], "fe80") {
			lines = append(lines, strings.Join(f, " "))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func held(t testing.TB, c *Conn) string {
	t.Helper()
	hs, err := c.Held()
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, h := range hs {
		lines = append(lines, fmt.Sprintf("%v on %d as %q for %v", h.Prefix, h.Index, h.Label, h.Remaining))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func check(t testing.TB, what, want, got string) {
	t.Helper()
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestClaimAndRelease(t *testing.T) {
	h := lan.New(t, 1)[0]
	c := dial(t, h)
	vs := vips(t, c, "10.77.0.100/32", "10.77.0.101/24 eth0:vip", "2001:db8::100/128")
	const claimed = `inet 10.77.0.100/32 scope global eth0 valid_lft forever preferred_lft forever
inet 10.77.0.101/24 scope global secondary eth0:vip valid_lft forever preferred_lft forever
inet6 2001:db8::100/128 scope global nodad deprecated valid_lft forever preferred_lft 0sec`
	for _, again := range []string{"", " again"} {
		if err := c.Claim(vs, 0); err != nil {
			t.Fatal(err)
		}
		check(t, "claim"+again, claimed, shown(h))
	}
	i := vs[0].Index
	check(t, "held", fmt.Sprintf(`10.77.0.100/32 on %d as "eth0" for -1ns
10.77.0.101/24 on %d as "eth0:vip" for -1ns
2001:db8::100/128 on %d as "" for -1ns`, i, i, i), held(t, c))

	if err := c.Release(vs[:1]); err != nil {
		t.Fatal(err)
	}
	elsewhere := vs[1]
	elsewhere.Index = 1
	if missing, err := c.Missing(append(vs, elsewhere)); err != nil || !slices.Equal(missing, []VIP{vs[0], elsewhere}) {
		t.Errorf("missing: %v, %v; want %v and %v", missing, err, vs[0], elsewhere)
	}
	// Somebody who adds an address by hand may give it another length.
	longer := vs[1]
	longer.Prefix = netip.PrefixFrom(longer.Prefix.Addr(), 32)
	loose := longer
	loose.AnyLength, elsewhere.AnyLength = true, true
	if missing, err := c.Missing([]VIP{longer, loose, elsewhere}); err != nil || !slices.Equal(missing, []VIP{longer, elsewhere}) {
		t.Errorf("missing of any length: %v, %v; want %v and %v", missing, err, longer, elsewhere)
	}
	check(t, "release of one", strings.Join(strings.Split(claimed, "\n")[1:], "\n"), shown(h))
	for _, again := range []string{"", " again"} {
		if err := c.Release(vs); err != nil {
			t.Fatal(err)
		}
		check(t, "release"+again, "", shown(h))
	}
	if err := errors.Join(c.Claim(nil, 0), c.Release(nil)); err != nil {
		t.Errorf("the empty set: %v", err)
	}
}

func TestClaimWithLease(t *testing.T) {
	h := lan.New(t, 1)[0]
	c := dial(t, h)
	vs := vips(t, c, "10.77.0.100/32", "2001:db8::100/128")
	// By hand, or by an earlier run without a lease: adopted.
	h.IP("address add 10.77.0.100/32 dev eth0", "address add 2001:db8::100/128 dev eth0 nodad")
	if err := c.Claim(vs, 98*time.Second+1); err != nil {
		t.Fatal(err)
	}
	adopted := shown(h)
	for _, want := range []string{
		"inet 10.77.0.100/32 scope global dynamic eth0 valid_lft 99sec preferred_lft 99sec",
		"inet6 2001:db8::100/128 scope global nodad deprecated dynamic valid_lft 99sec preferred_lft 0sec",
	} {
		if !strings.Contains(strings.ReplaceAll(adopted, "98sec", "99sec"), want) {
			t.Errorf("adopted:\n%s\nwant\n%s", adopted, want)
		}
	}
	// Not every kernel marks an IPv4 address late.
	if s := held(t, c); !strings.Contains(s, "2001:db8::100/128") {
		t.Errorf("adopted without our mark: held are\n%s", s)
	}
	if missing, err := c.Missing(vs); len(missing) != 0 || err != nil {
		t.Errorf("missing after adoption: %v, %v", missing, err)
	}
	if err := c.Renew(vs, 0); err != nil {
		t.Fatal(err)
	}
	if s := shown(h); strings.Count(s, "valid_lft forever") != 2 {
		t.Errorf("renewed for ever:\n%s", s)
	}
}

// The fence: what is not renewed is gone after its lease, within what the
// kernel promises; what is renewed stays.
func TestLeaseEnds(t *testing.T) {
	t.Parallel()
	for _, vip := range []string{"10.77.0.100/32", "2001:db8::100/128", "fe80::100/128"} {
		t.Run(vip, func(t *testing.T) {
			t.Parallel()
			h := lan.New(t, 1)[0]
			c := dial(t, h)
			w := watch(t, h, c)
			vs := vips(t, c, vip)
			if err := c.Claim(vs, time.Second); err != nil {
				t.Fatal(err)
			}
			var last time.Time
			for range 4 {
				time.Sleep(500 * time.Millisecond)
				last = time.Now()
				if err := c.Renew(vs, time.Second); err != nil {
					t.Fatal(err)
				}
			}
			var ch Changes
			for len(ch.Deleted) == 0 {
				if !lan.Readable(t, w.FD(), 5*time.Second) {
					t.Fatalf("not gone after 5 s:\n%s", shown(h))
				}
				if err := w.Read(&ch); err != nil {
					t.Fatal(err)
				}
			}
			after := time.Since(last)
			t.Logf("gone %v after the last renewal", after)
			// The kernel's clock ticks in steps of up to 10 ms.
			if after < 990*time.Millisecond || after > 1600*time.Millisecond {
				t.Errorf("gone %v after the last renewal, want 1.0 s to 1.6 s", after)
			}
			want := []Deleted{{Index: vs[0].Index, Prefix: vs[0].Prefix, Ours: true, Kernel: true}}
			if !slices.Equal(want, ch.Deleted) {
				t.Errorf("heard of %+v, want %+v", ch.Deleted, want)
			}
			check(t, "after the lease", "", shown(h))
		})
	}
}

func TestManyAndFailures(t *testing.T) {
	h := lan.New(t, 1)[0]
	c := dial(t, h)
	index := link(t, c).Index
	var vs []VIP
	for i := range 2*batch + 44 {
		vs = append(vs, VIP{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 77, byte(1 + i/250), byte(i % 250)}), 32), Index: index})
	}
	if err := c.Claim(vs, time.Minute); err != nil {
		t.Fatal(err)
	}
	if hs, err := c.Held(); err != nil || len(hs) != len(vs) {
		t.Errorf("%d held of %d, %v", len(hs), len(vs), err)
	}
	if err := c.Release(vs); err != nil {
		t.Fatal(err)
	}
	check(t, "held", "", held(t, c))

	// Two bad ones fail by name and keep no other from its place.
	bad := slices.Clone(vs[:3])
	bad[0].Index = 9999
	bad[1].Prefix = netip.PrefixFrom(netip.MustParseAddr("10.77.9.9"), 24)
	bad[1].Label = "a label beyond 15 bytes"
	err := c.Claim(bad, 0)
	var failed []string
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range joined.Unwrap() {
			if f, ok := errors.AsType[*Failure](err); ok {
				failed = append(failed, f.Op+" "+f.VIP.Prefix.Addr().String())
			}
		}
	}
	if want := []string{"claim 10.77.1.0", "claim 10.77.9.9"}; !slices.Equal(want, failed) {
		t.Errorf("failed: %q, want %q, in %v", failed, want, err)
	}
	if !errors.Is(err, ErrNoInterface) {
		t.Errorf("%v is not %v", err, ErrNoInterface)
	}
	check(t, "the good one", "inet 10.77.1.2/32 scope global eth0 valid_lft forever preferred_lft forever", shown(h))
}

// One operation renews 8 VIPs in the kernel.
func BenchmarkRenew(b *testing.B) {
	h := lan.New(b, 1)[0]
	c := dial(b, h)
	var vs []VIP
	for i := range 8 {
		vs = append(vs, vips(b, c, fmt.Sprintf("10.77.0.%d/32", 100+i))...)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := c.Renew(vs, time.Minute); err != nil {
			b.Fatal(err)
		}
	}
}
