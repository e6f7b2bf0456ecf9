package stage

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/load"
	"github.com/lbha/lbha/integration/internal/mono"
	"github.com/lbha/lbha/integration/internal/netlab"
	"github.com/lbha/lbha/integration/internal/observe"
)

const (
	runDir = "/run/lab"
	// The clients' rhythm, and when they give up. Below one second, so that no repeated SYN turns a loss into a delay.
	tcpPeriod   = 2 * time.Millisecond
	udpPeriod   = time.Millisecond
	giveUpAfter = 900 * time.Millisecond
)

var vip = netlab.VIP

// Stage is the lab with everything in it that scenarios act on and observers look at.
type Stage struct {
	Net    *netlab.Network
	D1, D2 *drive.Director
	// Self is this program's path: clients and servers of the lab are processes of it.
	Self string

	wire     *observe.Wire
	holdings observe.Tape[observe.Holding]
	tables   observe.Tape[observe.TableChange]
	writes   observe.Tape[observe.Write]
	tcp, udp *load.Record
	web      [3]*exec.Cmd // the real servers' web servers, while they run
	stop     chan struct{}
	say      func(format string, args ...any)

	// WritesSeen is false where the kernel cannot show commands to IPVS.
	WritesSeen bool
}

// Pair says which daemons make the pair.
type Pair struct {
	Director, Peer drive.Kind // of d1 and d2
	Binary         string     // path of lbha
	Interval       time.Duration
	Priorities     [2]int    // of d1 and d2; zero: 150 and 100
	Append         [2]string // to their configurations
	Scheduler      string    // of the services; empty: rr
}

// priorities are those of the pair.
func (p Pair) priorities() [2]int {
	if p.Priorities == [2]int{} {
		return [2]int{150, 100}
	}
	return p.Priorities
}

// Check is how the drill's real servers are checked.
var Check = drive.Check{Interval: 500 * time.Millisecond, Timeout: 500 * time.Millisecond, Rise: 2, Fall: 2}

// Drift is the time within which a daemon repairs a foreign edit of its table.
const Drift = 10 * time.Second

// SettingsOf are those of one director of the pair.
func SettingsOf(n *netlab.Network, name string, priority int, interval time.Duration) drive.Settings {
	return drive.Settings{
		Name: name, Priority: priority, Interval: interval, Check: Check,
		Servers: []netip.Addr{n.Real[0].Addr, n.Real[1].Addr},
	}
}

// Set builds the network and starts real servers, observers and clients. There are no directors yet: see [Stage.Use].
func Set(self string, say func(string, ...any)) (*Stage, error) {
	// Observers block in system calls, and must not wait for one of Go's processors when they return.
	runtime.GOMAXPROCS(16)
	s := &Stage{Self: self, stop: make(chan struct{}), say: say}
	if err := os.MkdirAll(runDir, 0o755); err != nil {
		return nil, err
	}
	for _, name := range []string{"d1", "d2"} {
		if err := AddDisk(DiskOf(name)); err != nil {
			return nil, err
		}
	}
	say("network: bridge, two directors, three real servers, client, observer")
	var err error
	if s.Net, err = netlab.Build(); err != nil {
		return nil, err
	}
	say("real servers: nginx and an UDP echo each")
	for i, h := range s.Net.Real {
		if err := s.StartWeb(i); err != nil {
			return nil, err
		}
		if err := startParty(s.Self, h, "echo", netip.AddrPortFrom(vip, drive.PortEcho).String(), strconv.Itoa(i+1)); err != nil {
			return nil, err
		}
	}
	if err := s.observe(); err != nil {
		return nil, err
	}
	return s, s.clients()
}

// Use makes a pair of daemons the directors. Nothing of a pair before it is left, and nothing is started yet.
func (s *Stage) Use(p Pair) error {
	if err := s.Clear(); err != nil {
		return err
	}
	settings := [2]drive.Settings{}
	for i, priority := range p.priorities() {
		settings[i] = SettingsOf(s.Net, fmt.Sprintf("d%d", i+1), priority, p.Interval)
		settings[i].Append, settings[i].Scheduler = p.Append[i], p.Scheduler
	}
	// A director knows by the hash what another has scheduled, if it may look.
	sloppy := "0"
	if p.Scheduler == "mh" {
		sloppy = "1"
	}
	for _, h := range []*netlab.Host{s.Net.D1, s.Net.D2} {
		if err := h.Sysctl("net/ipv4/vs/sloppy_tcp", sloppy); err != nil {
			return err
		}
	}
	var err error
	if s.D1, err = drive.New(p.Director, s.Net.D1, p.Binary, settings[0]); err != nil {
		return err
	}
	s.D2, err = drive.New(p.Peer, s.Net.D2, p.Binary, settings[1])
	return err
}

// Favourite is the director that is master at rest: the one with the higher priority.
func (s *Stage) Favourite() *drive.Director {
	if s.D2.Settings.Priority > s.D1.Settings.Priority {
		return s.D2
	}
	return s.D1
}

// Clear kills both daemons and removes what a killed daemon leaves behind: the VIP, the table, its state. The real servers
// and the cables are whole again.
func (s *Stage) Clear() error {
	for i := range s.Net.Real {
		if err := s.EnsureWeb(i); err != nil {
			return err
		}
	}
	for _, h := range []*netlab.Host{s.Net.D1, s.Net.D2} {
		if err := s.Net.Port(h, true); err != nil {
			return err
		}
	}
	if err := s.Net.Mend(); err != nil {
		return err
	}
	for _, d := range s.Directors() {
		d.Kill()
		if err := d.Retire(); err != nil {
			return err
		}
		if err := d.Host.DeleteAddress(vip); err != nil && !errors.Is(err, syscall.EADDRNOTAVAIL) {
			return err
		}
		if _, err := d.Host.Output("ipvsadm", "-C"); err != nil {
			return err
		}
		if err := d.Forget(); err != nil {
			return err
		}
	}
	return nil
}

// Afresh starts both directors anew with their own configuration, whatever state they are in.
func (s *Stage) Afresh(ctx context.Context) error {
	if err := s.Clear(); err != nil {
		return err
	}
	for _, d := range s.Directors() {
		if err := d.Configure(SettingsOf(s.Net, d.Host.Name, d.Settings.Priority, d.Settings.Interval)); err != nil {
			return err
		}
	}
	if err := s.Start(); err != nil {
		return err
	}
	return s.Rest(ctx, RestLimit)
}

// Directors lists both, or none before [Stage.Use].
func (s *Stage) Directors() []*drive.Director {
	if s.D1 == nil {
		return nil
	}
	return []*drive.Director{s.D1, s.D2}
}

// observe starts everything that watches.
func (s *Stage) observe() (err error) {
	if s.wire, err = observe.ListenWire(s.Net); err != nil {
		return err
	}
	if err := s.wire.Probe(s.stop); err != nil {
		return err
	}
	s.WritesSeen = true
	for _, h := range []*netlab.Host{s.Net.D1, s.Net.D2} {
		if err := observe.WatchVIP(h, &s.holdings); err != nil {
			return err
		}
		observe.WatchTable(h, &s.tables, s.stop)
		if err := observe.WatchWrites(h, &s.writes); err != nil {
			s.say("commands to IPVS cannot be seen here, only what they change: %v", err)
			s.WritesSeen = false
		}
	}
	return nil
}

// Start starts both directors.
func (s *Stage) Start() error { return errors.Join(s.D1.Start(), s.D2.Start()) }

// missing says how a table differs from the one that the settings give. What was appended to a configuration may add to it.
func missing(settings drive.Settings, table observe.Table) []string {
	diff := observe.Diff(settings.Rules(), table)
	if settings.Append == "" {
		return diff
	}
	return slices.DeleteFunc(diff, func(rule string) bool { return strings.HasPrefix(rule, "+ ") })
}

// RestLimit is how long a pair may take to come to rest: a start, a master-down interval, checks.
const RestLimit = 20 * time.Second

// Rest waits until the pair is as it should be: the favourite (d1 of the drill) alone advertises and holds the VIP, both tables are whole, and every request of
// the last moments was answered.
func (s *Stage) Rest(ctx context.Context, limit time.Duration) error {
	deadline := mono.Now().Add(limit)
	why := ""
	for mono.Now() < deadline && ctx.Err() == nil {
		if why = s.unrest(); why == "" {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("the pair did not come to rest within %v: %s", limit, why)
}

// unrest says what is not yet as it should be.
func (s *Stage) unrest() string {
	now := mono.Now()
	interval, master := s.D1.Settings.Interval, s.Favourite()
	for _, d := range s.Directors() {
		name := d.Host.Name
		// A killed part is back before the next scenario begins.
		if n := len(d.Processes()); n != d.Complete() {
			return fmt.Sprintf("%s has %d of %d processes", name, n, d.Complete())
		}
		h, ok := s.holdings.Before(now, func(h observe.Holding) bool { return h.Host == name })
		if ok && h.Holds != (d == master) {
			return fmt.Sprintf("%s: holds the VIP: %v", name, h.Holds)
		}
		t, _ := s.tables.Before(now, func(t observe.TableChange) bool { return t.Host == name })
		if diff := missing(d.Settings, t.Table); len(diff) > 0 {
			return fmt.Sprintf("%s: table: %s", name, strings.Join(diff, "; "))
		}
	}
	for _, a := range s.wire.Adverts.Between(now.Add(-interval*3/2), now) {
		if a.Source != master.Host.Addr {
			return hostOf(a.Source.As4()[3]) + " advertises"
		}
	}
	if len(s.wire.Adverts.Between(now.Add(-interval*3/2), now)) == 0 {
		return master.Host.Name + " does not advertise"
	}
	recent := s.tcp.Between(now.Add(-500*time.Millisecond), now.Add(-50*time.Millisecond))
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

func hexMAC(mac net.HardwareAddr) string { return hex.EncodeToString(mac) }
