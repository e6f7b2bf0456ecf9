package observe

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/lbha/lbha/integration/internal/mono"
	"github.com/lbha/lbha/integration/internal/netlab"
)

// An address is held on the host's own interface, or on one like FRR's while that is up.
func TestWatchVIP(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	n, err := netlab.Pair(fmt.Sprintf("o%d", os.Getpid()), false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	d1, vip := n.D1, netip.PrefixFrom(netlab.VIP, 32)
	if err := d1.AddAddress(netlab.Interface, vip.String()); err != nil {
		t.Fatal(err)
	}
	var tape Tape[Holding]
	if err := WatchVIP(d1, &tape); err != nil {
		t.Fatal(err)
	}
	macvlan := func(state string) func() error {
		return func() error {
			_, err := d1.Output("ip", "link", "set", "vrrp4-51", "protodown", state)
			return err
		}
	}
	own, virtual := fmt.Sprintf("%x", []byte(d1.MAC)), "00005e000133"
	for i, step := range []struct {
		name string
		do   func() error
		want Holding
	}{
		{"it was there", func() error { return nil }, Holding{Holds: true, MAC: own}},
		{"removed", func() error { return d1.Flush(vip) }, Holding{}},
		{"on a macvlan", func() error {
			return d1.AddVirtualInterface("vrrp4-51", net.HardwareAddr{0, 0, 0x5e, 0, 1, 0x33}, []netip.Prefix{vip})
		}, Holding{Holds: true, MAC: virtual}},
		{"the macvlan is down", macvlan("on"), Holding{}},
		{"the macvlan is up", macvlan("off"), Holding{Holds: true, MAC: virtual}},
		{"the macvlan goes", func() error { return d1.RemoveVirtualInterface("vrrp4-51") }, Holding{}},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		var seen []Holding
		for deadline := time.Now().Add(10 * time.Second); len(seen) <= i && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
			seen = tape.Between(0, mono.Now())
		}
		if len(seen) != i+1 {
			t.Fatalf("%s: %d changes, want %d: %+v", step.name, len(seen), i+1, seen)
		}
		if got := seen[i]; got.Host != d1.Name || got.Holds != step.want.Holds || got.MAC != step.want.MAC {
			t.Errorf("%s: %+v, want %+v", step.name, got, step.want)
		}
	}
}
