package scale

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/mono"
	"github.com/lbha/lbha/integration/internal/netlab"
	"github.com/lbha/lbha/integration/internal/observe"
	"github.com/lbha/lbha/ipvs"
	"github.com/lbha/lbha/ipvs/kernel"
)

// Sample is one run of one daemon.
type Sample struct {
	Full time.Duration `json:"full"` // from the start to a full table
	// Reload is the time from SIGHUP, which either daemon is sent, to the new server in the table.
	Reload time.Duration `json:"reload"`
	// Command is how long the command took that reloads, another time, from its start to its end, verification included; 0:
	// the daemon has none that waits.
	Command time.Duration `json:"command,omitempty"`
	// Processor is what the reload cost in all processes, until the new server was seen in the table: up to half a second
	// longer than Reload.
	Processor time.Duration `json:"processor"`
	Lost      int           `json:"lost"` // servers that the table lacked for a while during the reloads and the rest after them
	// Unchecked is the longest time without any check from SIGHUP on, as the servers saw it; 0: there are no checks.
	Unchecked time.Duration `json:"unchecked,omitempty"`
	Memory    int           `json:"memory"`           // of all processes, at rest with a full table, in kB; what they share counts once
	After     int           `json:"after"`            // the same after the reload
	Repair    time.Duration `json:"repair,omitempty"` // from `ipvsadm -C` to a full table; 0: it did not come
	Fill      time.Duration `json:"fill,omitempty"`   // the part of it in which the table was written
}

const (
	startLimit  = 3 * time.Minute
	reloadLimit = 5 * time.Minute
	repairLimit = 30 * time.Second
	// rest is a while in which checks run as they always do; after a reload they may need longer to do so.
	rest       = 5 * time.Second
	afterwards = 15 * time.Second
)

// bench is the network with one director's host and one of all real servers.
type bench struct {
	host   *netlab.Host
	writes observe.Tape[observe.Write]
	checks gaps
	binary string
	say    func(string, ...any)
}

// build makes the network.
func build(binary string, say func(string, ...any)) (*bench, error) {
	runtime.GOMAXPROCS(16)
	b := &bench{binary: binary, say: say}
	if err := os.MkdirAll("/run/lab", 0o755); err != nil {
		return nil, err
	}
	sw, err := netlab.NewHost("sw")
	if err != nil {
		return nil, err
	}
	if err := sw.AddBridge("lan"); err != nil {
		return nil, err
	}
	var servers *netlab.Host
	for i, h := range []struct {
		at   **netlab.Host
		name string
	}{{&b.host, "d1"}, {&servers, "rs1"}} {
		if *h.at, err = netlab.NewHost(h.name); err != nil {
			return nil, err
		}
		last := byte(1 + 2*i)
		if err := (*h.at).Plug(sw, "lan", netlab.Interface, net.HardwareAddr{2, 9, 0, 0, 0, last}); err != nil {
			return nil, err
		}
		if err := (*h.at).AddAddress(netlab.Interface, fmt.Sprintf("10.9.0.%d/24", last)); err != nil {
			return nil, err
		}
	}
	if _, err := b.host.Output("ip", "route", "add", "10.20.0.0/16", "via", "10.9.0.3"); err != nil {
		return nil, err
	}
	if _, err := servers.Output("ip", "route", "add", "local", "10.20.0.0/16", "dev", "lo"); err != nil {
		return nil, err
	}
	if err := b.serve(servers); err != nil {
		return nil, err
	}
	return b, observe.WatchWrites(b.host, &b.writes)
}

// gaps finds the longest time between two events.
type gaps struct {
	mu      sync.Mutex
	last    mono.Time
	longest time.Duration
}

func (g *gaps) event() {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := mono.Now()
	g.longest = max(g.longest, now.Sub(g.last))
	g.last = now
}

// reset begins anew, as if there were an event now.
func (g *gaps) reset() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.last, g.longest = mono.Now(), 0
}

// long is the longest time, the one that still lasts among them.
func (g *gaps) long() time.Duration {
	g.event()
	return g.longest
}

// serve accepts every connection, and closes it.
func (b *bench) serve(h *netlab.Host) error {
	var l net.Listener
	err := h.Do(func() (err error) {
		l, err = net.Listen("tcp4", fmt.Sprintf(":%d", port))
		return err
	})
	if err != nil {
		return err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
			b.checks.event()
		}
	}()
	return nil
}

// measure runs a daemon from its start to its end. repair clears the table behind its back.
func (b *bench) measure(ctx context.Context, kind drive.Kind, size Size, repair bool) (s Sample, err error) {
	// The setting of a server keeps drive from starting keepalived for VRRP alone.
	d, err := drive.New(kind, b.host, b.binary, drive.Settings{Name: b.host.Name, Servers: size.servers(0, 0)})
	if err != nil {
		return s, err
	}
	if err := errors.Join(d.Forget(), d.ConfigureText(size.config(kind, b.host.Name, 0))); err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, b.clear(d)) }()

	begin := mono.Now()
	if err := d.Start(); err != nil {
		return s, err
	}
	if s.Full, err = b.await(ctx, d, begin, size.Servers(), startLimit); err != nil {
		return s, fmt.Errorf("start: %w", err)
	}
	sleep(ctx, rest)
	s.Memory = d.Usage().Share

	if err := d.ConfigureText(size.config(kind, b.host.Name, 1)); err != nil {
		return s, err
	}
	cost := d.Usage().Processor
	b.checks.reset()
	reloaded := mono.Now()
	if err := d.Signal(drive.Supervisor, syscall.SIGHUP); err != nil {
		return s, fmt.Errorf("reload: %w", err)
	}
	if s.Reload, err = b.await(ctx, d, reloaded, 1, reloadLimit); err != nil {
		return s, fmt.Errorf("reload: %w", err)
	}
	s.Processor = d.Usage().Processor - cost
	if size.Check > 0 {
		sleep(ctx, afterwards)
		s.Unchecked = b.checks.long()
	}
	s.After = d.Usage().Share
	servers := size.Servers() + 1
	if kind == drive.LBHA {
		sleep(ctx, rest) // the first reload is over
		if s.Command, err = b.command(ctx, d, size); err != nil {
			return s, err
		}
		servers++
	}
	for _, w := range b.writes.Between(reloaded, mono.Now()) {
		if w.Command == "del-dest" {
			s.Lost++
		}
	}
	if err := b.check(ctx, servers); err != nil {
		return s, err
	}
	if !repair {
		return s, nil
	}
	begin = mono.Now()
	if _, err := b.host.Output("ipvsadm", "-C"); err != nil {
		return s, err
	}
	s.Repair, err = b.await(ctx, d, begin, servers, repairLimit)
	if err != nil {
		return s, fmt.Errorf("repair: %w", err)
	}
	for _, w := range b.writes.Between(begin, mono.Now()) {
		if w.Command == "new-service" {
			s.Fill = s.Repair - w.At.Sub(begin)
			break
		}
	}
	return s, b.check(ctx, servers)
}

// command reloads once more, with a second new server, by the command that waits and verifies, and returns how long it took. It demands
// that the server is in the table when it ends.
func (b *bench) command(ctx context.Context, d *drive.Director, size Size) (time.Duration, error) {
	if err := d.ConfigureText(size.config(d.Kind, b.host.Name, 2)); err != nil {
		return 0, err
	}
	begin := mono.Now()
	said, err := d.Reload()
	took := mono.Now().Sub(begin)
	if err != nil {
		return 0, fmt.Errorf("reload: %w: %s", err, said)
	}
	added, err := b.await(ctx, d, begin, 1, reloadLimit)
	if err == nil && added > took {
		err = fmt.Errorf("the command ended after %v, before the server was in the table, after %v", took, added)
	}
	return took, err
}

// look is how often the tape of writes is read. The writes have their times: it may be seldom, and costs the daemon the less.
const look = 500 * time.Millisecond

// await waits until so many servers have been added since a time, and returns how long that took.
func (b *bench) await(ctx context.Context, d *drive.Director, begin mono.Time, servers int, limit time.Duration) (time.Duration, error) {
	added := 0
	for deadline := begin.Add(limit); mono.Now() < deadline && ctx.Err() == nil; sleep(ctx, look) {
		if !d.Running() {
			return 0, fmt.Errorf("the daemon ended; it said: %s", d.Log(max(0, d.LogSize()-2000), d.LogSize()))
		}
		added = 0
		for _, w := range b.writes.Between(begin, mono.Now()) {
			if w.Command != "new-dest" {
				continue
			}
			if added++; added == servers {
				return w.At.Sub(begin), nil
			}
		}
	}
	return 0, fmt.Errorf("%d of %d servers were added within %v", added, servers, limit)
}

// check reads the kernel's table and demands so many servers.
func (b *bench) check(ctx context.Context, servers int) error {
	k := kernel.New(kernel.Options{Namespace: filepath.Join("/run/netns", b.host.Name)})
	defer k.Close()
	// What is still to be written to a table that is full by its number of servers is little.
	var n int
	for range 20 {
		snap, err := k.List(ctx)
		if err != nil {
			return err
		}
		if n = count(snap.Table); n == servers {
			return nil
		}
		sleep(ctx, 500*time.Millisecond)
	}
	return fmt.Errorf("the table has %d servers, not %d", n, servers)
}

func count(t ipvs.Table) (n int) {
	for _, p := range t {
		n += len(p.Servers)
	}
	return n
}

// clear ends a daemon and removes what it leaves.
func (b *bench) clear(d *drive.Director) error {
	d.Kill()
	if _, err := b.host.Output("ipvsadm", "-C"); err != nil {
		return err
	}
	return d.Forget()
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
