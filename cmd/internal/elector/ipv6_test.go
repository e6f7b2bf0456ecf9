package elector

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/cmd/internal/link"
	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/ipvs"
	"github.com/lbha/lbha/vrrp"
	"github.com/lbha/lbha/vrrp/announce"
)

// third is the number of the host that newBridge adds.
const third = 2

// newBridge is a LAN of three hosts on one Ethernet. Host k has fe80::(k+1), fd00:9::(k+1) and 10.9.0.(k+1), and the MAC
// 02:00:00:00:00:0(k+1).
func newBridge(t *testing.T) *lan {
	t.Helper()
	l := newLAN(t, 0)
	var names []string
	for _, c := range "cx" {
		name := l.hosts[0][:len(l.hosts[0])-1] + string(c)
		names = append(names, name)
		l.ip("netns", "add", name)
		t.Cleanup(func() { exec.Command("ip", "netns", "del", name).Run() })
	}
	l.hosts = append(l.hosts, names[0])
	bridge := names[1]
	l.ip("-n", bridge, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0", "forward_delay", "0")
	l.ip("-n", bridge, "link", "set", "br0", "up")
	for k, host := range l.hosts {
		port := fmt.Sprintf("port%d", k)
		l.ip("-n", host, "link", "add", "eth0", "address", mac(k), "type", "veth", "peer", "name", port, "netns", bridge)
		l.ip("-n", host, "link", "set", "eth0", "up")
		l.ip("-n", bridge, "link", "set", port, "master", "br0", "up")
		l.ip("-n", host, "addr", "add", fmt.Sprintf("10.9.0.%d/24", k+1), "dev", "eth0")
		l.number(k)
		l.ip("-n", host, "addr", "add", fmt.Sprintf("fd00:9::%d/64", k+1), "dev", "eth0", "nodad")
	}
	for deadline := time.Now().Add(5 * time.Second); strings.Count(l.ip("-n", bridge, "-o", "link"), "master br0 state UP") < len(l.hosts); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the bridge does not come up:\n%s", l.ip("-n", bridge, "-o", "link"))
		}
	}
	return l
}

func mac(k int) string { return fmt.Sprintf("02:00:00:00:00:%02x", k+1) }

// number makes fe80::(k+1) the one link-local address of host k.
func (l *lan) number(k int) {
	l.t.Helper()
	l.set(k, "eth0", "addrgenmode", "none")
	l.ip("-n", l.hosts[k], "-6", "addr", "flush", "dev", "eth0", "scope", "link")
	l.ip("-n", l.hosts[k], "addr", "add", fmt.Sprintf("fe80::%d/64", k+1), "dev", "eth0", "nodad")
}

// in runs f in the namespace of host k.
func (l *lan) in(k int, f func() error) {
	l.t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for ever: the thread stays in the other namespace, and ends with this goroutine
		ns, err := os.Open("/run/netns/" + l.hosts[k])
		if err == nil {
			err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET)
			ns.Close()
		}
		if err == nil {
			err = f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		l.t.Fatal(err)
	}
}

// address is an address of a virtual router on eth0.
func addressOf(text string) config.Address {
	return config.Address{Prefix: netip.MustParsePrefix(text), Interface: "eth0"}
}

// router6 is router on IPv6.
func router6(name string, id, priority int) config.Instance {
	in := router(name, 0, id, priority)
	in.Family = ipvs.IPv6
	in.Addresses = []config.Address{addressOf(fmt.Sprintf("fe80::1:%x/128", id)), addressOf(fmt.Sprintf("fd00:9::1:%x/128", id))}
	return in
}

// believes makes the third host believe that addresses are at a MAC, which only an announcement can change: it never
// asks.
func (l *lan) believes(mac string, addrs ...config.Address) {
	l.t.Helper()
	for _, a := range addrs {
		l.ip("-n", l.hosts[third], "neigh", "replace", a.Prefix.Addr().String(), "lladdr", mac, "dev", "eth0", "nud", "stale")
	}
}

// untilBelieved waits until the third host believes it by itself.
func (l *lan) untilBelieved(mac string, addrs ...config.Address) {
	l.t.Helper()
	for _, a := range addrs {
		entry := ""
		for deadline := time.Now().Add(5 * time.Second); !strings.Contains(entry, mac); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				l.t.Fatalf("%v is at %s, but the third host has %q", a.Prefix.Addr(), mac, entry)
			}
			entry = l.ip("-n", l.hosts[third], "neigh", "show", a.Prefix.Addr().String(), "dev", "eth0")
		}
	}
}

// untilHeld waits until the kernel of the host has all of the addresses, or none.
func (p *process) untilHeld(want bool, addrs ...config.Address) {
	p.t.Helper()
	for _, a := range addrs {
		p.until(fmt.Sprintf("%v held: %v", a.Prefix, want), func() bool { return p.holds(a) == want })
	}
}

func TestAPairOverIPv6(t *testing.T) {
	t.Parallel()
	l := newBridge(t)
	high, low := router6("six", 51, 200), router6("six", 51, 100)
	vips := high.Addresses
	nowhere := mac(9)
	l.believes(nowhere, vips...)
	a, b := l.elector(0), l.elector(1)
	a.configure(nil, high)
	a.untilAll(vrrp.Master, "six")
	a.untilHeld(true, vips...)
	l.untilBelieved(mac(0), vips...)
	b.configure(nil, low)
	b.until("it follows", func() bool { return b.of("six").Master == "fe80::1" && b.of("six").Received > 3 })
	b.untilHeld(false, vips...)
	if got := b.of("six").Dropped; len(got) > 0 {
		t.Errorf("the backup dropped %v", got)
	}

	// A hand-over, and back.
	var asked time.Time
	b.until("it takes over", func() bool {
		if time.Since(asked) > 2*time.Second { // a backup that stalled does not take over, and it is called off
			a.send(link.Message{HandOver: &link.HandOver{}})
			asked = time.Now()
		}
		return b.of("six").State == vrrp.Master
	})
	a.untilAll(vrrp.Backup, "six")
	b.untilHeld(true, vips...)
	a.untilHeld(false, vips...)
	l.untilBelieved(mac(1), vips...)
	a.send(link.Message{HandOver: &link.HandOver{Lift: true}})
	a.untilAll(vrrp.Master, "six")
	b.untilAll(vrrp.Backup, "six")
	l.untilBelieved(mac(0), vips...)

	// A crash: what was held goes with its lease.
	a.kill()
	b.untilAll(vrrp.Master, "six")
	l.untilBelieved(mac(1), vips...)
	a.untilHeld(false, vips...)
	b.untilHeld(true, vips...)
	if reason := b.of("six").Reason; reason != vrrp.ReasonMasterDown {
		t.Errorf("the survivor's reason is %q", reason)
	}

	// It returns, and takes over again.
	a.state = link.State{}
	a.start()
	a.untilAll(vrrp.Master, "six")
	b.untilAll(vrrp.Backup, "six")
	b.untilHeld(false, vips...)

	// What somebody takes off is back, and that is no transition; what we do ourselves is not taken for that.
	before := a.of("six").Transitions
	l.ip("-n", a.host, "addr", "del", vips[1].Prefix.String(), "dev", "eth0")
	a.untilEvent("address-lost", vips[1].Prefix.Addr().String())
	a.untilHeld(true, vips...)
	lost := 0
	for _, text := range a.events {
		if strings.Contains(text, "address-lost") {
			lost++
		}
	}
	if got := a.of("six").Transitions; got != before || lost != 1 {
		t.Errorf("%d transitions and %d reports of a lost address, want none and one", got-before, lost)
	}
}

// One VRID, both families: two routers that know nothing of each other.
func TestOneVRIDInBothFamilies(t *testing.T) {
	t.Parallel()
	l := newBridge(t)
	a, b := l.elector(0), l.elector(1)
	a.configure(nil, router("four", 0, 51, 200), router6("six", 51, 100))
	b.configure(nil, router("four", 0, 51, 100), router6("six", 51, 200))
	a.untilAll(vrrp.Master, "four")
	a.untilAll(vrrp.Backup, "six")
	b.untilAll(vrrp.Master, "six")
	b.untilAll(vrrp.Backup, "four")
	for name, p := range map[string]*process{"four": b, "six": a} {
		p.until(name+" hears its master", func() bool { return p.of(name).Received > 5 })
		if got := p.of(name).Dropped; len(got) > 0 {
			t.Errorf("%s dropped %v", name, got)
		}
	}

	// The one of IPv6 loses its source, and only that one moves; then it returns.
	l.ip("-n", b.host, "addr", "del", "fe80::2/64", "dev", "eth0")
	b.untilAll(vrrp.Fault, "six")
	if got := b.of("six"); got.Reason != vrrp.ReasonNoSourceAddress || !strings.Contains(got.Detail, "no link-local address") || !strings.Contains(got.Detail, "addrgenmode") {
		t.Errorf("without a link-local address: %s: %s", got.Reason, got.Detail)
	}
	a.untilAll(vrrp.Master, "six")
	b.untilHeld(false, router6("six", 51, 200).Addresses...)
	l.ip("-n", b.host, "addr", "add", "fe80::2/64", "dev", "eth0") // with duplicate address detection
	b.until("it says what it waits for", func() bool {
		return strings.Contains(b.of("six").Detail, "duplicate address detection of fe80::2 goes on")
	})
	b.untilAll(vrrp.Master, "six")
	a.untilAll(vrrp.Backup, "six")
	if got := a.of("four").Transitions; got != 2 {
		t.Errorf("the router of IPv4 made %d transitions, want 2", got)
	}

	// IPv6 is switched off and on.
	l.sysctl(1, "eth0.disable_ipv6", "1")
	b.until("it says that IPv6 is off", func() bool { return strings.Contains(b.of("six").Detail, "disable_ipv6") })
	a.untilAll(vrrp.Master, "six")
	l.sysctl(1, "eth0.disable_ipv6", "0")
	l.number(1)
	b.untilAll(vrrp.Master, "six")
	b.untilHeld(true, router6("six", 51, 200).Addresses...)
	a.untilAll(vrrp.Backup, "six")

	// One goes with a reload, the other stays.
	before := a.of("four").Sent
	a.configure(nil, router("four", 0, 51, 200))
	a.until("it goes on", func() bool { return a.of("four").Sent > before+3 && len(a.state.Instances) == 1 })
	if got := a.of("four").Transitions; got != 2 {
		t.Errorf("the router of IPv4 made %d transitions, want 2", got)
	}
}

// announce makes host k announce an address.
func (l *lan) announce(k int, a config.Address) {
	l.t.Helper()
	l.in(k, func() error {
		ifi, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		s, err := announce.Open(ifi.Index, ifi.HardwareAddr)
		if err != nil {
			return err
		}
		defer s.Close()
		return s.Send([]netip.Addr{a.Prefix.Addr()})
	})
}

func (l *lan) sysctl(k int, key, value string) {
	l.t.Helper()
	l.in(k, func() error {
		return os.WriteFile("/proc/sys/net/ipv6/conf/"+strings.ReplaceAll(key, ".", "/"), []byte(value), 0)
	})
}

// The addresses of the other family that a router holds beside its own are claimed, leased, announced and watched like
// those.
func TestExtraAddressesOfTheOtherFamily(t *testing.T) {
	t.Parallel()
	l := newBridge(t)
	four, six := router("four", 0, 51, 200), router6("six", 52, 200)
	four.ExtraAddresses = []config.Address{addressOf("fd00:9::1:400/128"), addressOf("10.9.0.77/32")}
	six.ExtraAddresses = []config.Address{addressOf("10.9.0.66/32"), addressOf("fd00:9::1:600/128")}
	all := append(append([]config.Address{}, four.ExtraAddresses...), six.ExtraAddresses...)
	l.believes(mac(9), all...)
	a, b := l.elector(0), l.elector(1)
	a.configure(nil, four, six)
	a.untilAll(vrrp.Master, "four", "six")
	a.untilHeld(true, all...)
	l.untilBelieved(mac(0), all...)
	for _, extra := range all {
		if shown := l.ip("-n", a.host, "-o", "addr", "show", "to", extra.Prefix.String()); !strings.Contains(shown, "valid_lft 1sec") && !strings.Contains(shown, "valid_lft 0sec") {
			t.Errorf("not leased: %s", shown)
		}
	}
	// They are in no advert.
	low4, low6 := four, six
	low4.Priority, low6.Priority = 100, 100
	b.configure(nil, low4, low6)
	b.until("it hears both", func() bool { return b.of("four").Received > 3 && b.of("six").Received > 3 })
	for _, name := range []string{"four", "six"} {
		if got := b.of(name).Findings; len(got) > 0 {
			t.Errorf("%s: %v", name, got)
		}
	}

	// Another host announces one of them: the master objects.
	for _, extra := range []config.Address{four.ExtraAddresses[0], six.Addresses[1], six.ExtraAddresses[0]} {
		a.until("an objection to "+extra.Prefix.String(), func() bool { // it objects at most once a second
			l.announce(third, extra)
			return slices.ContainsFunc(a.events, func(text string) bool {
				return strings.Contains(text, "foreign-announcement: "+extra.Prefix.Addr().String()+" is announced by ")
			})
		})
	}

	// And says who it was, for as long as it may be there still.
	for _, name := range []string{"four", "six"} {
		text := a.finds(name, vrrp.FindingForeignAnnouncement)
		for _, evidence := range []string{" is announced by 02:00:00:00:00:03, packets heard: ", ", the last: "} {
			if !strings.Contains(text, evidence) {
				t.Errorf("%s: %s, want it with %q", name, text, evidence)
			}
		}
	}

	a.kill()
	b.untilAll(vrrp.Master, "four", "six")
	l.untilBelieved(mac(1), all...)
	a.untilHeld(false, all...)
	b.untilHeld(true, all...)

	// A reload takes one away and brings another.
	low4.ExtraAddresses = []config.Address{addressOf("fd00:9::1:401/128")}
	l.believes(mac(9), low4.ExtraAddresses...)
	b.configure(nil, low4, low6)
	b.untilHeld(true, low4.ExtraAddresses...)
	b.untilHeld(false, four.ExtraAddresses...)
	l.untilBelieved(mac(1), low4.ExtraAddresses...)
}

// What is announced says whether this host is a router, and follows the setting.
func TestAnnouncementsSayWhetherThisIsARouter(t *testing.T) {
	t.Parallel()
	l := newBridge(t)
	six := router6("six", 51, 200)
	six.Announce.Refresh = time.Second
	l.believes(mac(9), six.Addresses...)
	a := l.elector(0)
	a.configure(nil, six)
	a.untilAll(vrrp.Master, "six")
	l.untilBelieved(mac(0), six.Addresses...)
	entry := func() string {
		return l.ip("-n", l.hosts[third], "neigh", "show", six.Addresses[1].Prefix.Addr().String(), "dev", "eth0")
	}
	if strings.Contains(entry(), "router") {
		t.Errorf("it forwards nothing: %s", entry())
	}
	l.sysctl(0, "all.forwarding", "1")
	a.until("it is known as a router", func() bool { return strings.Contains(entry(), "router") })
	l.sysctl(0, "all.forwarding", "0")
	a.until("it is not any more", func() bool { return !strings.Contains(entry(), "router") })
}

// unicastTo is a configuration of one peer.
func unicastTo(peer string) *config.Unicast {
	return &config.Unicast{Peers: []netip.Addr{netip.MustParseAddr(peer)}}
}

// Unicast: link-local peers are spoken to from the link-local address, others from one that they can answer.
func TestUnicastOverIPv6(t *testing.T) {
	t.Parallel()
	for name, way := range map[string]struct{ peerOfA, peerOfB, seen string }{
		"link-local": {"fe80::2", "fe80::1", "fe80::1"},
		"routable":   {"fd00:9::2", "fd00:9::1", "fd00:9::1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newBridge(t)
			high, low := router6("six", 51, 200), router6("six", 51, 100)
			high.Unicast = unicastTo(way.peerOfA)
			low.Unicast = &config.Unicast{Source: netip.MustParseAddr(way.peerOfA), Peers: []netip.Addr{netip.MustParseAddr(way.peerOfB)}}
			a, b := l.elector(0), l.elector(1)
			b.configure(nil, low)
			b.untilAll(vrrp.Master, "six")
			a.configure(nil, high)
			a.untilAll(vrrp.Master, "six")
			b.until("it follows", func() bool { return b.of("six").Master == way.seen && b.of("six").State == vrrp.Backup })
			// A multicast advert is none of theirs.
			stranger := l.elector(third)
			stranger.configure(nil, router6("six", 51, 254))
			stranger.untilAll(vrrp.Master, "six")
			a.until("it refuses multicast", func() bool { return a.of("six").Dropped["cast-mismatch"] > 0 })
			a.kill()
			b.untilAll(vrrp.Master, "six")
		})
	}
}
