//go:build linux

package address

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/lbha/lbha/integration/lan"
)

func TestMacvlan(t *testing.T) {
	h := lan.New(t, 1)[0]
	c := dial(t, h)
	parent := link(t, c).Index
	mac := net.HardwareAddr{0, 0, 0x5e, 0, 1, 51}
	want := Macvlan{Name: "v4-51-eth0", Parent: parent, MAC: mac, Note: "a note"}
	if _, err := c.Macvlan(want.Name); !errors.Is(err, ErrNoInterface) {
		t.Errorf("before it is made: %v", err)
	}
	if err := c.AddMacvlan(want); err != nil {
		t.Fatal(err)
	}
	if err := c.AddMacvlan(want); err == nil {
		t.Error("it was made twice")
	}
	h.IP("link add stranger link eth0 type macvlan mode bridge")
	show := func() string {
		t.Helper()
		s, err := c.Macvlan(want.Name)
		if err != nil {
			t.Fatal(err)
		}
		all, err := c.Macvlans()
		if err != nil {
			t.Fatal(err)
		}
		if len(all) != 1 || fmt.Sprint(all[0]) != fmt.Sprint(s) {
			t.Errorf("listed are %v, want %v alone", all, s)
		}
		return fmt.Sprintf("%s on %v %v %q up=%v ours=%v", s.Name, s.Parent == parent, s.MAC, s.Note, s.Up, s.Ours)
	}
	if got, want := show(), `v4-51-eth0 on true 00:00:5e:00:01:33 "a note" up=false ours=true`; got != want {
		t.Errorf("as made: %s\nwant     %s", got, want)
	}
	s, _ := c.Macvlan(want.Name)
	for _, up := range []bool{true, true, false, true} {
		if err := c.SetUp(s.Index, up); err != nil {
			t.Fatal(err)
		}
		if got := show(); !strings.Contains(got, fmt.Sprintf("up=%v", up)) {
			t.Errorf("brought up %v: %s", up, got)
		}
	}
	if got := h.Run("ip", "-d", "link", "show", want.Name); !strings.Contains(got, "mode bridge") || !strings.Contains(got, "addrgenmode none") {
		t.Errorf("ip shows\n%s", got)
	}
	if got := h.Run("ip", "-6", "address", "show", want.Name); strings.Contains(got, "fe80") {
		t.Errorf("it has an address of itself:\n%s", got)
	}
	sysctl := func(dev, name string) string {
		return strings.TrimSpace(h.Run("sysctl", "-n", "net.ipv4.conf."+strings.ReplaceAll(dev, ".", "/")+"."+name))
	}
	if got := sysctl(want.Name, "arp_ignore") + sysctl(want.Name, "rp_filter") + sysctl(want.Name, "promote_secondaries"); got != "121" {
		t.Errorf("arp_ignore, rp_filter, promote_secondaries: %s, want 1, 2, 1", got)
	}
	if _, err := c.Macvlan("lo"); !errors.Is(err, ErrNotMacvlan) {
		t.Errorf("another kind: %v", err)
	}
	for range 2 {
		if err := c.DeleteLink(s.Index); err != nil {
			t.Error(err)
		}
	}
	if all, err := c.Macvlans(); err != nil || len(all) > 0 {
		t.Errorf("after its removal: %v, %v", all, err)
	}
}

func TestManyLinksGoTogether(t *testing.T) {
	h := lan.New(t, 1)[0]
	c := dial(t, h)
	h.IP("link add stranger link eth0 type macvlan mode bridge")
	var doomed []int
	for i := range 2*batch + 3 {
		m := Macvlan{Name: fmt.Sprintf("mac%d", i), Parent: link(t, c).Index, MAC: net.HardwareAddr{2, 0, 0, 1, byte(i >> 8), byte(i)}}
		if err := c.AddMacvlan(m); err != nil {
			t.Fatal(err)
		}
		s, err := c.Macvlan(m.Name)
		if err != nil {
			t.Fatal(err)
		}
		if i != 7 {
			doomed = append(doomed, s.Index)
		}
	}
	for range 2 { // again, when they are gone
		if err := c.DeleteLinks(doomed); err != nil {
			t.Error(err)
		}
	}
	if all, err := c.Macvlans(); err != nil || len(all) != 1 || all[0].Name != "mac7" {
		t.Errorf("left are %v, %v; want mac7", all, err)
	}
	if _, err := c.Macvlan("stranger"); err != nil {
		t.Errorf("the other's: %v", err)
	}
	if err := c.DeleteLinks(nil); err != nil {
		t.Error(err)
	}
}

func TestARPSettings(t *testing.T) {
	h := lan.New(t, 1)[0]
	c := dial(t, h)
	index := link(t, c).Index
	was, err := c.ARP(index)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []ARP{{1, 2}, {8, 0}, was} {
		if err := c.SetARP(index, want); err != nil {
			t.Fatal(err)
		}
		if got, err := c.ARP(index); err != nil || got != want {
			t.Errorf("got %v, %v; want %v", got, err, want)
		}
		text := strings.Fields(h.Run("sysctl", "-n", "net.ipv4.conf.eth0.arp_ignore", "net.ipv4.conf.eth0.arp_announce"))
		if got := fmt.Sprint(text); got != fmt.Sprintf("[%d %d]", want.Ignore, want.Announce) {
			t.Errorf("sysctl says %s, want %v", got, want)
		}
	}
	if _, err := c.ARP(99); !errors.Is(err, ErrNoInterface) {
		t.Errorf("without interface: %v", err)
	}
}
