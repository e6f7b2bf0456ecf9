//go:build linux

package segment

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lbha/lbha/integration/lan"
	"github.com/lbha/lbha/vrrp/wire"
)

// Everything that the filter must keep from the loop, with the reason under
// which the audit counts it.
func TestFilterAndAudit(t *testing.T) {
	hosts := lan.New(t, 2)
	c := openOn(t, hosts[1], Filter{V2: []uint8{20}, V3: []uint8{51, 52}})
	f := newForger(t, hosts[0])
	self := hosts[1].Addr.As4()
	group := group4.As4()
	change := func(p Packet, change func(p *Packet)) Packet { change(&p); return p }
	want := map[wire.Drop]int{}
	for _, tt := range []struct {
		reason wire.Drop
		p      Packet
	}{
		{wire.Accepted, packetOf(3, 51, group)},
		{wire.Accepted, packetOf(3, 52, group)},
		{wire.Accepted, packetOf(2, 20, group)},
		{wire.DropForeignVRID, packetOf(3, 53, group)},
		{wire.DropForeignVRID, packetOf(2, 53, group)},
		{wire.DropVersionMismatch, packetOf(2, 51, group)},
		{wire.DropVersionMismatch, packetOf(3, 20, group)},
		{wire.DropCastMismatch, packetOf(3, 51, self)},
		{wire.DropBadTTL, change(packetOf(3, 51, group), func(p *Packet) { p.TTL = 254 })},
		{wire.DropBadType, change(packetOf(3, 51, group), func(p *Packet) { p.Payload[0] = 0x32 })},
		{wire.DropBadVersion, change(packetOf(3, 51, group), func(p *Packet) { p.Payload[0] = 0x41 })},
		{wire.DropZeroVRID, change(packetOf(3, 51, group), func(p *Packet) { p.Payload[1] = 0 })},
		{wire.DropBadLength, change(packetOf(3, 51, group), func(p *Packet) { p.Payload = p.Payload[:11] })},
		{wire.DropBadLength, change(packetOf(2, 20, group), func(p *Packet) { p.Payload = p.Payload[:19] })},
		{wire.DropShort, change(packetOf(3, 51, group), func(p *Packet) { p.Payload = p.Payload[:7] })},
		{wire.DropShort, change(packetOf(3, 51, group), func(p *Packet) { p.Payload = nil })},
		{wire.DropBadChecksum, change(packetOf(3, 53, group), func(p *Packet) { p.Payload[2]++ })},
	} {
		f.send(tt.p, 0)
		want[tt.reason]++
	}
	// A first fragment never completes and reaches nobody.
	f.send(packetOf(3, 51, group), 0x2000)

	got := map[wire.Drop]int{}
	rejected := make([]Rejected, 64)
	for deadline := time.Now().Add(2 * time.Second); sumOf(got) < sumOf(want) && time.Now().Before(deadline); {
		n, lost, err := c.Audit(rejected)
		if err != nil || lost != 0 {
			t.Fatalf("Audit: %d lost, %v", lost, err)
		}
		for _, r := range rejected[:n] {
			if r.Src != hosts[0].Addr {
				t.Errorf("%v from %v", r.Reason, r.Src)
			}
			if r.Reason == wire.DropForeignVRID && r.VRID != 53 {
				t.Errorf("VRID %d is foreign", r.VRID)
			}
			got[r.Reason]++
		}
		var ps [packets]Packet
		n, err = c.Receive(ps[:])
		if err != nil {
			t.Fatal(err)
		}
		got[wire.Accepted] += n
	}
	if diff := cmp.Diff(render(want), render(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func sumOf(m map[wire.Drop]int) (n int) {
	for _, v := range m {
		n += v
	}
	return n
}

func render(m map[wire.Drop]int) string {
	var b strings.Builder
	for _, d := range slices.Sorted(maps.Keys(m)) {
		fmt.Fprintf(&b, "%v %d\n", d, m[d])
	}
	return b.String()
}

// packets is how many a caller reads at once: more than one system call does.
const packets = 20

// flood is more packets than a small queue holds, and fewer than the
// interface's own queue, which would drop them where no socket counts.
const flood = 300

// Garbage that fills the audit's queue takes nothing from the hot one, and
// every packet of it is counted.
func TestAuditUnderFlood(t *testing.T) {
	hosts := lan.New(t, 2)
	c := openOn(t, hosts[1], wants51)
	f := newForger(t, hosts[0])
	garbage := packetOf(3, 99, group4.As4())
	for range flood {
		f.send(garbage, 0)
	}
	silent(t, c, "all was garbage")
	rejected := make([]Rejected, 10)
	counted, lost, err := c.Audit(rejected)
	if counted != len(rejected) || err != nil {
		t.Fatalf("a full queue: Audit read %d, %v; want %d, as many as there was room for", counted, err, len(rejected))
	}
	f.send(packetOf(3, 51, group4.As4()), 0)
	receiveOne(t, c)

	// The kernel tells of a loss with the next packet that finds room.
	sent, total := flood, counted+int(lost)
	for deadline := time.Now().Add(5 * time.Second); total < sent && time.Now().Before(deadline); {
		n, lost, err := c.Audit(rejected)
		if err != nil {
			t.Fatal(err)
		}
		if total += n + int(lost); n == 0 {
			f.send(garbage, 0)
			sent++
			lan.Readable(t, c.auditFD(), 100*time.Millisecond)
		}
	}
	// The wanted packet may be among the lost.
	if total != sent && total != sent+1 {
		t.Errorf("counted %d of %d", total, sent)
	}
	if c.Missed() != 0 {
		t.Errorf("missed %d wanted packets", c.Missed())
	}
}

// Wanted packets beyond the queue are counted.
func TestMissed(t *testing.T) {
	hosts := lan.New(t, 2)
	var c *Conn
	hosts[1].Do(func() {
		var err error
		if c, err = Open(Config{Interface: lan.Interface, Filter: wants51, ReceiveBuffer: 16 << 10}); err != nil {
			t.Fatal(err)
		}
	})
	defer c.Close()
	f := newForger(t, hosts[0])
	good := packetOf(3, 51, group4.As4())
	for range flood {
		f.send(good, 0)
	}
	time.Sleep(50 * time.Millisecond) // for what is still on the way
	sent, read := flood, 0
	for deadline := time.Now().Add(5 * time.Second); read+int(c.Missed()) < sent && time.Now().Before(deadline); {
		var ps [packets]Packet
		n, err := c.Receive(ps[:])
		if err != nil {
			t.Fatal(err)
		}
		if read += n; n == 0 {
			f.send(good, 0)
			sent++
			lan.Readable(t, c.FD(), 100*time.Millisecond)
		}
	}
	if read+int(c.Missed()) != sent || c.Missed() == 0 {
		t.Errorf("read %d and missed %d of %d", read, c.Missed(), sent)
	}
}
