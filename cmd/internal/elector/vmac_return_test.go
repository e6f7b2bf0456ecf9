package elector

import (
	"testing"

	"github.com/lbha/lbha/vrrp"
)

// TestAVirtualMACComesWithAReloadAndWithItsInterface: a master that gets a virtual MAC moves its addresses there; and the
// link comes back with an interface that went.
func TestAVirtualMACComesWithAReloadAndWithItsInterface(t *testing.T) {
	t.Parallel()
	l := newBridge(t)
	c := router("web", 0, 51, 200)
	vip := c.Addresses[0]
	a := l.elector(0)
	a.configure(nil, c)
	a.untilAll(vrrp.Master, "web")

	c.VirtualMAC = true
	a.configure(nil, c)
	a.untilLink(l, 0, "up", isUp)
	address := vip.Prefix.Addr().String()
	l.knock(2, "", address)
	if got := a.of("web"); got.State != vrrp.Master || got.Transitions != 2 {
		t.Errorf("it is %v after %d transitions, want a master that never was anything else", got.State, got.Transitions)
	}

	l.ip("-n", l.hosts[0], "link", "del", "eth0")
	a.untilAll(vrrp.Fault, "web")
	bridge := l.hosts[0][:len(l.hosts[0])-1] + "x"
	l.ip("-n", l.hosts[0], "link", "add", "eth0", "address", mac(0), "type", "veth", "peer", "name", "port0", "netns", bridge)
	l.ip("-n", bridge, "link", "set", "port0", "master", "br0", "up")
	l.ip("-n", l.hosts[0], "addr", "add", "10.9.0.1/24", "dev", "eth0")
	l.set(0, "eth0", "up")
	a.untilAll(vrrp.Master, "web")
	a.untilLink(l, 0, "up again", isUp)
	l.knock(2, "", address)
	if got := l.arpSetting(0, "arp_ignore") + l.arpSetting(0, "arp_announce"); got != "12" {
		t.Errorf("arp_ignore, arp_announce below: %s, want 1, 2", got)
	}
	a.configure(nil)
	a.untilLink(l, 0, "gone", isGone)
	if got := l.arpSetting(0, "arp_ignore") + l.arpSetting(0, "arp_announce"); got != "00" {
		t.Errorf("arp_ignore, arp_announce put back: %s, want 0, 0", got)
	}
}
