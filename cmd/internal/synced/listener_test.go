package synced

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/integration/lan"
)

// daemon is a socket as the kernel's synchronisation daemon has one: bound to the group, and joined on an interface.
func daemon(t *testing.T, ifname string) *net.UDPConn {
	t.Helper()
	conn, err := open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	i, err := net.InterfaceByName(ifname)
	if err != nil {
		t.Fatal(err)
	}
	if err := (&Listener{others: conn}).member(unix.IP_ADD_MEMBERSHIP, i.Index); err != nil {
		t.Fatal(err)
	}
	return conn
}

// send sends a datagram with an ID to the group from an interface.
func send(t *testing.T, h *lan.Host, ifname string, id byte) {
	t.Helper()
	h.Do(func() {
		i, err := net.InterfaceByName(ifname)
		if err != nil {
			t.Error(err)
			return
		}
		conn, err := net.ListenUDP("udp4", nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		err = control(conn, func(fd int) error {
			return unix.SetsockoptIPMreqn(fd, unix.SOL_IP, unix.IP_MULTICAST_IF, &unix.IPMreqn{Ifindex: int32(i.Index)})
		})
		if err == nil {
			_, err = conn.WriteToUDPAddrPort([]byte{0, id, 0, 8, 0, 1, 0, 0}, group)
		}
		if err != nil {
			t.Error(err)
		}
	})
}

// inErrors is what the host's kernel counts of datagrams that a socket did not take.
func inErrors(t *testing.T, h *lan.Host) int {
	t.Helper()
	var text []byte
	h.Do(func() { text, _ = os.ReadFile("/proc/thread-self/net/snmp") })
	var names []string
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != "Udp:" {
			continue
		}
		if names == nil {
			names = fields
			continue
		}
		for i, name := range names {
			if name == "InErrors" {
				n, err := strconv.Atoi(fields[i])
				if err != nil {
					t.Fatal(err)
				}
				return n
			}
		}
	}
	t.Fatal("the kernel does not count")
	return 0
}

// What another host sends is heard on our interface, where a daemon has joined, and on others, where none has. The daemon gets all of it. Of a flood
// a few are examined, and nothing is counted as an error.
func TestListener(t *testing.T) {
	hosts := lan.New(t, 2)
	a, b := hosts[0], hosts[1]
	// A second link between the two, on which nobody of b has joined.
	var ns *os.File
	a.Do(func() {
		var err error
		if ns, err = os.Open("/proc/thread-self/ns/net"); err != nil {
			t.Error(err)
		}
	})
	defer ns.Close()
	b.IP(fmt.Sprintf("link add eth1 type veth peer name eth1 netns /proc/%d/fd/%d", os.Getpid(), ns.Fd()))
	a.IP("addr add 10.78.0.1/24 dev eth1", "link set eth1 up")
	b.IP("addr add 10.78.0.2/24 dev eth1", "link set eth1 up")

	var kernel *net.UDPConn
	var l *Listener
	b.Do(func() {
		kernel = daemon(t, "eth0")
		var err error
		if l, err = Listen("eth0"); err != nil {
			t.Error(err)
		}
	})
	if l == nil {
		t.FailNow()
	}
	defer l.Close()
	got := make(chan int)
	go func() {
		n := 0
		for b := make([]byte, 16); ; n++ {
			if _, err := kernel.Read(b); err != nil {
				got <- n
				return
			}
		}
	}()
	before := inErrors(t, b)
	for _, tt := range []struct {
		ifname string
		want   Packet
	}{{"eth0", Packet{"eth0", a.Addr, 51}}, {"eth1", Packet{"eth1", netip.MustParseAddr("10.78.0.1"), 52}}} {
		heard := Packet{}
		for deadline := time.Now().Add(10 * time.Second); heard.Interface == "" && time.Now().Before(deadline); {
			send(t, a, tt.ifname, tt.want.ID)
			select {
			case heard = <-l.Packets():
			case <-time.After(50 * time.Millisecond):
			}
		}
		if heard != tt.want {
			t.Errorf("heard %+v", heard)
		}
	}
	heard, sent := 0, 0
	for end := time.Now().Add(2500 * time.Millisecond); time.Now().Before(end); sent++ {
		send(t, a, "eth0", 53)
		select {
		case <-l.Packets():
			heard++
		case <-time.After(time.Millisecond):
		}
	}
	time.Sleep(100 * time.Millisecond) // what was sent is on its way to the daemon
	if heard < 1 || heard > 4 || sent < 20 {
		t.Errorf("%d of %d were examined", heard, sent)
	}
	kernel.Close()
	if n := <-got; n < sent {
		t.Errorf("the daemon got %d of %d", n, sent)
	}
	if after := inErrors(t, b); after != before {
		t.Errorf("%d datagrams are counted as errors", after-before)
	}
}
