package clab

import (
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/vishvananda/netns"

	"github.com/lbha/lbha/integration/internal/load"
	"github.com/lbha/lbha/integration/internal/mono"
	"github.com/lbha/lbha/integration/internal/netlab"
	"github.com/lbha/lbha/integration/internal/observe"
	"github.com/lbha/lbha/integration/internal/stage"
)

// nic is the interface of the containers on the bridge.
const nic = "eth1"

// eyes are the observers of the lab, looking at the topology: a third host on the bridge hears what is said there, and the kernel tells of
// addresses and tables in the containers' namespaces.
type eyes struct {
	net      *netlab.Network
	client   *client
	wire     *observe.Wire
	holdings observe.Tape[observe.Holding]
	tables   observe.Tape[observe.TableChange]
	stop     chan struct{}
}

// watch begins to look.
func watch() (*eyes, error) {
	e := &eyes{net: new(netlab.Network), stop: make(chan struct{})}
	n := e.net
	var err error
	if n.Switch, err = netlab.Here(); err != nil {
		return nil, err
	}
	for _, host := range []struct {
		at   **netlab.Host
		name string
		last byte
	}{{&n.D1, "d1", 1}, {&n.D2, "d2", 2}, {&n.Real[0], "rs1", 3}, {&n.Real[1], "rs2", 4}, {&n.Client, "client", 10}} {
		ns, err := netns.GetFromName(prefix + host.name)
		if err != nil {
			return nil, fmt.Errorf("network namespace of %s: %w", host.name, err)
		}
		if *host.at, err = netlab.Adopt(host.name, ns, nic, netip.AddrFrom4([4]byte{10, 9, 0, host.last})); err != nil {
			return nil, err
		}
	}
	if n.Observer, err = netlab.NewHost("observer"); err != nil {
		return nil, err
	}
	n.Observer.Addr, n.Observer.MAC = netip.AddrFrom4([4]byte{10, 9, 0, 20}), net.HardwareAddr{2, 0, 0, 0, 0, 20}
	if err := n.Observer.Plug(n.Switch, bridge, netlab.Interface, n.Observer.MAC); err != nil {
		return nil, err
	}
	if err := n.Observer.AddAddress(netlab.Interface, n.Observer.Addr.String()+"/24"); err != nil {
		return nil, err
	}
	if e.wire, err = observe.ListenWire(n); err != nil {
		return nil, err
	}
	if err := e.wire.Probe(e.stop); err != nil {
		return nil, err
	}
	for _, h := range []*netlab.Host{n.D1, n.D2} {
		if err := e.look(h); err != nil {
			return nil, err
		}
	}
	e.client, err = startClient(prefix + "client")
	return e, err
}

// look watches a director's address and table.
func (e *eyes) look(h *netlab.Host) error {
	if err := observe.WatchVIP(h, &e.holdings); err != nil {
		return err
	}
	observe.WatchTable(h, &e.tables, e.stop)
	return nil
}

// see looks at a director's new namespace; the one before it has nothing to tell any more.
func (e *eyes) see(old *netlab.Host, ns netns.NsHandle) error {
	h, err := netlab.Adopt(old.Name, ns, nic, old.Addr)
	if err != nil {
		return err
	}
	if old == e.net.D1 {
		e.net.D1 = h
	} else {
		e.net.D2 = h
	}
	return e.look(h)
}

// sides is what both directors have now.
func (e *eyes) sides() map[string]stage.Side {
	sides := map[string]stage.Side{}
	now := mono.Now()
	for _, name := range []string{"d1", "d2"} {
		var side stage.Side
		if h, ok := e.holdings.Before(now, func(h observe.Holding) bool { return h.Host == name }); ok {
			side.Holds = h.Holds
		}
		if t, ok := e.tables.Before(now, func(t observe.TableChange) bool { return t.Host == name }); ok {
			side.Table = t.Table
		}
		sides[name] = side
	}
	return sides
}

// unrest says what is not yet as it should be.
func (e *eyes) unrest(favourite string) string {
	for name, side := range e.sides() {
		if side.Holds != (name == favourite) {
			return fmt.Sprintf("%s has the address: %v", name, side.Holds)
		}
		if len(side.Table) < 3 {
			return fmt.Sprintf("the table of %s has %d of 3 rules", name, len(side.Table))
		}
	}
	now := mono.Now()
	attempts := e.client.between(now.Add(-time.Second), now.Add(-askLimit))
	for _, a := range attempts {
		if a.Answered == 0 {
			return "a request of the last moments was not answered"
		}
	}
	if len(attempts) == 0 {
		return "the client makes no requests"
	}
	return ""
}

// collect cuts the window out of what was seen.
func (e *eyes) collect(v *stage.Evidence) {
	v.Neighbour = map[string]string{}
	if mac, err := e.net.Client.Neighbour(netlab.VIP); err == nil {
		v.Neighbour["client"] = e.canonical(hex.EncodeToString(mac))
	}
	v.After = e.sides()
	time.Sleep(v.To.Add(2 * askLimit).Until()) // the last requests end
	v.TCPAttempts = e.client.between(v.From, v.To)
	v.TCP = load.Summarise(v.TCPAttempts, v.From, v.To)
	v.TCP.Stall = load.Gap{} // this client waits for an answer before it asks again: when it asks says nothing of the machine
	v.Adverts = e.wire.Adverts.Between(v.From, v.To)
	for _, a := range e.wire.Announcements.Between(v.From, v.To) {
		a.MAC = e.canonical(a.MAC)
		v.Announcements = append(v.Announcements, a)
	}
	v.Probes = e.wire.Probes.Between(v.From, v.To)
	v.Answers = e.wire.Answers.Between(v.From, v.To.Add(45*time.Millisecond))
	v.Holdings = e.holdings.Between(v.From, v.To)
	v.Tables = e.tables.Between(v.From, v.To)
}

// canonical names a director's MAC address as the lab does: containers have random ones.
func (e *eyes) canonical(mac string) string {
	for _, h := range []*netlab.Host{e.net.D1, e.net.D2} {
		if hex.EncodeToString(h.MAC) == mac {
			return stage.MACOf(h.Name)
		}
	}
	return mac
}
