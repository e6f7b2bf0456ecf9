package lvs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/ipvs"
	"github.com/lbha/lbha/ipvs/kernel"
)

// service is a virtual address and how it is served. The master holds it on iface.
type service struct {
	name  string
	mode  string // as in the configuration: nat, dr, tun
	addr  netip.Addr
	iface string
	tunnel
}

var virtual = []service{
	{name: "nat", mode: "nat", addr: place(outside, false, 100), iface: outside},
	{name: "dr", mode: "dr", addr: place(inside, false, 100), iface: inside},
	{name: "tun", mode: "tun", addr: place(inside, false, 101), iface: inside},
	{name: "nat6", mode: "nat", addr: place(outside, true, 100), iface: outside},
	{name: "dr6", mode: "dr", addr: place(inside, true, 100), iface: inside},
	{name: "tun6", mode: "tun", addr: place(inside, true, 101), iface: inside},
}

// named finds a service.
func named(name string) service {
	for _, v := range slices.Concat(virtual, tunnels) {
		if v.name == name {
			return v
		}
	}
	panic("no service is called " + name)
}

// How the real servers are checked, and how long after its death a server may still get connections.
const (
	checkInterval = 500 * time.Millisecond
	checkFall     = 2
	deathBound    = checkFall*checkInterval + checkInterval + 200*time.Millisecond
)

// talkPort is that of the connections which outlive a failover.
const talkPort = 7100

// interval is that of the advertisements.
const interval = time.Second

// settings are what of a director's configuration changes in a run.
type settings struct {
	scheduler string // of the web services; empty: rr
	unsynced  bool   // connections are not synchronised
	// How they are, if otherwise than on the other director.
	syncID        int
	syncInterface string
	more          string // further tables
}

// pairConfig is the configuration of a director.
func pairConfig(name string, priority int, set settings) string {
	dir := filepath.Join(runDir, name)
	var b strings.Builder
	fmt.Fprintf(&b, `[global]
name = %q
control = %q
state_dir = %q
log = { level = "info", format = "text" }

%s
[[vrrp]]
name = "pair"
interface = %q
id = 51
priority = %d
interval = %q
addresses = [
`, name, filepath.Join(dir, "lbha.sock"), dir, synchronised(set), inside, priority, interval)
	for _, v := range virtual {
		if v.addr.Is4() {
			fmt.Fprintf(&b, "  { address = \"%s/32\", interface = %q },\n", v.addr, v.iface)
		}
	}
	fmt.Fprintf(&b, "  { address = \"%s/32\", interface = %q },\n]\n", gateway4, inside)
	for _, v := range virtual {
		pool(&b, v, v.name, drive.PortHTTP, cmp.Or(set.scheduler, "rr"))
	}
	for _, name := range []string{"nat", "dr"} {
		pool(&b, named(name), name+"-talk", talkPort, "rr")
	}
	return b.String() + set.more
}

func synchronised(set settings) string {
	if set.unsynced {
		return ""
	}
	return fmt.Sprintf("[global.ipvs]\nsync = { interface = %q, id = %d }\n", cmp.Or(set.syncInterface, inside), cmp.Or(set.syncID, 51))
}

// pool writes a service with both real servers.
func pool(b *strings.Builder, v service, name string, port int, scheduler string) {
	fmt.Fprintf(b, `
[[service]]
name = %q
address = %q
scheduler = %q
forward = %q
[service.check]
type = "http"
port = %d
path = "/healthz"
interval = %q
timeout = %q
rise = 2
fall = %d
`, name, netip.AddrPortFrom(v.addr, uint16(port)), scheduler, v.mode, drive.PortHTTP, checkInterval, checkInterval, checkFall)
	for _, last := range []byte{3, 4} {
		fmt.Fprintf(b, "[[service.server]]\naddress = %q\n", netip.AddrPortFrom(place(inside, v.addr.Is6(), last), uint16(port)))
	}
}

// start starts both directors and waits until d1 is master and both tables are whole.
func (s *session) start(ctx context.Context) error {
	s.say("directors: lbha on d1 and d2")
	// The IPv6 addresses are d1's for good: their packets are what matters here. Deprecated, so that none is the source of a health check.
	held := []string{"address add " + gateway6.String() + "/128 dev " + inside + " nodad preferred_lft 0"}
	for _, v := range virtual {
		if v.addr.Is6() {
			held = append(held, fmt.Sprintf("address add %s/128 dev %s nodad preferred_lft 0", v.addr, v.iface))
		}
	}
	if err := s.net.d[0].ip(held...); err != nil {
		return err
	}
	for i, h := range s.net.d {
		d, err := drive.New(drive.LBHA, h.Host, s.net.binary, drive.Settings{Name: h.Name})
		if err != nil {
			return err
		}
		if err := d.ConfigureText(pairConfig(h.Name, 150-50*i, settings{})); err != nil {
			return err
		}
		if err := d.Start(); err != nil {
			return err
		}
		s.directors[i] = d
	}
	return s.rest(ctx)
}

// rest waits until d1 is master, d2 backup, and both tables have every server.
func (s *session) rest(ctx context.Context) error {
	return eventually(30*time.Second, "the pair is at rest", func() error {
		if ctx.Err() != nil {
			return nil
		}
		for i, state := range []string{"master", "backup"} {
			d := s.directors[i]
			if n := len(d.Processes()); n != 3 {
				return fmt.Errorf("%s has %d of 3 processes", d.Host.Name, n)
			}
			st, err := d.Status()
			if err != nil {
				return err
			}
			if len(st.Instances) != 1 || !strings.EqualFold(st.Instances[0].State, state) {
				return fmt.Errorf("%s is not %s: %+v", d.Host.Name, state, st.Instances)
			}
			snap, err := s.list(ctx, i)
			if err != nil {
				return err
			}
			if n := live(snap.Table); n != 2*(len(virtual)+2) {
				return fmt.Errorf("%s has %d live servers in its table:\n%s", d.Host.Name, n, snap.Table)
			}
		}
		return nil
	})
}

// list reads the kernel's table of a director.
func (s *session) list(ctx context.Context, director int) (ipvs.Snapshot, error) {
	k := kernel.New(kernel.Options{Namespace: filepath.Join("/run/netns", s.net.d[director].Name)})
	defer k.Close()
	return k.List(ctx)
}

// live counts the servers that take connections.
func live(t ipvs.Table) (n int) {
	for _, p := range t {
		for _, server := range p.Servers {
			if server.Weight > 0 {
				n++
			}
		}
	}
	return n
}

// ask runs a command of lbha on d1.
func (s *session) ask(args ...string) error {
	_, err := s.directors[0].Ask(args...)
	return err
}

// reconfigure writes d1's configuration and applies it.
func (s *session) reconfigure(set settings) error {
	if err := s.directors[0].ConfigureText(pairConfig("d1", 150, set)); err != nil {
		return err
	}
	if out, err := s.directors[0].Reload(); err != nil {
		return errors.Join(err, errors.New(out))
	}
	return nil
}
