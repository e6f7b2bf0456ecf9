package director

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/cmd/internal/disk"
	"github.com/lbha/lbha/cmd/internal/observe"
	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/ipvs"
	"github.com/lbha/lbha/ipvs/kernel"
	"github.com/lbha/lbha/vrrp"
)

// firstRoundLimit bounds the wait for the first results of the checks before this director takes part in elections: a
// master with an empty table is worse than none, but one server that never answers must not keep a director out.
const firstRoundLimit = 10 * time.Second

// start brings the parts up in an order in which each can rely on the one before, and returns.
func (d *director) start(ctx context.Context) error {
	select {
	case <-d.table.Ready():
	case <-ctx.Done():
		return nil
	}
	if st := d.table.State(); st.Err != nil && len(d.cfg.Services) > 0 {
		return &startError{fmt.Errorf("read the kernel's IPVS table: %w", st.Err)}
	}
	before, err := d.recall()
	if err != nil {
		d.record(observe.Event{Kind: "process", Object: "director", Reason: "state-lost", Message: err.Error(), Warn: true})
	}
	found := carriedBy(d.table.State().Table)
	pools, checks, err := newPools(d.cfg, before, found, nil)
	if err != nil {
		return &startError{err}
	}
	d.tally.lay(checks)
	if err := d.checker.Update(ctx, checks); err != nil {
		return startOrStop(ctx, err)
	}
	if err := d.do(ctx, func() {
		d.pools, d.checks, d.found, d.owned = pools, checks, found, before.Owned
		d.drains, d.orders = before.Drains.except(destinations(d.cfg.Services)), before.Orders.onlyOf(d.cfg)
		d.beginToTell(before)
		d.apply()
	}); err != nil {
		return nil
	}

	if err := d.joinPeers(ctx, checks); err != nil {
		return &startError{err}
	}
	if err := d.tracks.set.Update(ctx, d.cfg.Instances); err != nil {
		return startOrStop(ctx, err)
	}

	// What is impossible is said at once, not after the first health checks.
	cfg := d.cfg
	if _, err := d.elector.prepare(ctx, cfg); err != nil {
		return startOrStop(ctx, err)
	}
	d.notify.Status("waiting for the first health checks")
	d.awaitFirstRound(ctx)
	d.awaitTracks(ctx)
	if _, err := d.table.Sync(ctx); err != nil && ctx.Err() == nil {
		d.record(observe.Event{Kind: "table", Object: "table", Reason: "not-in-sync", Message: err.Error(), Warn: true})
	}
	if err := d.configure(ctx, cfg); err != nil {
		return startOrStop(ctx, err)
	}
	_ = d.do(ctx, func() {
		d.owned = nil // the reconciler knows; a key that it has given up may be somebody else's some day
		d.wantHash = hashOf(cfg)
		d.record(observe.Event{Kind: "process", Object: "director", Reason: "started", Message: fmt.Sprintf("configuration %.12s of %s is in force", d.cfg.Hash, d.path)})
	})
	if d.freeze(ctx) != nil {
		return nil
	}
	_ = d.do(ctx, func() { d.notify.Ready(d.summary()) })
	d.reloads <- struct{}{} // from now on
	spare()
	d.lookAgain()
	return nil
}

// spare makes this process live on little memory, and lavish lets it be quick with much: while a configuration is read,
// most of what is made stays. Else each result of a check leaves garbage, and nothing grows: to collect it often costs a
// part in a hundred of what checks cost.
func spare() {
	debug.SetGCPercent(10)
	debug.FreeOSMemory()
}

func lavish() { debug.SetGCPercent(100) }

// startOrStop is the outcome of a step of the start that failed: fatal, unless it failed because we stop.
func startOrStop(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return &startError{err}
}

func (d *director) awaitFirstRound(ctx context.Context) {
	limit := time.NewTimer(firstRoundLimit)
	defer limit.Stop()
	select {
	case <-d.checker.Ready():
	case <-limit.C:
		d.record(observe.Event{Kind: "process", Object: "director", Reason: "checks-slow", Message: fmt.Sprintf("not every check had a result within %v; starting all the same", firstRoundLimit), Warn: true})
	case <-ctx.Done():
	}
}

// openKernel opens the kernel's table. A configuration without services needs none.
func openKernel(ctx context.Context, cfg *config.Config) (ipvs.Kernel, error) {
	k, err := kernel.Open(ctx, kernel.Options{})
	switch {
	case err == nil:
		return k, nil
	case errors.Is(err, ipvs.ErrUnavailable) && len(cfg.Services) == 0:
		return noKernel{}, nil
	case errors.Is(err, ipvs.ErrUnavailable):
		return nil, fmt.Errorf("%w; load it with `modprobe ip_vs`, or remove the services from the configuration", err)
	case errors.Is(err, ipvs.ErrPermission):
		return nil, fmt.Errorf("%w; run lbha as root or give it CAP_NET_ADMIN", err)
	}
	return nil, err
}

// noKernel is the table of a host that only moves addresses.
type noKernel struct{}

func (noKernel) List(context.Context) (ipvs.Snapshot, error) { return ipvs.Snapshot{}, nil }

func (noKernel) Apply(_ context.Context, ops []ipvs.Op) error {
	if len(ops) == 0 {
		return nil
	}
	return ipvs.ErrUnavailable
}

func (noKernel) Settings(context.Context) (ipvs.Settings, error) { return ipvs.Settings{}, nil }
func (noKernel) Configure(context.Context, ipvs.Settings) error  { return nil }

// listenMetrics opens the Prometheus listener; an empty address is none.
func listenMetrics(addr string) (net.Listener, error) {
	if addr == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("metrics listener: %w; set global.metrics to a free address", err)
	}
	return l, nil
}

func serveMetrics(ctx context.Context, l net.Listener, status func() *observe.Status) error {
	if l == nil {
		return nil
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(observe.NewCollector(status))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	srv := &http.Server{Handler: mux, ReadTimeout: 5 * time.Second, WriteTimeout: 30 * time.Second, MaxHeaderBytes: 16 << 10}
	stop := context.AfterFunc(ctx, func() { srv.Close() })
	defer stop()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("metrics listener: %w", err)
	}
	return nil
}

// monotonic reads the clock of the elector's instants.
func monotonic() vrrp.Instant {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return vrrp.Instant(ts.Nano())
}

// writer writes files beside the loop: the newest content counts, and a slow disk delays nobody.
type writer struct {
	next chan job
	disk *disk.Worker
}

type job struct {
	path string
	text []byte
}

func newWriter() *writer { return &writer{next: make(chan job, 1), disk: disk.NewWorker()} }

// put replaces what is still to be written.
func (w *writer) put(path string, text []byte) {
	select {
	case <-w.next:
	default:
	}
	select {
	case w.next <- job{path, text}:
	default:
	}
}

// Run writes until ctx ends.
func (w *writer) Run(ctx context.Context) error {
	for {
		select {
		case j := <-w.next:
			// The memory file has it too; the next one may succeed.
			if err := w.write(ctx, j); errors.Is(err, disk.ErrHangs) {
				return nil
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// finish writes what is left when Run has returned.
func (w *writer) finish(ctx context.Context) error {
	select {
	case j := <-w.next:
		return w.write(ctx, j)
	default:
		return w.disk.Do(ctx, func() {}) // when what is being written is
	}
}

func (w *writer) write(ctx context.Context, j job) error {
	var written error
	if err := w.disk.Do(ctx, func() { written = writeFile(j.path, j.text) }); err != nil {
		return fmt.Errorf("%s: %w", j.path, err)
	}
	return written
}
