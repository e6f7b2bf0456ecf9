package elector

import (
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/vrrp"
)

func addrs(n int) []netip.Addr {
	var all []netip.Addr
	for k := range n {
		all = append(all, netip.AddrFrom4([4]byte{10, 8, byte(k / 256), byte(k)}))
	}
	return all
}

// drain sends all that waits in p, each at the earliest time, and returns the times and what it was.
func drain(p *pace, from vrrp.Instant) (times []vrrp.Instant, sent []announcement) {
	for t := from; p.at() != never; t = max(t, p.at()) {
		if a, ok := p.take(t); ok {
			times, sent = append(times, t), append(sent, a)
		}
	}
	return times, sent
}

func TestAThousandAddressesAreToldQuicklyButEvenly(t *testing.T) {
	var p pace
	instances := []*instance{{}, {}, {}, {}}
	for _, in := range instances {
		p.add(in, 0, addrs(250))
		p.add(in, 1, addrs(250)) // it comes while the first round still waits
		p.add(in, 2, addrs(250)) // too much
	}
	const start = vrrp.Instant(5 * time.Second)
	times, sent := drain(&p, start)
	if len(sent) != 2000 {
		t.Fatalf("%d announcements, want one first round and one repeat of 1000 addresses", len(sent))
	}
	if d := times[announceBurst-1].Sub(start); d != 0 {
		t.Errorf("the first %d were sent within %v, want at once", announceBurst, d)
	}
	if d := times[999].Sub(start); d > 250*time.Millisecond {
		t.Errorf("the last address was first told after %v", d)
	}
	for k := announceBurst; k < len(times); k++ {
		if d, least := times[k].Sub(start), time.Duration(k-announceBurst+1)*announceGap; d < least {
			t.Fatalf("%d announcements within %v, want %v or more", k+1, d, least)
		}
	}
	seen := make(map[announcement]bool)
	for _, a := range sent[:1000] {
		if seen[a] {
			t.Fatalf("%v was repeated before every address was told once", a.addr)
		}
		seen[a] = true
	}
}

func TestAConfiguredGapIsKept(t *testing.T) {
	slow := &instance{cfg: config.Instance{Announce: config.Announce{Gap: 10 * time.Millisecond}}}
	var p pace
	p.add(slow, 0, addrs(5))
	times, _ := drain(&p, vrrp.Instant(time.Second))
	for k, at := range times {
		if want := vrrp.Instant(time.Second).Add(time.Duration(k) * 10 * time.Millisecond); at != want {
			t.Errorf("announcement %d at %v, want %v", k, at, want)
		}
	}
}

// Whatever is added and cancelled: nothing is sent of an instance after its cancellation, nothing is lost of the others,
// and first announcements go before repeats.
func TestQueueProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		instances := []*instance{{}, {cfg: config.Instance{Announce: config.Announce{Gap: time.Millisecond}}}, {}}
		var p pace
		want := map[*instance][2]int{} // first, again
		at := vrrp.Instant(0)
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			in := instances[rapid.IntRange(0, 2).Draw(t, "instance")]
			n := rapid.IntRange(1, 100).Draw(t, "addresses")
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				p.add(in, 0, addrs(n))
				want[in] = [2]int{n, 0}
			case 1:
				p.add(in, 1, addrs(n))
				if w := want[in]; w[1] == 0 {
					want[in] = [2]int{w[0], n}
				}
			case 2:
				p.cancel(in)
				delete(want, in)
			case 3:
				at = at.Add(time.Duration(n) * time.Millisecond)
				for {
					first := 0
					for _, w := range want {
						first += w[0]
					}
					a, ok := p.take(at)
					if !ok {
						break
					}
					w := want[a.in]
					switch {
					case w[0] > 0:
						w[0]--
					case first > 0 || w[1] == 0:
						t.Fatalf("%v of %+v was sent", a.addr, w)
					default:
						w[1]--
					}
					want[a.in] = w
				}
			}
		}
		left := 0
		for _, w := range want {
			left += w[0] + w[1]
		}
		if _, sent := drain(&p, at); len(sent) != left {
			t.Fatalf("%d were left, want %d", len(sent), left)
		}
	})
}

// eavesdrop counts the ARP packets that host k of the LAN receives on eth0, by their sender's MAC, with the time of the
// last one.
func (l *lan) eavesdrop(k int) (heard func(mac string) (n int, last time.Time)) {
	l.t.Helper()
	type packet struct {
		mac string
		at  time.Time
	}
	packets := make(chan packet, 1<<16)
	ready := make(chan error)
	ctx, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // for ever: the thread stays in the other namespace, and ends with this goroutine
		ns, err := os.Open("/run/netns/" + l.hosts[k])
		if err == nil {
			err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET)
			ns.Close()
		}
		fd := -1
		if err == nil {
			fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(htons(unix.ETH_P_ARP)))
		}
		if err == nil {
			err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 20_000})
		}
		ready <- err
		if err != nil {
			return
		}
		defer unix.Close(fd)
		var b [128]byte
		for {
			select {
			case <-ctx:
				return
			default:
			}
			if n, _, err := unix.Recvfrom(fd, b[:], 0); err == nil && n >= 28 {
				select {
				case packets <- packet{fmt.Sprintf("%x", b[22:28]), time.Now()}:
				default:
				}
			}
		}
	}()
	if err := <-ready; err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { close(ctx); <-done })
	var all []packet
	return func(mac string) (n int, last time.Time) {
		for len(packets) > 0 {
			all = append(all, <-packets)
		}
		for _, p := range all {
			if p.mac == mac {
				n, last = n+1, p.at
			}
		}
		return n, last
	}
}

func htons(v uint16) uint16 { return v<<8 | v>>8 }

// A director that is not master announces nothing, even if it has just begun to.
func TestADemotionCancelsAnnouncements(t *testing.T) {
	t.Parallel()
	l := newLAN(t, 1)
	l.set(0, "eth0", "address", "02:00:00:00:00:0a")
	heard := l.eavesdrop(1)
	const mac = "02000000000a"
	first, second := l.elector(0), l.elector(1)
	a := router("a", 0, 1, 100)
	a.Announce.Gap = 20 * time.Millisecond
	a.Addresses = nil
	for k := range 200 { // 4 s of announcements
		a.Addresses = append(a.Addresses, vip(0, 20+k))
	}
	first.configure(nil, a)
	first.until("it has begun to announce", func() bool { n, _ := heard(mac); return n >= 20 })
	a.Priority = 200
	second.configure(nil, a)
	first.untilAll(vrrp.Backup, "a")
	if n, _ := heard(mac); n > 350 {
		t.Fatalf("%d announcements were sent before the demotion: the test has come too late", n)
	}
	second.untilAll(vrrp.Master, "a")
	// An ordinary ARP request of the host for its peer is none of ours, and there is none here. An announcement that was not
	// cancelled would come each 20 ms.
	before, _ := heard(mac)
	time.Sleep(200 * time.Millisecond)
	if after, _ := heard(mac); after > before {
		t.Errorf("%d announcements after the demotion", after-before)
	}
}
