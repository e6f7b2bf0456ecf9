package elector

import (
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/vrrp"
)

// ours is what host k has of routes and rules with our mark, one a line.
func (l *lan) ours(k int) string {
	l.t.Helper()
	var b strings.Builder
	for _, show := range []string{"-4 route show table all proto 112", "-4 rule show", "-6 route show table all proto 112", "-6 rule show"} {
		out, err := exec.Command("ip", append([]string{"-n", l.hosts[k]}, strings.Fields(show)...)...).Output()
		if err != nil {
			continue // IPv6 has no such table yet
		}
		for line := range strings.Lines(string(out)) {
			if !strings.Contains(show, "rule") || strings.Contains(line, "proto 112") {
				b.WriteString(strings.Join(strings.Fields(line), " ") + "\n")
			}
		}
	}
	return b.String()
}

func (p *process) untilOurs(l *lan, k int, want string) {
	p.t.Helper()
	got := ""
	defer func() {
		if p.t.Failed() {
			p.t.Logf("%s has\n%swant\n%s", l.hosts[k], got, want)
		}
	}()
	p.until("its routes and rules are those wanted", func() bool { got = l.ours(k); return got == want })
}

func routed(priority int) config.Instance {
	c := router("web", 0, 51, priority)
	gateway, prefix := netip.MustParseAddr("10.9.0.254"), netip.MustParsePrefix
	c.Routes = []config.Route{
		{Destination: prefix("0.0.0.0/0"), Via: gateway, Device: "eth0", Table: config.MainTable, Metric: 50},
		{Destination: prefix("198.51.100.0/24"), Via: gateway, Device: "eth0", Source: c.Addresses[0].Prefix.Addr(), Table: 1000},
		{Destination: prefix("2001:db8::/32"), Via: netip.MustParseAddr("fd00:9::fe"), Device: "eth0", Table: config.MainTable},
	}
	c.Rules = []config.Rule{
		{From: c.Addresses[0].Prefix, Table: 1000, Priority: 1000},
		{To: prefix("2001:db8::/32"), Table: 1000, Priority: 1001},
	}
	return c
}

const routedShown = `198.51.100.0/24 via 10.9.0.254 dev eth0 table 1000 src 10.9.0.151
default via 10.9.0.254 dev eth0 metric 50
1000: from 10.9.0.151 lookup 1000 proto 112
2001:db8::/32 via fd00:9::fe dev eth0 metric 1024 pref medium
1001: from all to 2001:db8::/32 lookup 1000 proto 112
`

func TestRoutesFollowTheMaster(t *testing.T) {
	t.Parallel()
	l := newBridge(t)
	a, b := l.elector(0), l.elector(1)
	a.configure(nil, routed(200))
	a.untilAll(vrrp.Master, "web")
	b.configure(nil, routed(100))
	b.untilAll(vrrp.Backup, "web")
	a.untilOurs(l, 0, routedShown)
	b.untilOurs(l, 1, "")

	// Somebody removes them.
	for _, command := range []string{"route del default", "rule del priority 1000", "-6 route del 2001:db8::/32"} {
		l.ip(append([]string{"-n", l.hosts[0]}, strings.Fields(command)...)...)
		a.untilOurs(l, 0, routedShown)
	}
	a.untilEvent("route-lost", "rule 1000 from 10.9.0.151/32")

	// One that somebody else has is a finding, and costs no mastership.
	l.ip("-n", l.hosts[0], "route", "add", "203.0.113.0/24", "via", "10.9.0.253")
	more := routed(200)
	more.Routes = append(more.Routes,
		config.Route{Destination: netip.MustParsePrefix("203.0.113.0/24"), Via: netip.MustParseAddr("10.9.0.254"), Device: "eth0", Table: config.MainTable},
		config.Route{Destination: netip.MustParsePrefix("192.0.2.0/24"), Device: "eth7", Table: config.MainTable})
	a.configure(nil, more)
	a.untilEvent("finding route-missing", "203.0.113.0/24", "somebody else", "eth7 does not exist")
	a.until("it is in the status", func() bool {
		f := a.of("web").Findings
		return len(f) == 1 && f[0].Reason == findingRouteMissing
	})
	if got := l.ip("-n", l.hosts[0], "route", "show", "203.0.113.0/24"); !strings.Contains(got, "10.9.0.253") {
		t.Errorf("the other's route was changed: %q", got)
	}
	l.ip("-n", l.hosts[0], "route", "del", "203.0.113.0/24")
	l.ip("-n", l.hosts[0], "link", "add", "eth7", "type", "veth", "peer", "name", "far7")
	l.ip("-n", l.hosts[0], "link", "set", "eth7", "up")
	l.ip("-n", l.hosts[0], "link", "set", "far7", "up")
	a.untilEvent("route-missing is over")
	if got := l.ours(0); !strings.Contains(got, "203.0.113.0/24 via 10.9.0.254") || !strings.Contains(got, "192.0.2.0/24 dev eth7") {
		t.Errorf("after the others went there are\n%s", got)
	}

	// What the configuration drops goes, and nothing else.
	a.configure(nil, routed(200))
	a.untilOurs(l, 0, routedShown)
	if got := a.of("web"); got.State != vrrp.Master || got.Transitions != 2 {
		t.Errorf("%s after %d transitions, want master after 2", got.State, got.Transitions)
	}

	// The next master has them, and the old one has not, nor does it lack any.
	last := routed(200)
	last.Routes = append(last.Routes, config.Route{Destination: netip.MustParsePrefix("198.51.100.0/24"), Device: "eth8", Table: config.MainTable})
	a.configure(nil, last)
	a.untilEvent("finding route-missing", "eth8 does not exist")
	last.Priority = 50
	a.configure(nil, last)
	b.untilAll(vrrp.Master, "web")
	b.untilOurs(l, 1, routedShown)
	a.untilOurs(l, 0, "")
	a.untilEvent("route-missing is over")
}

// A process that returns in time finds its routes, and its virtual MAC, as they were; one that knows nothing of them
// removes them.
func TestRoutesOfADeadProcess(t *testing.T) {
	t.Parallel()
	l := newBridge(t)
	c := routed(200)
	c.Interval, c.VirtualMAC = time.Second, true
	a := l.elector(0)
	a.configure(nil, c)
	a.untilAll(vrrp.Master, "web")
	a.untilOurs(l, 0, routedShown)
	a.kill()
	a.start()
	a.until("it has resumed", func() bool { return a.of("web").Reason == vrrp.ReasonResumed })
	a.untilOurs(l, 0, routedShown)
	if link := l.link(0, "v4-51-eth0"); !isUp(link) || !a.holds(c.Addresses[0]) {
		t.Errorf("after its return the address is held: %v; its link:\n%s", a.holds(c.Addresses[0]), link)
	}
	for deadline := time.Now().Add(2 * time.Second); time.Now().Before(deadline); a.hear() {
		for _, event := range a.events {
			if strings.Contains(event, "route") || strings.Contains(event, "address") {
				t.Fatalf("its return was noticed: %s", event)
			}
		}
	}

	a.kill()
	if got := l.ours(0); got != routedShown {
		t.Errorf("a crash took away: there are\n%s", got)
	}
	next := l.elector(0) // with a memory of its own
	next.configure(nil, router("web", 0, 51, 200))
	next.untilOurs(l, 0, "")
	next.untilEvent("orphan-released", "3 routes and 2 rules")
	next.untilLink(l, 0, "gone", isGone)
}

// One that somebody replaces has the key that it had: only a look at the table tells.
func TestReplacedRoutes(t *testing.T) {
	t.Parallel()
	l := newBridge(t)
	a := l.elector(0)
	a.configure(nil, routed(200))
	a.untilAll(vrrp.Master, "web")
	a.untilOurs(l, 0, routedShown)
	l.ip("-n", l.hosts[0], "route", "replace", "default", "via", "10.9.0.253", "dev", "eth0", "metric", "50")
	l.ip("-n", l.hosts[0], "-6", "route", "replace", "2001:db8::/32", "via", "fd00:9::fd", "dev", "eth0", "metric", "1024", "proto", "112")
	a.untilEvent("route-lost", "0.0.0.0/0", "replaced")
	a.untilEvent("finding route-missing", "0.0.0.0/0", "somebody else")
	if got := l.ip("-n", l.hosts[0], "route", "show", "default"); !strings.Contains(got, "10.9.0.253") || strings.Contains(got, "10.9.0.254") {
		t.Errorf("the other's route was changed: %q", got)
	}
	if got, want := l.ours(0), strings.Replace(routedShown, "default via 10.9.0.254 dev eth0 metric 50\n", "", 1); got != want {
		t.Errorf("beside it there are\n%swant\n%s", got, want) // what leads elsewhere with our mark is ours
	}
	l.ip("-n", l.hosts[0], "route", "del", "default")
	a.untilEvent("route-missing is over")
	a.untilOurs(l, 0, routedShown)
	if got := a.of("web"); got.State != vrrp.Master || got.Transitions != 2 {
		t.Errorf("%s after %d transitions, want master after 2", got.State, got.Transitions)
	}
}

// Two instances may want the same route: it goes with the last of them.
func TestASharedRoute(t *testing.T) {
	t.Parallel()
	l := newBridge(t)
	one, two := routed(200), routed(200)
	two.Name, two.VRID = "two", 52
	two.Addresses = []config.Address{vip(0, 152)}
	two.Routes, two.Rules = one.Routes[:1], nil
	one.Routes, one.Rules = one.Routes[:1], nil
	const shown = "default via 10.9.0.254 dev eth0 metric 50\n"
	a := l.elector(0)
	a.configure(nil, one, two)
	a.untilAll(vrrp.Master, "web", "two")
	a.untilOurs(l, 0, shown)
	a.configure(nil, two)
	if got := l.ours(0); got != shown {
		t.Errorf("with one of them went the route of the other:\n%s", got)
	}
	a.configure(nil)
	a.untilOurs(l, 0, "")
}
