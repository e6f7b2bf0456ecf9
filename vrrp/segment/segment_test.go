//go:build linux

package segment

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/integration/lan"
	"github.com/lbha/lbha/vrrp/wire"
)

var wants51 = Filter{V3: []uint8{51}}

func TestSendAndReceive(t *testing.T) {
	hosts := lan.New(t, 3)
	a, b, c := openOn(t, hosts[0], wants51), openOn(t, hosts[1], wants51), openOn(t, hosts[2], wants51)
	msg := advert(t, hosts[0].Addr, 3, 51)
	if err := a.Send(msg, hosts[0].Addr, group4); err != nil {
		t.Fatal(err)
	}
	for _, to := range []*Conn{b, c} {
		p := receiveOne(t, to)
		got := fmt.Sprintf("%x from %v to %v TTL %d on %d", p.Payload, p.Src, p.Dst, p.TTL, p.IfIndex)
		want := fmt.Sprintf("%x from 10.77.0.1 to 224.0.0.18 TTL 255 on %d", msg, to.Index())
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		silent(t, to, "one packet was sent")
	}
	silent(t, a, "a sender does not hear itself")

	// Unicast reaches the peer, if it wants unicast, and nobody else.
	if err := b.SetFilter(Filter{V3: []uint8{51}, Unicast: true}); err != nil {
		t.Fatal(err)
	}
	if err := a.Send(msg, hosts[0].Addr, hosts[1].Addr); err != nil {
		t.Fatal(err)
	}
	if p := receiveOne(t, b); p.Dst != hosts[1].Addr || p.TTL != 255 {
		t.Errorf("unicast: to %v, TTL %d", p.Dst, p.TTL)
	}
	silent(t, c, "the packet was for another")
}

// The whole frame on the wire, but for the IP header's id and checksum.
func TestFrame(t *testing.T) {
	hosts := lan.New(t, 2)
	conn := openOn(t, hosts[0], wants51)
	capture := tap(t, hosts[1], unix.ETH_P_IP)
	if err := conn.Send(advert(t, hosts[0].Addr, 3, 51), hosts[0].Addr, group4); err != nil {
		t.Fatal(err)
	}
	frame := capture(14 + 9) // the group's members report to it too
	copy(frame[14+4:], "\x00\x00")
	copy(frame[14+10:], "\x00\x00")
	want := "01005e000012" + "020000000001" + "0800" +
		"45c0002000004000ff7000000a4d0001e0000012" + "3133c801006410d90a4d0064"
	if diff := cmp.Diff(want, hex.EncodeToString(frame)); diff != "" {
		t.Error(diff)
	}
}

// tap captures on a host: the function returns the next frame of the EtherType that has the protocol of VRRP at an
// offset.
func tap(t testing.TB, h *lan.Host, etherType uint16) func(offset int) []byte {
	t.Helper()
	fd := -1
	h.Do(func() {
		var err error
		if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(htons(etherType))); err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(func() { unix.Close(fd) })
	return func(offset int) []byte {
		t.Helper()
		frame := make([]byte, 256)
		for {
			if !lan.Readable(t, fd, 2*time.Second) {
				t.Fatal("nothing on the wire")
			}
			n, _, err := unix.Recvfrom(fd, frame, 0)
			if err != nil {
				t.Fatal(err)
			}
			if n > offset && frame[offset] == wire.Protocol {
				return frame[:n]
			}
		}
	}
}

func htons(v uint16) uint16 { return v<<8 | v>>8 }

// A router with a socket on each of two segments hears each packet once, on the
// socket of the segment it came by.
func TestDeafToOtherInterfaces(t *testing.T) {
	hosts := lan.New(t, 2)
	hosts[1].IP("link add eth1 type veth peer name far1", "link set eth1 up", "link set far1 up",
		"address add 10.78.0.2/24 dev eth1")
	here := openOn(t, hosts[1], wants51)
	var there *Conn
	hosts[1].Do(func() {
		var err error
		if there, err = Open(Config{Interface: "eth1", Filter: wants51}); err != nil {
			t.Fatal(err)
		}
	})
	defer there.Close()
	from := openOn(t, hosts[0], wants51)
	if err := from.Send(advert(t, hosts[0].Addr, 3, 51), hosts[0].Addr, group4); err != nil {
		t.Fatal(err)
	}
	receiveOne(t, here)
	silent(t, there, "the packet came by the other segment")
	if n, lost, err := there.Audit(make([]Rejected, 8)); n != 0 || lost != 0 || err != nil {
		t.Errorf("Audit of the other segment: %d, %d, %v", n, lost, err)
	}
}

func TestAge(t *testing.T) {
	hosts := lan.New(t, 2)
	a, b := openOn(t, hosts[0], wants51), openOn(t, hosts[1], wants51)
	// Time stamps are switched on a moment after the first socket wants them.
	time.Sleep(20 * time.Millisecond)
	for _, rest := range []time.Duration{0, 60 * time.Millisecond} {
		sent := time.Now()
		if err := a.Send(advert(t, hosts[0].Addr, 3, 51), hosts[0].Addr, group4); err != nil {
			t.Fatal(err)
		}
		time.Sleep(rest)
		p := receiveOne(t, b)
		if most := time.Since(sent); p.Age < rest || p.Age > most {
			t.Errorf("read %v after it was sent: age %v, want %v to %v", rest, p.Age, rest, most)
		}
	}
}

func TestSetFilter(t *testing.T) {
	hosts := lan.New(t, 2)
	a, b := openOn(t, hosts[0], wants51), openOn(t, hosts[1], Filter{})
	msg := advert(t, hosts[0].Addr, 3, 51)
	for _, step := range []struct {
		f     Filter
		heard bool
	}{
		{Filter{}, false},
		{wants51, true},
		{Filter{V2: []uint8{51}}, false},
		{Filter{V3: []uint8{1, 51, 255}}, true},
	} {
		if err := b.SetFilter(step.f); err != nil {
			t.Fatal(err)
		}
		if err := a.Send(msg, hosts[0].Addr, group4); err != nil {
			t.Fatal(err)
		}
		if step.heard {
			receiveOne(t, b)
		} else {
			silent(t, b, fmt.Sprintf("the filter is %+v", step.f))
		}
	}
	all := make([]uint8, 255)
	for i := range all {
		all[i] = uint8(i + 1)
	}
	if err := b.SetFilter(Filter{V2: all, V3: all, Unicast: true}); err != nil {
		t.Errorf("every VRID there is: %v", err)
	}
}

func TestErrors(t *testing.T) {
	h := lan.New(t, 1)[0]
	msg := advert(t, h.Addr, 3, 51)
	opening := func(name string) (err error) {
		h.Do(func() {
			var c *Conn
			if c, err = Open(Config{Interface: name, Filter: wants51}); err == nil {
				c.Close()
			}
		})
		return err
	}
	expect := func(what string, got, want error) {
		t.Helper()
		if !errors.Is(got, want) {
			t.Errorf("%s: %v; want %v", what, got, want)
		}
	}
	expect("open without interface", opening("eth9"), ErrNoInterface)
	expect("open with an impossible name", opening("a-name-beyond-15-bytes"), ErrNoInterface)
	expect("open without a name", opening(""), ErrNoInterface)

	c := openOn(t, h, wants51)
	expect("send", c.Send(msg, h.Addr, group4), nil)
	expect("send from an address of nobody", c.Send(msg, netip.MustParseAddr("10.77.0.99"), group4), ErrUnreachable)
	expect("send to IPv6", c.Send(msg, h.Addr, wire.Group6()), unix.EAFNOSUPPORT)
	h.IP("link set eth0 down")
	expect("send on a link that is down", c.Send(msg, h.Addr, group4), ErrInterfaceDown)
	h.IP("link set eth0 up")
	expect("send on a link that is up again", c.Send(msg, h.Addr, group4), nil)

	// The same name again is another interface.
	h.IP("link del eth0", "link add eth0 type veth peer name far0", "link set far0 up", "link set eth0 up", "address add 10.77.0.1/24 dev eth0")
	expect("send on an interface that is gone", c.Send(msg, h.Addr, group4), ErrNoInterface)
	again := openOn(t, h, wants51)
	if again.Index() == c.Index() {
		t.Error("the index stayed")
	}
	expect("send on the new interface", again.Send(msg, h.Addr, group4), nil)
}

// A socket may be opened before its interface is ready, as at boot.
func TestOpenBeforeTheInterfaceIsUp(t *testing.T) {
	hosts := lan.New(t, 2)
	a := openOn(t, hosts[0], wants51)
	hosts[1].IP("link set eth0 down", "address flush dev eth0")
	b := openOn(t, hosts[1], wants51)
	hosts[1].IP("address add 10.77.0.2/24 dev eth0", "link set eth0 up")
	msg := advert(t, hosts[0].Addr, 3, 51)
	for deadline := time.Now().Add(5 * time.Second); !lan.Readable(t, b.FD(), 20*time.Millisecond); {
		if time.Now().After(deadline) {
			t.Fatal("deaf after the interface came up")
		}
		if err := a.Send(msg, hosts[0].Addr, group4); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOpenWithoutPermission(t *testing.T) {
	h := lan.New(t, 1)[0]
	done := make(chan error)
	go func() {
		// Capabilities belong to the thread. It is never unlocked, so it ends
		// with this goroutine.
		runtime.LockOSThread()
		var err error
		h.Do(func() {
			hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
			var data [2]unix.CapUserData
			data[0].Permitted = 1 << unix.CAP_SYS_ADMIN // to go home again
			data[0].Effective = data[0].Permitted
			if err = unix.Capset(&hdr, &data[0]); err == nil {
				_, err = Open(Config{Interface: lan.Interface, Filter: wants51})
			}
		})
		done <- err
	}()
	if err := <-done; !errors.Is(err, ErrPermission) {
		t.Errorf("got %v, want %v", err, ErrPermission)
	}
}

func BenchmarkSend(b *testing.B) {
	hosts := lan.New(b, 1)
	c := openOn(b, hosts[0], wants51)
	msg := advert(b, hosts[0].Addr, 3, 51)
	b.ReportAllocs()
	for b.Loop() {
		if err := c.Send(msg, hosts[0].Addr, group4); err != nil {
			b.Fatal(err)
		}
	}
}

// One operation is packets packets sent, then received and decoded.
func BenchmarkReceive(b *testing.B) {
	hosts := lan.New(b, 2)
	from, to := openOn(b, hosts[0], wants51), openOn(b, hosts[1], wants51)
	msg := advert(b, hosts[0].Addr, 3, 51)
	var ps [packets]Packet
	var a wire.Advert
	b.ReportAllocs()
	for b.Loop() {
		for range ps {
			if err := from.Send(msg, hosts[0].Addr, group4); err != nil {
				b.Fatal(err)
			}
		}
		for left := packets; left > 0; {
			n, err := to.Receive(ps[:left])
			if err != nil {
				b.Fatal(err)
			}
			for i := range ps[:n] {
				if _, drop := wire.Decode(&a, ps[i].Payload, ps[i].Meta()); drop != wire.Accepted {
					b.Fatal(drop)
				}
			}
			left -= n
		}
	}
}
