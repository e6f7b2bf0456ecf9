package elector

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/vrrp"
)

// vipsOf is what ip(8) shows of a host's addresses on links beside its own, by address: prefix length, scope and label.
func (l *lan) vipsOf(k int, dev string) map[netip.Addr]string {
	l.t.Helper()
	vips := make(map[netip.Addr]string)
	for line := range strings.Lines(l.ip("-n", l.hosts[k], "-o", "addr", "show", "dev", dev)) {
		fields := strings.Fields(line)
		if len(fields) < 6 || fields[2] != "inet" && fields[2] != "inet6" {
			continue
		}
		p, err := netip.ParsePrefix(fields[3])
		if err != nil {
			l.t.Fatalf("%v in %q", err, line)
		}
		_, after, _ := strings.Cut(line, " scope ")
		words := strings.Fields(strings.NewReplacer("secondary ", "", "dynamic ", "").Replace(after))
		vips[p.Addr()] = fmt.Sprintf("/%d %s %s", p.Bits(), words[0], strings.TrimRight(words[1], `\`))
	}
	return vips
}

func TestAddressesAreHeldAsConfigured(t *testing.T) {
	t.Parallel()
	l := newBridge(t)
	l.ip("-n", l.hosts[0], "link", "add", "in0", "type", "veth", "peer", "name", "far0")
	l.ip("-n", l.hosts[0], "link", "set", "in0", "up")
	l.ip("-n", l.hosts[0], "link", "set", "far0", "up")
	c := router("web", 0, 51, 200)
	prefix := netip.MustParsePrefix
	c.Addresses = []config.Address{
		{Prefix: prefix("10.9.0.101/32"), Interface: "eth0"},
		{Prefix: prefix("10.9.0.102/24"), Interface: "eth0", Label: "eth0:vip"},
		{Prefix: prefix("10.8.0.1/28"), Interface: "in0", Label: "in0:1", Scope: config.ScopeLink},
		{Prefix: prefix("10.9.0.103/32"), Interface: "eth0", Scope: config.ScopeHost},
		{Prefix: prefix("10.9.0.104/32"), Interface: "eth0", Scope: config.ScopeSite},
	}
	a := l.elector(0)
	a.configure(nil, c)
	a.untilAll(vrrp.Master, "web")
	check := func(want map[string]string) {
		t.Helper()
		for text, want := range want {
			dev, addr, _ := strings.Cut(text, " ")
			a.until(text+" is "+want, func() bool { return l.vipsOf(0, dev)[netip.MustParseAddr(addr)] == want })
		}
	}
	check(map[string]string{
		"eth0 10.9.0.101": "/32 global eth0",
		"eth0 10.9.0.102": "/24 global eth0:vip",
		"in0 10.8.0.1":    "/28 link in0:1",
		"eth0 10.9.0.103": "/32 host eth0",
		"eth0 10.9.0.104": "/32 site eth0",
	})
	// What changes is changed, without a transition.
	c.Addresses = append([]config.Address(nil), c.Addresses...)
	c.Addresses[0].Scope = config.ScopeLink
	c.Addresses[1].Label = "eth0:web"
	c.Addresses[3].Scope = ""
	a.configure(nil, c)
	check(map[string]string{
		"eth0 10.9.0.101": "/32 link eth0",
		"eth0 10.9.0.102": "/24 global eth0:web",
		"eth0 10.9.0.103": "/32 global eth0",
	})
	if got := a.of("web").Transitions; got != 2 {
		t.Errorf("%d transitions, want 2", got)
	}
}

// As many as the protocol can count, on either version and family, with and without hmac and a virtual MAC.
func TestManyAddressesOnOneInstance(t *testing.T) {
	for _, tt := range []struct {
		name   string
		n      int
		change func(*config.Instance)
	}{
		{"200 of version 3", 200, func(c *config.Instance) {}},
		{"255 of version 3, hmac, virtual MAC", 255, func(c *config.Instance) { c.VirtualMAC = true; signed(c) }},
		{"255 of version 2, hmac", 255, func(c *config.Instance) { c.Version, c.Interval = vrrp.Version2, 1e9; signed(c) }},
		{"200 of IPv6, hmac", 200, func(c *config.Instance) { overIPv6(c); signed(c) }},
		{"89 of IPv6, hmac, virtual MAC", 89, func(c *config.Instance) { overIPv6(c); signed(c); c.VirtualMAC = true }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := newBridge(t)
			make := func(priority int) config.Instance {
				c := router("web", 0, 51, priority)
				c.Addresses = nil
				for i := range tt.n {
					c.Addresses = append(c.Addresses, addressOf(fmt.Sprintf("10.9.1.%d/32", i)))
				}
				tt.change(&c)
				return c
			}
			dev := "eth0"
			if c := make(1); c.VirtualMAC {
				dev = vmacName(&c)
			}
			count := func(k int) (n int) {
				if isGone(l.link(k, dev)) {
					return 0
				}
				held := l.vipsOf(k, dev)
				for _, a := range make(1).Addresses {
					if held[a.Prefix.Addr()] != "" {
						n++
					}
				}
				return n
			}
			a, b := l.elector(0), l.elector(1)
			a.configure(nil, make(200))
			a.untilAll(vrrp.Master, "web")
			a.until("all are held", func() bool { return count(0) == tt.n })
			b.configure(nil, make(100))
			b.untilAll(vrrp.Backup, "web")
			b.until("the backup hears the master", func() bool { return b.of("web").Received > 1 })
			if got := b.of("web"); got.State != vrrp.Backup || count(1) != 0 || len(got.Findings) > 0 {
				t.Errorf("the backup is %s, holds %d, finds %v", got.State, count(1), got.Findings)
			}
			a.configure(nil) // the master resigns
			b.untilAll(vrrp.Master, "web")
			b.until("all have moved", func() bool { return count(1) == tt.n })
			if n := count(0); n != 0 {
				t.Errorf("%d are left", n)
			}
		})
	}
}

// overIPv6 replaces the addresses by as many of IPv6.
func overIPv6(c *config.Instance) {
	n := len(c.Addresses)
	six := router6("web", 51, int(c.Priority))
	c.Family, c.Addresses = six.Family, six.Addresses[:1]
	for len(c.Addresses) < n {
		c.Addresses = append(c.Addresses, addressOf(fmt.Sprintf("fd00:9::2:%x/128", len(c.Addresses))))
	}
}

func signed(c *config.Instance) {
	c.Auth = config.Auth{
		Type: config.AuthHMAC, Active: 1, Mode: config.AuthEnforce, Replay: config.ReplayTime, Window: 5e9,
		Keys: []config.AuthKey{{ID: 1, Key: config.NewSecret(strings.Repeat("k", 32))}},
	}
}
