package elector

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/ipvs"
	"github.com/lbha/lbha/vrrp"
)

// run runs a command on host k.
func (l *lan) run(k int, command ...string) string {
	l.t.Helper()
	return l.ip(append([]string{"netns", "exec", l.hosts[k]}, command...)...)
}

// knock sends something from host k to an address, from one of its own unless that is empty, until there is an answer.
// Nothing listens there: a refusal is an answer.
func (l *lan) knock(k int, from, to string) {
	l.t.Helper()
	l.in(k, func() (err error) {
		dialer := net.Dialer{Timeout: time.Second}
		if from != "" {
			dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
		}
		for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
			if _, err = dialer.Dial("tcp", net.JoinHostPort(to, "9")); errors.Is(err, unix.ECONNREFUSED) {
				return nil
			}
		}
		return fmt.Errorf("%s does not reach %s: %w", l.hosts[k], to, err)
	})
}

// arpSetting is a setting of eth0 on host k.
func (l *lan) arpSetting(k int, name string) string {
	l.t.Helper()
	return strings.TrimSpace(l.run(k, "sysctl", "-n", "net.ipv4.conf.eth0."+name))
}

// sniffer hears the frames of a host: adverts, ARP and neighbour discovery, each as "kind from MAC", once.
type sniffer struct {
	mu    sync.Mutex
	heard map[string]bool
}

// sniff listens to what arrives at host k until the test ends.
func (l *lan) sniff(k int) *sniffer {
	l.t.Helper()
	s := &sniffer{heard: make(map[string]bool)}
	var fd int
	l.in(k, func() (err error) {
		if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(htons(unix.ETH_P_ALL))); err != nil {
			return err
		}
		timeout := unix.Timeval{Usec: 100000} // so that the end of the test is noticed
		return unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout)
	})
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for b := make([]byte, 2048); ; {
			n, from, err := unix.Recvfrom(fd, b, 0)
			select {
			case <-stop:
				return
			default:
			}
			if err == nil && from.(*unix.SockaddrLinklayer).Pkttype != unix.PACKET_OUTGOING {
				s.frame(b[:n])
			}
		}
	}()
	l.t.Cleanup(func() {
		close(stop)
		<-stopped
		unix.Close(fd)
	})
	return s
}

func (s *sniffer) frame(b []byte) {
	if len(b) < 42 {
		return
	}
	source := net.HardwareAddr(b[6:12]).String()
	var what string
	switch kind := binary.BigEndian.Uint16(b[12:]); {
	case kind == unix.ETH_P_ARP:
		what = fmt.Sprintf("arp of %v at %v", netip.AddrFrom4([4]byte(b[28:])), net.HardwareAddr(b[22:28]))
	case kind == unix.ETH_P_IP && b[23] == 112:
		what = fmt.Sprintf("advert of %v", netip.AddrFrom4([4]byte(b[26:])))
	case kind == unix.ETH_P_IPV6 && b[20] == 112:
		what = "advert over IPv6"
	case kind == unix.ETH_P_IPV6 && b[20] == 58 && len(b) >= 78 && b[54] == 136:
		what = fmt.Sprintf("na of %v", netip.AddrFrom16([16]byte(b[62:])))
	default:
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard[what+" from "+source] = true
}

// has reports whether a frame was heard whose text contains all of the words.
func (s *sniffer) has(words ...string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for text := range s.heard {
		all := true
		for _, w := range words {
			all = all && strings.Contains(text, w)
		}
		if all {
			return text, true
		}
	}
	return "", false
}

const vmac51 = "00:00:5e:00:01:33"

func (l *lan) link(k int, name string) string {
	out, _ := exec.Command("ip", "-n", l.hosts[k], "link", "show", name).CombinedOutput()
	return string(out)
}

func (p *process) untilLink(l *lan, k int, what string, is func(string) bool) {
	p.t.Helper()
	p.until("v4-51-eth0 is "+what, func() bool { return is(l.link(k, "v4-51-eth0")) })
}

func isUp(link string) bool   { return strings.Contains(link, ",UP") }
func isDown(link string) bool { return strings.Contains(link, "v4-51-eth0") && !isUp(link) }
func isGone(link string) bool { return strings.Contains(link, "does not exist") }

func TestAVirtualMACMovesWithoutItsNeighboursNotice(t *testing.T) {
	t.Parallel()
	l := newBridge(t)
	const client = 2
	wire := l.sniff(client)
	router := func(priority int) config.Instance {
		c := router("web", 0, 51, priority)
		c.VirtualMAC = true
		// With its prefix there are two ways to the neighbours; they keep to the interface's own.
		c.Addresses = append(c.Addresses, addressOf("10.9.0.152/24"))
		return c
	}
	vip := router(1).Addresses[0]
	address := vip.Prefix.Addr().String()
	l.run(0, "sysctl", "-qw", "net.ipv4.conf.eth0.arp_announce=1")
	for k := range 2 { // a strict filter, as distributions set it, is no obstacle
		l.run(k, "sysctl", "-qw", "net.ipv4.conf.all.rp_filter=1", "net.ipv4.conf.eth0.rp_filter=1", "net.ipv4.conf.default.rp_filter=1")
	}

	a, b := l.elector(0), l.elector(1)
	a.configure(nil, router(200))
	a.untilAll(vrrp.Master, "web")
	b.configure(nil, router(100))
	b.untilAll(vrrp.Backup, "web")
	a.untilLink(l, 0, "up", isUp)
	b.untilLink(l, 1, "down", isDown)

	reach := func(when string) {
		t.Helper()
		for _, address := range []string{address, "10.9.0.152"} {
			l.knock(client, "", address)
			if got := l.ip("-n", l.hosts[client], "neigh", "show", address); !strings.Contains(got, vmac51) {
				t.Errorf("%s: the client's entry is %q", when, got)
			}
		}
	}
	reach("at first")
	// The director itself asks for a neighbour, with the VIP as the source of what it has to send.
	l.ip("-n", l.hosts[0], "neigh", "flush", "dev", "eth0")
	l.knock(0, address, "10.9.0.3")
	l.ip("-n", l.hosts[0], "neigh", "flush", "dev", "eth0")
	l.knock(0, "10.9.0.152", "10.9.0.3")
	// And is asked for its own address.
	l.knock(client, "", "10.9.0.1")
	if got := l.ip("-n", l.hosts[client], "neigh", "show", "10.9.0.1"); !strings.Contains(got, "02:00:00:00:00:01") {
		t.Errorf("the director's own address is at %q", got)
	}

	// A crash: the successor takes the MAC over, and the returned one takes it back from a master whose MAC it has, too.
	a.kill()
	b.untilAll(vrrp.Master, "web")
	b.untilLink(l, 1, "up", isUp)
	reach("after a crash")
	a.until("the lease of the dead one has ended", func() bool { return !a.holds(vip) })
	a.start()
	a.untilAll(vrrp.Master, "web")
	b.untilAll(vrrp.Backup, "web")
	b.untilLink(l, 1, "down", isDown)
	reach("after the return")

	for _, host := range []string{"10.9.0.1", "10.9.0.2"} {
		if _, ok := wire.has("advert of "+host, "from "+vmac51); !ok {
			t.Errorf("no advert of %s came from the virtual MAC", host)
		}
		if text, ok := wire.has("advert of "+host, "from 02:"); ok {
			t.Errorf("an %s", text)
		}
	}
	if _, ok := wire.has("arp of "+address+" at "+vmac51, "from "+vmac51); !ok {
		t.Error("no announcement came from the virtual MAC")
	}
	for _, wrong := range []string{" at 02:", " from 02:"} {
		for _, address := range []string{address, "10.9.0.152"} {
			if text, ok := wire.has("arp of "+address, wrong); ok {
				t.Errorf("the wire has seen: %s", text)
			}
		}
	}

	// Somebody takes it down, or away.
	for _, command := range [][]string{{"link", "set", "v4-51-eth0", "down"}, {"link", "del", "v4-51-eth0"}} {
		l.ip(append([]string{"-n", l.hosts[0]}, command...)...)
		a.untilLink(l, 0, "up again", isUp)
		a.until("the address is back", func() bool { return a.holds(vip) })
		reach("after ip " + strings.Join(command, " "))
	}
	if got := b.of("web").Transitions; b.of("web").State != vrrp.Backup {
		t.Errorf("it made the backup do something: %d transitions", got)
	}

	// The instance goes, and with it what it needed.
	if got := l.arpSetting(0, "arp_ignore") + l.arpSetting(0, "arp_announce"); got != "12" {
		t.Errorf("arp_ignore, arp_announce below: %s, want 1, 2", got)
	}
	without := router(200)
	without.VirtualMAC = false
	a.configure(nil, without)
	a.untilLink(l, 0, "gone", isGone)
	if got := l.arpSetting(0, "arp_ignore") + l.arpSetting(0, "arp_announce"); got != "01" {
		t.Errorf("arp_ignore, arp_announce put back: %s, want 0, 1", got)
	}
	if got := l.ip("-n", l.hosts[0], "-o", "addr", "show", "to", address); !strings.Contains(got, "eth0") {
		t.Errorf("the address is now on %q, want eth0", got)
	}
	b.configure(nil)
	b.untilLink(l, 1, "gone", isGone)
}

// What a process left that died, and nobody has use for any more, is removed by the next.
func TestAVirtualMACIsSweptAway(t *testing.T) {
	t.Parallel()
	l := newBridge(t)
	one, two := router("one", 0, 51, 200), router("two", 0, 52, 200)
	one.VirtualMAC, two.VirtualMAC = true, true
	a := l.elector(0)
	a.configure(nil, one, two)
	a.untilAll(vrrp.Master, "one", "two")
	a.kill()

	next := l.elector(0) // with a memory of its own
	two.VirtualMAC = false
	next.configure(nil, two)
	next.untilAll(vrrp.Master, "two")
	for _, name := range []string{"v4-51-eth0", "v4-52-eth0"} {
		next.until(name+" is gone", func() bool { return isGone(l.link(0, name)) })
	}
	if got := l.arpSetting(0, "arp_ignore") + l.arpSetting(0, "arp_announce"); got != "00" {
		t.Errorf("arp_ignore, arp_announce put back: %s, want 0, 0", got)
	}
}

func TestAVirtualMACOfIPv6(t *testing.T) {
	t.Parallel()
	l := newBridge(t)
	wire := l.sniff(2)
	router := func(priority int) config.Instance {
		c := router6("six", 51, priority)
		c.VirtualMAC = true
		c.Addresses = []config.Address{addressOf("fe80::51/128"), addressOf("fd00:9::51/128")}
		return c
	}
	a, b := l.elector(0), l.elector(1)
	a.configure(nil, router(200))
	a.untilAll(vrrp.Master, "six")
	b.configure(nil, router(100))
	b.untilAll(vrrp.Backup, "six")
	const mac = "00:00:5e:00:02:33"
	reach := func() {
		t.Helper()
		l.knock(2, "", "fd00:9::51")
		if got := l.ip("-n", l.hosts[2], "neigh", "show", "fd00:9::51"); !strings.Contains(got, mac) {
			t.Errorf("the client's entry is %q", got)
		}
	}
	reach()
	a.kill()
	b.untilAll(vrrp.Master, "six")
	reach()
	for _, words := range [][]string{{"advert over IPv6", "from " + mac}, {"na of fd00:9::51", "from " + mac}, {"na of fe80::51", "from " + mac}} {
		if _, ok := wire.has(words...); !ok {
			t.Errorf("the wire has not seen %v", words)
		}
	}
	for _, words := range [][]string{{"advert over IPv6", "from 02:"}, {"na of fd00:9::51", "from 02:"}} {
		if text, ok := wire.has(words...); ok {
			t.Errorf("the wire has seen %s", text)
		}
	}
}

func TestAnAdvertFromAVirtualMACFitsIntoAFrame(t *testing.T) {
	c := router6("six", 51, 200)
	c.VirtualMAC = true
	for len(c.Addresses) < 89 {
		c.Addresses = append(c.Addresses, addressOf(fmt.Sprintf("fd00:9::2:%x/128", len(c.Addresses))))
	}
	if err := checkVMAC(&c); err != nil {
		t.Error(err)
	}
	c.Addresses = append(c.Addresses, addressOf("fd00:9::3/128"))
	if err := checkVMAC(&c); err == nil || !strings.Contains(err.Error(), "room for 89") {
		t.Errorf("one more: %v", err)
	}
}

// Links are made, taken down and removed beside the adverts, in whatever number.
func TestManyVirtualMACsDelayNoAdvert(t *testing.T) { // with none beside it
	l := newBridge(t)
	a := l.elector(0)
	first := router("first", 0, 1, 200)
	a.configure(nil, first)
	a.untilAll(vrrp.Master, "first")
	all := []config.Instance{first}
	names := []string{"first"}
	for id := 2; id <= 255; id++ {
		c := router(fmt.Sprintf("r%d", id), 0, 1, 200)
		c.VRID, c.VirtualMAC = vrrp.VRID(id), true
		c.Addresses = []config.Address{addressOf(fmt.Sprintf("10.9.1.%d/32", id))}
		all, names = append(all, c), append(names, c.Name)
	}
	for range 2 {
		a.configure(nil, all...)
		a.untilAll(vrrp.Master, names...)
		a.configure(nil, first) // what is about to be removed is wanted again
	}
	a.until("all links are gone", func() bool { return !strings.Contains(l.ip("-n", l.hosts[0], "-o", "link"), "v4-") })
	if got := a.of("first"); got.Transitions != 2 || got.State != vrrp.Master {
		t.Errorf("the other router made %d transitions, its worst lateness was %v", got.Transitions, got.MaxLate)
	}
	before := time.Now()
	a.cmd.Process.Kill()
	a.cmd.Wait()
	if took := time.Since(before); took > 5*time.Second {
		t.Errorf("the process took %v to end", took)
	}
	t.Logf("worst lateness %v, %d late", a.of("first").MaxLate, a.of("first").Late)
}

func TestNamesOfLinks(t *testing.T) {
	for _, tt := range []struct {
		iface  string
		id     int
		family ipvs.Family
		want   string
	}{
		{"eth0", 51, ipvs.IPv4, "v4-51-eth0"},
		{"eth0", 255, ipvs.IPv6, "v6-255-eth0"},
		{"enp130s0", 255, ipvs.IPv4, "v4-255-enp130s0"},
		{"enp130s0f1", 255, ipvs.IPv4, "v4-255-8d27d938"},
		{"enp130s0f1", 1, ipvs.IPv4, "v4-1-enp130s0f1"},
	} {
		got := vmacName(&config.Instance{Interface: tt.iface, VRID: vrrp.VRID(tt.id), Family: tt.family})
		if got != tt.want || len(got) > 15 {
			t.Errorf("%s %d: %s, want %s", tt.iface, tt.id, got, tt.want)
		}
	}
}
