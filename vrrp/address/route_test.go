//go:build linux

package address

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/integration/lan"
)

func TestRoutes(t *testing.T) {
	h := lan.WithIPv6(lan.New(t, 1))[0]
	c := dial(t, h)
	index := link(t, c).Index
	h.IP("route add 198.51.100.0/24 via 10.77.0.253")
	routes := []Route{
		{Destination: netip.MustParsePrefix("0.0.0.0/0"), Via: netip.MustParseAddr("10.77.0.254"), Index: index, Table: 254},
		{Destination: netip.MustParsePrefix("203.0.113.0/24"), Via: netip.MustParseAddr("10.77.0.254"), Source: h.Addr, Index: index, Table: 254, Metric: 7},
		{Destination: netip.MustParsePrefix("192.0.2.0/24"), Index: index, Table: 1000},
		{Destination: netip.MustParsePrefix("::/0"), Via: netip.MustParseAddr("2001:db8:77::fe"), Index: index, Table: 254, Metric: 1024},
		{Destination: netip.MustParsePrefix("2001:db8:1::/48"), Via: netip.MustParseAddr("fe80::fe"), Index: index, Table: 300, Metric: 5},
		{Destination: netip.MustParsePrefix("198.51.100.0/24"), Via: netip.MustParseAddr("10.77.0.254"), Index: index, Table: 254},
		{Destination: netip.MustParsePrefix("198.18.0.0/15"), Via: netip.MustParseAddr("192.0.2.9"), Index: index, Table: 254},
	}
	answers := func(errs []error) string {
		var b strings.Builder
		for _, err := range errs {
			switch {
			case err == nil:
				b.WriteString("ok ")
			case errors.Is(err, ErrExists):
				b.WriteString("exists ")
			case errors.Is(err, ErrAbsent):
				b.WriteString("absent ")
			default:
				b.WriteString("failed ")
			}
		}
		return strings.TrimSpace(b.String())
	}
	// The last but one is somebody else's, and the last has no way to its next hop.
	for _, want := range []string{"ok ok ok ok ok exists failed", "exists exists exists exists exists exists failed"} {
		if got := answers(c.AddRoutes(routes)); got != want {
			t.Errorf("add: %s, want %s", got, want)
		}
	}
	got, err := c.Routes()
	if err != nil || !slices.Equal(got, routes[:5]) {
		// The order is the kernel's, by family and table.
		slices.SortFunc(got, func(a, b Route) int { return place(routes, a) - place(routes, b) })
		if err != nil || !slices.Equal(got, routes[:5]) {
			t.Errorf("listed %v, %v; want %v", got, err, routes[:5])
		}
	}
	for _, shown := range []struct{ args, want string }{
		{"route show proto 112", "default via 10.77.0.254 dev eth0"},
		{"route show proto 112", "203.0.113.0/24 via 10.77.0.254 dev eth0 src 10.77.0.1 metric 7"},
		{"route show table 1000", "192.0.2.0/24 dev eth0 proto 112 scope link"},
		{"-6 route show proto 112", "default via 2001:db8:77::fe dev eth0 metric 1024"},
		{"-6 route show table 300", "2001:db8:1::/48 via fe80::fe dev eth0 proto 112 metric 5"},
	} {
		if text := strings.ReplaceAll(h.Run("ip", strings.Fields(shown.args)...), "  ", " "); !strings.Contains(text, shown.want) {
			t.Errorf("ip %s:\n%swant %s", shown.args, text, shown.want)
		}
	}
	for _, want := range []string{"ok ok ok ok ok absent absent", "absent absent absent absent absent absent absent"} {
		if got := answers(c.RemoveRoutes(routes)); got != want {
			t.Errorf("remove: %s, want %s", got, want)
		}
	}
	if text := h.Run("ip", "route", "show", "198.51.100.0/24"); !strings.Contains(text, "10.77.0.253") {
		t.Errorf("the other's route is %q", text)
	}
}

func place(routes []Route, r Route) int {
	return slices.IndexFunc(routes, func(other Route) bool { return other == r })
}

func TestRules(t *testing.T) {
	h := lan.New(t, 1)[0]
	c := dial(t, h)
	rules := []Rule{
		{From: netip.MustParsePrefix("10.9.0.100/32"), Table: 100, Priority: 1000},
		{From: netip.MustParsePrefix("10.9.0.0/24"), To: netip.MustParsePrefix("192.0.2.0/24"), Table: 1000, Priority: 1001},
		{To: netip.MustParsePrefix("2001:db8::/32"), Table: 100, Priority: 1002},
	}
	h.IP("rule add from 10.9.0.7 table 100 priority 1003")
	for range 2 {
		first := c.AddRules(rules)
		again := c.AddRules(rules)
		for i := range rules {
			if first[i] != nil || !errors.Is(again[i], ErrExists) {
				t.Errorf("%v: %v, then %v", rules[i], first[i], again[i])
			}
		}
		if got, err := c.Rules(); err != nil || !slices.Equal(got, rules) {
			t.Errorf("listed %v, %v; want %v", got, err, rules)
		}
		for i, err := range append(c.RemoveRules(rules), c.RemoveRules(rules)...) {
			if i < len(rules) && err != nil || i >= len(rules) && !errors.Is(err, ErrAbsent) {
				t.Errorf("remove %d: %v", i, err)
			}
		}
	}
	if got := h.Run("ip", "rule"); !strings.Contains(got, "10.9.0.7") || strings.Contains(got, "1000:") {
		t.Errorf("left are\n%s", got)
	}
	if err := c.RemoveRules([]Rule{{From: netip.MustParsePrefix("10.9.0.7/32"), Table: 100, Priority: 1003}})[0]; !errors.Is(err, ErrAbsent) {
		t.Errorf("somebody else's: %v", err)
	}
}

// More than fit into one write.
func TestManyRoutes(t *testing.T) {
	h := lan.New(t, 1)[0]
	c := dial(t, h)
	index := link(t, c).Index
	routes := make([]Route, 3*batch+7)
	for i := range routes {
		routes[i] = Route{Destination: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 100, byte(i >> 8), byte(i)}), 32), Index: index, Table: 254}
	}
	if err := errors.Join(c.AddRoutes(routes)...); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Routes(); err != nil || len(got) != len(routes) {
		t.Errorf("%d are there, %v; want %d", len(got), err, len(routes))
	}
	if err := errors.Join(c.RemoveRoutes(routes)...); err != nil {
		t.Fatal(err)
	}
}

// FuzzLinksAndRoutes: no bytes panic the parsers of what the kernel says of
// links, routes and rules, and what they make of a request of ours is the same.
func FuzzLinksAndRoutes(f *testing.F) {
	r := Route{Destination: netip.MustParsePrefix("10.0.0.0/8"), Via: netip.MustParseAddr("10.77.0.254"), Index: 2, Table: 1000, Metric: 9}
	u := Rule{From: netip.MustParsePrefix("10.0.0.0/8"), To: netip.MustParsePrefix("192.0.2.0/24"), Table: 7, Priority: 8}
	f.Add(appendRoute(nil, &r, true))
	f.Add(appendRule(nil, &u))
	f.Add(appendLink(nil, 3, unix.IFF_UP, 0))
	f.Add(appendNested(appendLink(nil, 3, 0, 0), unix.IFLA_AF_SPEC, func(b []byte) []byte { return appendInet(b, setting{devconfARPIgnore, 1}) }))
	if got, ok := parseRoute(appendRoute(nil, &r, true)); !ok || got != r {
		f.Errorf("%+v came back as %+v", r, got)
	}
	if got, ok := parseRule(appendRule(nil, &u)); !ok || got != u {
		f.Errorf("%+v came back as %+v", u, got)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = parseMacvlan(b)
		_, _ = parseARP(b)
		if r, ok := parseRoute(b); ok {
			_ = fmt.Sprint(r)
		}
		if r, ok := parseRule(b); ok {
			_ = fmt.Sprint(r)
		}
	})
}
