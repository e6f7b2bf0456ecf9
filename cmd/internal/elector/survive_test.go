package elector

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/vrrp"
)

// An interface that is renamed is another one for whom the configuration names the old: the addresses go from it, and
// return with the name.
func TestARenamedInterfaceIsGone(t *testing.T) {
	t.Parallel()
	l := newLAN(t, 1)
	first, second := l.elector(0), l.elector(1)
	first.configure(nil, router("a", 0, 1, 200))
	first.untilAll(vrrp.Master, "a")
	second.configure(nil, router("a", 0, 1, 100))
	second.untilAll(vrrp.Backup, "a")

	l.set(0, "eth0", "down") // as old kernels want it
	l.set(0, "eth0", "name", "lan0", "up")
	first.until("the interface is missed", func() bool {
		s := first.of("a")
		return s.State == vrrp.Fault && strings.Contains(s.Detail, "interface eth0 does not exist")
	})
	second.untilAll(vrrp.Master, "a")
	if first.holds(vip(0, 101)) {
		t.Error("the renamed interface has the address still")
	}

	l.set(0, "lan0", "name", "eth0")
	first.untilAll(vrrp.Master, "a")
	second.untilAll(vrrp.Backup, "a")
	first.until("the address is back", func() bool { return first.holds(vip(0, 101)) })
}

// A network manager that flushes the interface and sets it up anew takes our addresses and its own, from which adverts
// are sent. Ours are back with its.
func TestAFlushedInterface(t *testing.T) {
	t.Parallel()
	l := newLAN(t, 1)
	p := l.elector(0)
	a := router("a", 0, 1, 100)
	for k := range 50 {
		a.Addresses = append(a.Addresses, vip(0, 150+k))
	}
	p.configure(nil, a)
	p.untilAll(vrrp.Master, "a")
	all := func() bool {
		out, _ := exec.Command("ip", "-n", p.host, "-o", "addr", "show", "dev", "eth0", "to", "10.9.0.0/24").Output()
		return strings.Count(string(out), "/32") == len(a.Addresses)
	}
	p.until("all are held", all)

	// Ours only: they are back, and it was no failover.
	before := p.of("a").Transitions
	for k := range 50 {
		_ = exec.Command("ip", "-n", p.host, "addr", "del", fmt.Sprintf("10.9.0.%d/32", 150+k), "dev", "eth0").Run()
	}
	p.until("all are held again", all)
	p.untilEvent("a finding address-lost")
	if n := p.of("a").Transitions; n != before {
		t.Errorf("%d transitions because addresses of ours were removed", n-before)
	}

	l.ip("-n", p.host, "addr", "flush", "dev", "eth0")
	p.until("there is no source", func() bool {
		s := p.of("a")
		return s.State == vrrp.Fault && s.Reason == vrrp.ReasonNoSourceAddress
	})
	l.ip("-n", p.host, "addr", "add", "10.9.0.1/24", "dev", "eth0")
	p.untilAll(vrrp.Master, "a")
	p.until("all are held after the flush", all)
}

// An interface that gets another MAC while it is up takes its addresses to where nobody looks for them: they are announced
// from there at once, and it is no failover.
func TestAnInterfaceGetsAnotherMAC(t *testing.T) {
	t.Parallel()
	l := newBridge(t)
	four, six := router("four", 0, 51, 200), router6("six", 52, 200)
	four.Announce.Count, six.Announce.Count = 1, 1 // what the election has to say is said at once
	all := append(append([]config.Address{}, four.Addresses...), six.Addresses...)
	l.believes(mac(9), all...)
	p := l.elector(0)
	p.configure(nil, four, six)
	p.untilAll(vrrp.Master, "four", "six")
	l.untilBelieved(mac(0), all...)

	before := [2]uint64{p.of("four").Transitions, p.of("six").Transitions}
	const other = "02:00:00:00:00:77"
	l.set(0, "eth0", "address", other)
	l.untilBelieved(other, all...)
	p.until("it goes on", func() bool { return p.of("four").State == vrrp.Master && p.of("six").State == vrrp.Master })
	if after := [2]uint64{p.of("four").Transitions, p.of("six").Transitions}; after != before {
		t.Errorf("%v transitions, were %v", after, before)
	}
	p.untilEvent("four interface mac-changed", "eth0 has another MAC, "+other)
}

// More news than the kernel keeps for us is lost. What was in it is found all the same.
func TestLostNewsIsMadeGood(t *testing.T) {
	t.Parallel()
	l := newLAN(t, 2)
	p := l.elector(0)
	a := tracking(router("a", 0, 1, 100), config.TrackInterface, "eth1", -10)
	p.configure(nil, a)
	p.untilAll(vrrp.Master, "a")
	var batch strings.Builder
	for range 5000 { // some MB of news
		batch.WriteString("addr add 10.7.0.1/32 dev lo\naddr del 10.7.0.1/32 dev lo\n")
	}
	if err := p.cmd.Process.Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	flood := exec.Command("ip", "-n", p.host, "-batch", "-")
	flood.Stdin = strings.NewReader(batch.String())
	if out, err := flood.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	l.set(0, "eth1", "down") // nobody hears it
	// On a crowded machine its lease has ended by now, which does the same.
	_ = exec.Command("ip", "-n", p.host, "addr", "del", a.Addresses[0].Prefix.String(), "dev", "eth0").Run()
	if err := p.cmd.Process.Signal(unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	p.untilPriority("a", 90)
	p.untilAll(vrrp.Master, "a")
	p.until("the address is back", func() bool { return p.holds(a.Addresses[0]) })
}

// Many leases are renewed together, in time; and a process that sleeps renews none, then or when it wakes.
func TestManyLeases(t *testing.T) {
	t.Parallel()
	l := newLAN(t, 1)
	p := l.elector(0)
	var all []config.Instance
	var names []string
	for id := 1; id <= 80; id++ {
		in := router(fmt.Sprintf("r%d", id), 0, id, 100) // a lease of 1 s
		all, names = append(all, in), append(names, in.Name)
	}
	p.configure(nil, all...)
	p.untilAll(vrrp.Master, names...)
	held := func() int {
		out, _ := exec.Command("ip", "-n", p.host, "-o", "addr", "show", "dev", "eth0", "to", "10.9.0.0/24").Output()
		return strings.Count(string(out), "/32")
	}
	for end := time.Now().Add(2500 * time.Millisecond); time.Now().Before(end); p.hear() {
		if n := held(); n != len(all) {
			t.Fatalf("%d of %d addresses are held", n, len(all))
		}
	}
	for _, text := range p.events {
		if strings.Contains(text, "address-lost") || strings.Contains(text, "renew-failed") {
			t.Errorf("%s", text)
		}
	}

	if err := p.cmd.Process.Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	p.until("the leases end", func() bool { return held() == 0 })
	if err := p.cmd.Process.Signal(unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	p.untilEvent("r1 transition stalled")
	p.untilAll(vrrp.Master, names...)
	p.until("all are held again", func() bool { return held() == len(all) })
}
