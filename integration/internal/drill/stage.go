package drill

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
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
}

// Check is how the drill's real servers are checked.
var Check = drive.Check{Interval: 500 * time.Millisecond, Timeout: 500 * time.Millisecond, Rise: 2, Fall: 2}

// Drift is the time within which a daemon repairs a foreign edit of its table.
const Drift = 10 * time.Second

// settings are those of one director of the pair.
func settings(n *netlab.Network, name string, priority int, interval time.Duration) drive.Settings {
	return drive.Settings{
		Name: name, Priority: priority, Interval: interval, Check: Check,
		Servers: []netip.Addr{n.Real[0].Addr, n.Real[1].Addr},
	}
}

// Set builds the network, starts real servers, observers and clients, and prepares the directors without starting them.
func Set(p Pair, self string, say func(string, ...any)) (*Stage, error) {
	s := &Stage{Self: self, say: say, stop: make(chan struct{})}
	if err := os.MkdirAll(runDir, 0o755); err != nil {
		return nil, err
	}
	say("network: bridge, two directors, three real servers, client, observer")
	var err error
	if s.Net, err = netlab.Build(); err != nil {
		return nil, err
	}
	if s.D1, err = drive.New(p.Director, s.Net.D1, p.Binary, settings(s.Net, "d1", 150, p.Interval)); err != nil {
		return nil, err
	}
	if s.D2, err = drive.New(p.Peer, s.Net.D2, p.Binary, settings(s.Net, "d2", 100, p.Interval)); err != nil {
		return nil, err
	}
	say("real servers: nginx and an UDP echo each")
	for i := range s.Net.Real {
		if err := s.StartWeb(i); err != nil {
			return nil, err
		}
		if err := s.helper(s.Net.Real[i], "echo", netip.AddrPortFrom(vip, drive.PortEcho).String(), strconv.Itoa(i+1)); err != nil {
			return nil, err
		}
	}
	return s, errors.Join(s.observe(), s.clients())
}

// Directors lists both.
func (s *Stage) Directors() []*drive.Director { return []*drive.Director{s.D1, s.D2} }

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

// clients starts the two judges.
func (s *Stage) clients() (err error) {
	if s.tcp, err = s.client("tcp", drive.PortHTTP, tcpPeriod); err != nil {
		return err
	}
	s.udp, err = s.client("udp", drive.PortEcho, udpPeriod)
	return err
}

func (s *Stage) client(kind string, port uint16, period time.Duration) (*load.Record, error) {
	path := filepath.Join(runDir, kind+".record")
	r, err := load.CreateRecord(path)
	if err != nil {
		return nil, err
	}
	return r, s.helper(s.Net.Client, kind, netip.AddrPortFrom(vip, port).String(), period.String(), giveUpAfter.String(), path)
}

// helper starts a process of this program on a host. It lives as long as the world.
func (s *Stage) helper(h *netlab.Host, args ...string) error {
	cmd := exec.Command(s.Self, append([]string{HelperCommand}, args...)...)
	cmd.Stderr = os.Stdout
	if err := h.Start(cmd); err != nil {
		return fmt.Errorf("start %s on %s: %w", args[0], h.Name, err)
	}
	return nil
}

// StartWeb starts the web server of a real server.
func (s *Stage) StartWeb(i int) error {
	h := s.Net.Real[i]
	dir := filepath.Join(runDir, h.Name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	config := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(config, []byte(nginxConfig(dir, h.Name)), 0o644); err != nil {
		return err
	}
	cmd := exec.Command("nginx", "-p", dir, "-c", config)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stdout
	if err := h.Start(cmd); err != nil {
		return fmt.Errorf("start nginx on %s: %w", h.Name, err)
	}
	s.web[i] = cmd
	return nil
}

// StopWeb kills the web server of a real server: its port refuses from now on.
func (s *Stage) StopWeb(i int) error {
	cmd := s.web[i]
	if cmd == nil {
		return nil
	}
	s.web[i] = nil
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	_ = cmd.Wait() // killed: there is nothing to learn from how it ended
	return nil
}

// nginxConfig answers with the server's name, in one process.
func nginxConfig(dir, name string) string {
	var temp strings.Builder
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&temp, "    %s_temp_path %s/%s;\n", kind, dir, kind)
	}
	return fmt.Sprintf(`daemon off;
master_process off;
pid %[1]s/nginx.pid;
error_log %[1]s/nginx.log crit;
events { worker_connections 4096; }
http {
    access_log off;
    server_tokens off;
    default_type text/plain;
%[3]s    server {
        listen 80 backlog=4096;
        location / { return 200 "%[2]s"; }
        location = /healthz { return 200 "well"; }
    }
}
`, dir, name, temp.String())
}

// Start starts both directors.
func (s *Stage) Start() error { return errors.Join(s.D1.Start(), s.D2.Start()) }

// whole is a director's table when every server is healthy, as the settings say.
func whole(settings drive.Settings) observe.Table {
	table := observe.Table{}
	for _, service := range []struct {
		key, options string
		port         uint16
	}{{"-t", "", drive.PortHTTP}, {"-u", " -o", drive.PortEcho}} {
		key := service.key + " " + netip.AddrPortFrom(vip, service.port).String()
		table = append(table, "-A "+key+" -s rr"+service.options)
		for _, server := range settings.Servers {
			table = append(table, fmt.Sprintf("-a %s -r %s -g -w 1", key, netip.AddrPortFrom(server, service.port)))
		}
	}
	slices.Sort(table)
	return table
}

// Rest waits until the pair is as it should be: d1 alone advertises and holds the VIP, both tables are whole, and every request of
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
	interval := s.D1.Settings.Interval
	for _, d := range s.Directors() {
		name := d.Host.Name
		// A killed part is back before the next scenario begins.
		if n := len(d.Processes()); n != 3 {
			return fmt.Sprintf("%s has %d of 3 processes", name, n)
		}
		h, ok := s.holdings.Before(now, func(h observe.Holding) bool { return h.Host == name })
		if ok && h.Holds != (d == s.D1) {
			return fmt.Sprintf("%s: holds the VIP: %v", name, h.Holds)
		}
		t, _ := s.tables.Before(now, func(t observe.TableChange) bool { return t.Host == name })
		if diff := observe.Diff(whole(d.Settings), t.Table); len(diff) > 0 {
			return fmt.Sprintf("%s: table: %s", name, strings.Join(diff, "; "))
		}
	}
	for _, a := range s.wire.Adverts.Between(now.Add(-interval*3/2), now) {
		if a.Source == s.D2.Host.Addr {
			return "d2 advertises"
		}
	}
	if len(s.wire.Adverts.Between(now.Add(-interval*3/2), now)) == 0 {
		return "d1 does not advertise"
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
