package netlab

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// newPair makes a network that ends with the test.
func newPair(t *testing.T, ipv6 bool) *Network {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	n, err := Pair(fmt.Sprintf("t%d", os.Getpid()), ipv6)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	return n
}

// heard reports whether a datagram from one host reaches an address of another within a moment.
func heard(t *testing.T, from, to *Host, network string, at netip.AddrPort) bool {
	t.Helper()
	var conn *net.UDPConn
	err := to.Do(func() (err error) {
		conn, err = net.ListenUDP(network, net.UDPAddrFromAddrPort(at))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for range 10 {
		_ = from.Do(func() error {
			c, err := net.DialUDP(network, nil, net.UDPAddrFromAddrPort(at))
			if err != nil {
				return err
			}
			defer c.Close()
			_, err = c.Write([]byte("x"))
			return err
		})
		if err := conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 1)); err == nil {
			return true
		}
	}
	return false
}

// comesToHear is that within five seconds: a new cable takes its time, and a lost ARP request is repeated after a second.
func comesToHear(t *testing.T, from, to *Host, network string, at netip.AddrPort) bool {
	t.Helper()
	for range 10 {
		if heard(t, from, to, network, at) {
			return true
		}
	}
	return false
}

func TestPair(t *testing.T) {
	n := newPair(t, true)
	v4, v6 := netip.MustParseAddrPort("10.9.0.2:9"), netip.MustParseAddrPort("[fd00:9::2]:9")
	if !comesToHear(t, n.D1, n.D2, "udp4", v4) || !comesToHear(t, n.D1, n.D2, "udp6", v6) || !comesToHear(t, n.Switch, n.D2, "udp4", v4) {
		t.Error("the hosts of a new pair do not hear each other")
	}
	if err := n.Split(true); err != nil {
		t.Fatal(err)
	}
	if heard(t, n.D1, n.D2, "udp4", v4) || heard(t, n.D1, n.D2, "udp6", v6) {
		t.Error("the directors hear each other though they are split")
	}
	if !comesToHear(t, n.Switch, n.D2, "udp4", v4) {
		t.Error("a split director does not hear the switch")
	}
	if err := n.Split(false); err != nil {
		t.Fatal(err)
	}
	if !comesToHear(t, n.D1, n.D2, "udp4", v4) {
		t.Error("the directors do not hear each other after a split")
	}
	if err := n.D1.WaitAddress(n.D1.LinkLocal(), 5*time.Second); err != nil {
		t.Error(err)
	}
	ports, err := n.Ports()
	if err != nil || len(ports) != 2 {
		t.Errorf("%d ports, %v", len(ports), err)
	}
}

// A host moves to a namespace that somebody made, and takes with it what the switch does to its packets.
func TestMove(t *testing.T) {
	n := newPair(t, false)
	made := make(chan netns.NsHandle)
	go func() {
		runtime.LockOSThread() // and never unlocked: it ends with its namespace
		ns, err := netns.New()
		if err != nil {
			t.Error(err)
		}
		made <- ns
	}()
	old, at := n.D2, netip.AddrPortFrom(n.D2.Addr, 9)
	var err error
	if n.D2, err = old.Move(<-made); err != nil {
		t.Fatal(err)
	}
	if n.D2.MAC.String() != old.MAC.String() {
		t.Errorf("MAC address %v, was %v", n.D2.MAC, old.MAC)
	}
	if !comesToHear(t, n.D1, n.D2, "udp4", at) {
		t.Error("a host that moved is not reached")
	}
	if _, err := old.Addresses(); err == nil {
		t.Error("the cable is still where it was")
	}
}

func TestVirtualInterface(t *testing.T) {
	n := newPair(t, false)
	vip := netip.MustParsePrefix("10.9.0.100/32")
	mac := net.HardwareAddr{0, 0, 0x5e, 0, 1, 51}
	for range 2 { // the second time it is there already
		if err := n.D1.AddVirtualInterface("vrrp4-51", mac, []netip.Prefix{vip}); err != nil {
			t.Fatal(err)
		}
	}
	link, err := n.D1.link.LinkByName("vrrp4-51")
	if err != nil {
		t.Fatal(err)
	}
	if got := link.Attrs(); got.HardwareAddr.String() != mac.String() || got.Flags&net.FlagUp == 0 {
		t.Errorf("%v, flags %v", got.HardwareAddr, got.Flags)
	}
	list, err := n.D1.link.AddrList(link, netlink.FAMILY_V4)
	if err != nil || len(list) != 1 || list[0].IP.String() != vip.Addr().String() {
		t.Errorf("addresses %v, %v", list, err)
	}
	for range 2 { // what is not there needs no removal
		if err := n.D1.RemoveVirtualInterface("vrrp4-51"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := n.D1.link.LinkByName("vrrp4-51"); err == nil {
		t.Error("it is still there")
	}
}

func TestFlush(t *testing.T) {
	n := newPair(t, false)
	vip := netip.MustParsePrefix("10.9.0.100/32")
	if err := n.D1.AddAddress(Interface, vip.String()); err != nil {
		t.Fatal(err)
	}
	for range 2 { // what is not there needs no removal
		if err := n.D1.Flush(vip); err != nil {
			t.Fatal(err)
		}
	}
	if !comesToHear(t, n.Switch, n.D1, "udp4", netip.AddrPortFrom(n.D1.Addr, 9)) {
		t.Error("its own address went too")
	}
	addrs, err := n.D1.Addresses()
	if err != nil || len(addrs) != 1 || addrs[0] != n.D1.Addr {
		t.Errorf("addresses %v, %v", addrs, err)
	}
}

// A network that is closed leaves nothing behind.
func TestPairIsRemoved(t *testing.T) {
	n := newPair(t, false)
	name := n.Switch.Name
	n.Close()
	if _, err := os.Stat("/run/netns/" + name); !os.IsNotExist(err) {
		t.Errorf("namespace %s: %v", name, err)
	}
}
