package clab

import (
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"time"

	"github.com/vishvananda/netns"

	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/load"
	"github.com/lbha/lbha/integration/internal/mono"
	"github.com/lbha/lbha/integration/internal/netlab"
	"github.com/lbha/lbha/integration/internal/observe"
	"github.com/lbha/lbha/integration/internal/stage"
)

const (
	// nic is the interface of the containers on the bridge.
	nic = "eth1"
	// askPeriod is the client's rhythm. The example's web server is a process for each request: it is not asked as often as the lab's.
	askPeriod = 20 * time.Millisecond
	// settleTime is how long after a window the last of its requests may still be open.
	settleTime = time.Second
)

// eyes are the observers of the lab, looking at the topology: a host more on the bridge hears what is said there, the kernel tells of
// addresses and tables in the containers' namespaces, and the lab's client asks in the namespace of the topology's.
type eyes struct {
	net      *netlab.Network
	tcp      *load.Record
	wire     *observe.Wire
	holdings observe.Tape[observe.Holding]
	tables   observe.Tape[observe.TableChange]
	stop     chan struct{}
	looks    map[string]chan struct{} // by director; closed when its namespace is another one
}

// watch begins to look. The client is a process of the program self.
func watch(self, dir string) (*eyes, error) {
	runtime.GOMAXPROCS(16) // as in the lab: who looks must not wait for one of Go's processors
	e := &eyes{net: new(netlab.Network), stop: make(chan struct{}), looks: map[string]chan struct{}{}}
	n := e.net
	var err error
	if n.Switch, err = netlab.Here(); err != nil {
		return nil, err
	}
	for _, host := range []struct {
		at   **netlab.Host
		name string
		last byte
	}{{&n.D1, "d1", 1}, {&n.D2, "d2", 2}, {&n.Real[0], "rs1", 3}, {&n.Real[1], "rs2", 4}, {&n.Real[2], "rs3", 5}, {&n.Client, "client", 10}} {
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
	e.tcp, err = stage.StartClient(self, n.Client, "tcp", drive.PortHTTP, askPeriod, dir)
	return e, err
}

// look watches a director's address and table.
func (e *eyes) look(h *netlab.Host) error {
	if err := observe.WatchVIP(h, &e.holdings); err != nil {
		return err
	}
	e.looks[h.Name] = make(chan struct{})
	observe.WatchTable(h, &e.tables, e.looks[h.Name])
	return nil
}

// moved plugs a director's cable into its new namespace and looks there from now on.
func (e *eyes) moved(name string, ns netns.NsHandle) error {
	at := &e.net.D1
	if name == "d2" {
		at = &e.net.D2
	}
	old := *at
	var err error
	if *at, err = old.Move(ns); err != nil {
		return err
	}
	close(e.looks[name])
	delete(e.looks, name)
	// Nobody is there any more, and what is in its table would keep the module ip_vs.
	if _, err := old.Output("ipvsadm", "-C"); err != nil {
		return err
	}
	return e.look(*at)
}

// close stops looking.
func (e *eyes) close() {
	close(e.stop)
	for _, look := range e.looks {
		close(look)
	}
}

// side is what a director has in the kernel now.
func (e *eyes) side(name string) (side stage.Side) {
	now := mono.Now()
	if h, ok := e.holdings.Before(now, func(h observe.Holding) bool { return h.Host == name }); ok {
		side.Holds = h.Holds
	}
	if t, ok := e.tables.Before(now, func(t observe.TableChange) bool { return t.Host == name }); ok {
		side.Table = t.Table
	}
	return side
}

// unheard says what is missing on the wire: the master alone advertises, and the client is answered.
func (e *eyes) unheard(master string, interval time.Duration) string {
	now := mono.Now()
	adverts := e.wire.Adverts.Between(now.Add(-interval*3/2), now)
	h, err := e.net.Host(master)
	if err != nil {
		return err.Error()
	}
	for _, a := range adverts {
		if a.Source != h.Addr {
			return a.Source.String() + " advertises"
		}
	}
	if len(adverts) == 0 {
		return master + " does not advertise"
	}
	recent := e.tcp.Between(now.Add(-time.Second), now.Add(-100*time.Millisecond))
	for i := range recent {
		if recent[i].Answered == 0 {
			return "a request of the last moments was not answered"
		}
	}
	if len(recent) == 0 {
		return "the client makes no requests"
	}
	return ""
}

// collect cuts the window out of what was seen.
func (e *eyes) collect(v *stage.Evidence) {
	v.Neighbour = map[string]string{}
	for name, h := range map[string]*netlab.Host{"client": e.net.Client, "observer": e.net.Observer} {
		if mac, err := h.Neighbour(netlab.VIP); err == nil {
			v.Neighbour[name] = e.canonical(hex.EncodeToString(mac))
		}
	}
	time.Sleep(v.To.Add(settleTime).Until()) // the last requests end
	v.TCPAttempts = e.tcp.Between(v.From, v.To)
	v.TCP, v.LostTCP = load.Summarise(v.TCPAttempts, v.From, v.To), stage.Lost(v.TCPAttempts)
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
