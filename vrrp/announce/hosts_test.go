//go:build linux

package announce

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/integration/lan"
)

var (
	vip   = netip.MustParseAddr("10.77.0.100")
	other = netip.MustParseAddr("10.77.0.200")
)

func mac(t testing.TB, text string) net.HardwareAddr {
	t.Helper()
	m, err := net.ParseMAC(text)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func index(t testing.TB, h *lan.Host) (index int) {
	h.Do(func() {
		ifi, err := net.InterfaceByName(lan.Interface)
		if err != nil {
			t.Fatal(err)
		}
		index = ifi.Index
	})
	return index
}

func openOn(t testing.TB, h *lan.Host, from string) *Sender {
	t.Helper()
	i := index(t, h)
	var s *Sender
	var err error
	h.Do(func() { s, err = Open(i, mac(t, from)) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// listenOn opens a listener on a host, by [Listen] or [ListenNeighbours].
func listenOn(t testing.TB, h *lan.Host, open func(int, []net.HardwareAddr, []netip.Addr) (*Listener, error), vips ...netip.Addr) *Listener {
	t.Helper()
	i := index(t, h)
	var l *Listener
	var err error
	h.Do(func() { l, err = open(i, []net.HardwareAddr{mac(t, h.MAC)}, vips) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// heard reads until there has been nothing for a moment.
func heard(t testing.TB, l *Listener) string {
	t.Helper()
	var b strings.Builder
	fds := []unix.PollFd{{Fd: int32(l.FD()), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds, 100)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return b.String()
		}
		cs := make([]Conflict, 4)
		if n, err = l.Heard(cs); err != nil {
			t.Fatal(err)
		}
		for _, c := range cs[:n] {
			fmt.Fprintf(&b, "%v at %v\n", c.IP, c.MAC)
		}
	}
}

// expect compares what a listener hears with what it is to hear, in lines of [heard], and waits for as much.
func expect(t testing.TB, l *Listener, what, want string) {
	t.Helper()
	got := heard(t, l)
	for deadline := time.Now().Add(2 * time.Second); len(got) < len(want) && time.Now().Before(deadline); {
		got += heard(t, l)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// expectAfterDown holds that a listener on the host hears again once its link was down.
func expectAfterDown(t testing.TB, h *lan.Host, l *Listener, from *Sender, ip netip.Addr) {
	t.Helper()
	h.IP("link set eth0 down")
	expect(t, l, "down", "")
	h.IP("link set eth0 up")
	deadline := time.Now().Add(3 * time.Second)
	for got := ""; got == ""; got = heard(t, l) {
		if time.Now().After(deadline) {
			t.Fatal("deaf after the link was down")
		}
		send(t, from, ip)
	}
}

func send(t testing.TB, s *Sender, ips ...netip.Addr) {
	t.Helper()
	if err := s.Send(ips); err != nil {
		t.Fatal(err)
	}
}

func watch(t testing.TB, l *Listener, macs []string, ips ...netip.Addr) {
	t.Helper()
	var own []net.HardwareAddr
	for _, m := range macs {
		own = append(own, mac(t, m))
	}
	if err := l.Watch(own, ips); err != nil {
		t.Fatal(err)
	}
}

// resolve makes a host ask who has an address, by sending a datagram to it.
func resolve(t testing.TB, h *lan.Host, from, to netip.Addr) {
	t.Helper()
	h.Do(func() {
		c, err := net.DialUDP("udp4", &net.UDPAddr{IP: from.AsSlice()}, &net.UDPAddr{IP: to.AsSlice(), Port: 9})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	})
}

var (
	vip6   = netip.MustParseAddr("2001:db8:77::100")
	link6  = netip.MustParseAddr("fe80::64")
	other6 = netip.MustParseAddr("2001:db8:77::200")
)

// resolve6 makes a host ask who has an address.
func resolve6(t testing.TB, h *lan.Host, to netip.Addr) {
	t.Helper()
	i := index(t, h)
	h.Do(func() {
		fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		if err := unix.Sendto(fd, []byte("x"), 0, &unix.SockaddrInet6{Addr: to.As16(), Port: 9, ZoneId: uint32(i)}); err != nil {
			t.Fatal(err)
		}
	})
}
