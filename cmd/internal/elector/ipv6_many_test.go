package elector

import (
	"fmt"
	"testing"
	"time"

	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/vrrp"
)

// An advert of 200 addresses with a trailer is longer than a frame of Ethernet. A VRRP process that returns in time
// finds all of its addresses, and nobody notices.
func TestManyAddressesOfIPv6(t *testing.T) {
	t.Parallel()
	l := newBridge(t)
	high := router6("six", 51, 200)
	high.Interval = 500 * time.Millisecond // so that the process can be away
	for k := range 198 {
		high.Addresses = append(high.Addresses, addressOf(fmt.Sprintf("fd00:9::2:%x/128", k)))
	}
	high.Auth = config.Auth{
		Type: config.AuthHMAC, Active: 1, Mode: "enforce", Replay: "time", Window: 5 * time.Second,
		Keys: []config.AuthKey{{ID: 1, Key: config.NewSecret("hex:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")}},
	}
	low := high
	low.Priority = 100
	last := high.Addresses[199]
	l.believes(mac(9), last)
	a, b := l.elector(0), l.elector(1)
	a.configure(nil, high)
	a.untilAll(vrrp.Master, "six")
	b.configure(nil, low)
	b.until("it follows", func() bool { return b.of("six").Master == "fe80::1" && b.of("six").Received > 1 })
	l.untilBelieved(mac(0), last)
	if got := b.of("six"); len(got.Findings) > 0 || len(got.Dropped) > 0 {
		t.Errorf("findings %v, dropped %v", got.Findings, got.Dropped)
	}
	b.untilHeld(false, last)
	a.untilHeld(true, last)

	transitions := b.of("six").Transitions
	a.kill()
	a.start()
	a.until("it resumes", func() bool { return a.of("six").Reason == vrrp.ReasonResumed })
	if got := a.of("six"); got.State != vrrp.Master || len(got.Held) != 200 {
		t.Errorf("after a crash: %s, with %d addresses", got.State, len(got.Held))
	}
	received := b.of("six").Received
	b.until("adverts go on", func() bool { return b.of("six").Received > received+1 })
	if got := b.of("six").Transitions; got != transitions {
		t.Errorf("the other made %d transitions", got-transitions)
	}
}

// With an MTU below 1280 the kernel has no IPv6 on an interface, and forgets who listens to which group. When it has
// IPv6 again, a backup hears its master.
func TestIPv6GoesAndReturnsWithTheMTU(t *testing.T) {
	t.Parallel()
	l := newBridge(t)
	a, b := l.elector(0), l.elector(1)
	a.configure(nil, router6("six", 51, 200))
	b.configure(nil, router6("six", 51, 100))
	a.untilAll(vrrp.Master, "six")
	b.untilAll(vrrp.Backup, "six")
	l.set(1, "eth0", "mtu", "1000")
	b.untilAll(vrrp.Fault, "six")
	l.set(1, "eth0", "mtu", "1500")
	l.number(1)
	b.untilAll(vrrp.Backup, "six")
	received := b.of("six").Received
	b.until("it hears its master", func() bool { return b.of("six").Received > received+5 })
	if got := b.of("six"); got.Transitions != 3 { // backup, fault, backup
		t.Errorf("%d transitions", got.Transitions)
	}
}

// Routers of both families with one VRID, kept together.
func TestASyncGroupOfBothFamilies(t *testing.T) {
	t.Parallel()
	l := newBridge(t)
	a, b := l.elector(0), l.elector(1)
	a.configure(both("four", "six"), router("four", 0, 51, 200), router6("six", 51, 200))
	b.configure(both("four", "six"), router("four", 0, 51, 100), router6("six", 51, 100))
	a.untilAll(vrrp.Master, "four", "six")
	b.untilAll(vrrp.Backup, "four", "six")
	l.ip("-n", a.host, "addr", "del", "fe80::1/64", "dev", "eth0")
	a.untilAll(vrrp.Fault, "four", "six")
	b.untilAll(vrrp.Master, "four", "six")
	l.number(0)
	a.untilAll(vrrp.Master, "four", "six")
	b.untilAll(vrrp.Backup, "four", "six")
}
