package checkbench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/mono"
	"github.com/lbha/lbha/integration/internal/netlab"
	"github.com/lbha/lbha/integration/internal/observe"
)

// Options is what the caller may choose.
type Options struct {
	Binary string
	Runs   int           // of each daemon under each load
	Window time.Duration // how long each is watched
	Kills  int           // of servers, in all runs of a daemon
}

// loads are what both daemons carry in turn. The first has silent servers in the last.
var loads = []Load{
	{Type: "tcp", Servers: 1000, Interval: time.Second},
	{Type: "http", Servers: 1000, Interval: time.Second},
	{Type: "tcp", Servers: 10000, Interval: 5 * time.Second},
	{Type: "tcp", Servers: 1000, Interval: time.Second, Silent: 100},
}

const (
	settleLimit = time.Minute
	// settle is how long everything may come to rest once each server was asked twice.
	settle = 2 * time.Second
	// killPause is between two kills.
	killPause = 150 * time.Millisecond
)

// bench is a director's host and that of all real servers.
type bench struct {
	host, farm *netlab.Host
	writes     observe.Tape[observe.Write]
	binary     string
}

// Run measures both daemons in turn, under each load, and then how soon dead servers are out.
func Run(ctx context.Context, o Options, say func(string, ...any)) (*Report, error) {
	b, err := build(o.Binary)
	if err != nil {
		return nil, err
	}
	r := &Report{Kills: o.Kills}
	kinds := []drive.Kind{drive.LBHA, drive.Keepalived}
	for _, load := range loads {
		say("%v: %d runs each, in turn", load, o.Runs)
		row := Row{Load: load}
		for range o.Runs {
			for _, kind := range kinds {
				s, err := b.measure(ctx, kind, load, o.Window)
				if err != nil {
					return nil, fmt.Errorf("%s, %v: %w", kind, load, err)
				}
				say("  %-10s %v", kind, s)
				row.add(kind, s)
			}
		}
		r.Rows = append(r.Rows, row)
	}
	say("%v: %d servers are killed under each daemon", loads[0], o.Kills)
	for left, runs := o.Kills, max(o.Runs, 1); left > 0 && runs > 0; runs-- {
		kills := left / runs
		left -= kills
		for _, kind := range kinds {
			late, err := b.detect(ctx, kind, loads[0], kills)
			if err != nil {
				return nil, fmt.Errorf("%s, kills: %w", kind, err)
			}
			say("  %-10s out of the table later than ideal by %v", kind, quantiles(late))
			r.detected(kind, late)
		}
	}
	return r, nil
}

// build makes the network.
func build(binary string) (*bench, error) {
	runtime.GOMAXPROCS(16) // who watches must not wait for one of Go's processors
	const descriptors = 20000
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: descriptors, Max: descriptors}); err != nil {
		return nil, err
	}
	b := &bench{binary: binary}
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
	for i, h := range []struct {
		at   **netlab.Host
		name string
	}{{&b.host, "d1"}, {&b.farm, "rs1"}} {
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
	for _, route := range []struct {
		host *netlab.Host
		args []string
	}{
		{b.host, []string{"route", "add", "10.20.0.0/15", "via", "10.9.0.3"}},
		{b.farm, []string{"route", "add", "local", "10.20.0.0/16", "dev", "lo"}},
		{b.farm, []string{"route", "add", "blackhole", "10.21.0.0/16"}},
	} {
		if _, err := route.host.Output("ip", route.args...); err != nil {
			return nil, err
		}
	}
	return b, observe.WatchWrites(b.host, &b.writes)
}

// during runs a daemon under a load, until it has settled and f has returned.
func (b *bench) during(ctx context.Context, kind drive.Kind, load Load, f func(*drive.Director, *farm) error) (err error) {
	servers, err := newFarm(b.farm, load)
	if err != nil {
		return err
	}
	defer servers.close()
	d, err := drive.New(kind, b.host, b.binary, drive.Settings{Name: b.host.Name, Servers: addresses})
	if err != nil {
		return err
	}
	if err := errors.Join(d.Forget(), d.ConfigureText(load.config(kind, b.host.Name))); err != nil {
		return err
	}
	if err := d.Start(); err != nil {
		return err
	}
	defer func() {
		d.Kill()
		_, cleared := b.host.Output("ipvsadm", "-C")
		err = errors.Join(err, cleared, d.Forget())
	}()
	for deadline := mono.Now().Add(settleLimit); servers.missing(2) > 0; sleep(ctx, 100*time.Millisecond) {
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !d.Running():
			return fmt.Errorf("the daemon ended; it said: %s", d.Log(max(0, d.LogSize()-2000), d.LogSize()))
		case mono.Now() > deadline:
			return fmt.Errorf("%d servers were not asked twice within %v", servers.missing(2), settleLimit)
		}
	}
	sleep(ctx, settle)
	return f(d, servers)
}

// addresses keep drive from starting keepalived for VRRP alone.
var addresses = loads[0].addresses()

func (b *bench) measure(ctx context.Context, kind drive.Kind, load Load, window time.Duration) (s Sample, err error) {
	err = b.during(ctx, kind, load, func(d *drive.Director, f *farm) error {
		window := max(window, 3*load.Interval)
		f.forget()
		before := d.Usage()
		f.write(true)
		sleep(ctx, window)
		checks, gaps := f.write(false)
		after := d.Usage()
		if checks == 0 {
			return fmt.Errorf("no server was asked within %v", window)
		}
		s = Sample{
			Checks: checks, Processor: after.Processor - before.Processor,
			Resident: after.Resident, Share: after.Share, Shares: after.Shares,
		}
		for _, gap := range gaps {
			s.Lateness = append(s.Lateness, max(0, gap-load.Interval))
		}
		slices.Sort(s.Lateness)
		if kind == drive.LBHA {
			s.MaxLag, err = maxLag(d)
		}
		return err
	})
	return s, err
}

// maxLag is the worst lateness of which lbha itself knows since it began.
func maxLag(d *drive.Director) (time.Duration, error) {
	text, err := d.Ask("status", "--json")
	if err != nil {
		return 0, err
	}
	var status struct {
		Checker struct {
			MaxLag time.Duration `json:"max_lateness_ns"`
		} `json:"checker"`
	}
	err = json.Unmarshal([]byte(text), &status)
	return status.Checker.MaxLag, err
}

// detect kills servers one by one, and returns by how much later than ideal each was out of the kernel's table. The first
// probe that finds a server dead comes an interval after the last that did not, and the verdict falls with the third.
func (b *bench) detect(ctx context.Context, kind drive.Kind, load Load, kills int) (late []time.Duration, err error) {
	err = b.during(ctx, kind, load, func(_ *drive.Director, f *farm) error {
		begin := mono.Now()
		ideal := make(map[string]mono.Time, kills)
		for n := 0; len(ideal) < kills && ctx.Err() == nil; sleep(ctx, killPause) {
			// One of each service in turn, then another one of each.
			for ; ; n++ {
				victim := (n*each + n/(load.Servers/each)) % load.Servers
				addr := load.address(victim).String()
				if _, dead := ideal[addr]; dead {
					continue
				}
				if last, ok := f.kill(victim); ok {
					ideal[addr] = last.Add(fall * load.Interval)
					n++
					break
				}
			}
		}
		sleep(ctx, (fall+3)*load.Interval)
		for _, w := range b.writes.Between(begin, mono.Now()) {
			if at, ok := ideal[w.Server]; ok && w.Command == "del-dest" {
				late = append(late, w.At.Sub(at))
				delete(ideal, w.Server)
			}
		}
		if len(ideal) > 0 {
			return fmt.Errorf("%d of %d dead servers are still in the table", len(ideal), kills)
		}
		slices.Sort(late)
		return nil
	})
	return late, err
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
