package director

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/lbha/lbha/cmd/internal/admin"
	"github.com/lbha/lbha/cmd/internal/disk"
	"github.com/lbha/lbha/cmd/internal/keep"
	"github.com/lbha/lbha/cmd/internal/link"
	"github.com/lbha/lbha/cmd/internal/observe"
	"github.com/lbha/lbha/cmd/internal/peers"
	"github.com/lbha/lbha/cmd/internal/synced"
	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/healthcheck"
	"github.com/lbha/lbha/healthcheck/probe"
	"github.com/lbha/lbha/ipvs"
	"github.com/lbha/lbha/vrrp"
)

const (
	tickPeriod   = time.Second
	journalSize  = 4096
	tableBacklog = 256

	// lastWrites bounds what is written at the end, all together.
	lastWrites = 2 * time.Second
)

// director is the process. Below the line its fields belong to the loop: other goroutines ask by do.
type director struct {
	path      string
	version   string
	log       *slog.Logger
	flush     func() // of the log
	level     *slog.LevelVar
	memory    memory
	notify    *observe.Notifier
	journal   *observe.Journal
	diary     *observe.JournalFile // the same, for the next process
	elector   *elector
	checker   *healthcheck.Checker
	poller    *probe.Poller                    // runs most of its probes; nil: there is none
	tally     tally                            // of its results
	peers     *peers.Channel                   // on which directors tell each other their verdicts
	syncWatch *synced.Watch                    // finds out whether they synchronise connections with each other
	ground    atomic.Pointer[[]observe.Ground] // what was wrong with this host at the last look
	relook    chan struct{}                    // asks for another
	table     *ipvs.Reconciler
	tableless bool // there is no IPVS in this kernel, and no service needed one
	board     board
	calls     chan call
	ended     chan struct{}   // closed when the loop has ended
	changes   chan ipvs.Event // of the table
	signals   chan os.Signal  // HUP and USR1
	reloads   chan struct{}   // holds a token while the configuration in force is not about to change
	started   time.Time
	files     *writer      // writes the state file beside the loop
	reader    *disk.Worker // of the configuration file
	trialKept *disk.Worker // of the trial's file

	// ---
	cfg        *config.Config
	loaded     time.Time
	lastReload *observe.Reload
	trial      trial
	former     *former        // what returns if that ends so; nil: nothing is on trial
	trials     observe.Trials // that ended
	pools      []*pool
	checks     []healthcheck.Check         // of the pools
	paces      map[string]healthcheck.Pace // of the services whose checks do not run as always
	served     map[string]bool             // services whose traffic we send, as the elector was understood last
	found      carried                     // what the kernel's table held when the pools were made
	wanted     ipvs.Table                  // as Desired last said
	drains     drains                      // what stays beside it until its connections have ended
	orders     orders                      // of operators
	teller     *teller                     // nil until it is known what was told
	tracks     *trackers                   // what the instances track
	synced     bool                        // the synchronisation daemons are, or were, ours
	looking    bool                        // somebody reads the connections of what drains
	owned      []ipvs.Key                  // that a former process saved as ours; nil once the reconciler knows
	vrrp       link.State                  // as last heard
	vrrpPID    int
	vrrpHeard  time.Time
	restarts   int
	wantHash   string // of the instances that the elector should have committed; empty: not decided yet
	repairing  bool   // a configuration is on its way to an elector that lost it
	unsaved    bool
	summed     string // as last told to systemd
}

func newDirector(path, version string, begin inForce, log *slog.Logger, level *slog.LevelVar, conn *link.Conn, region *keep.Region, notify *observe.Notifier) *director {
	d := &director{
		path: path, version: version, log: log, level: level, memory: newMemory(region), notify: notify,
		journal: observe.NewJournal(journalSize),
		elector: newElector(conn),
		calls:   make(chan call),
		ended:   make(chan struct{}),
		changes: make(chan ipvs.Event, tableBacklog),
		reloads: make(chan struct{}, 1),
		relook:  make(chan struct{}, 1),
		started: time.Now(),
		files:   newWriter(),
		reader:  disk.NewWorker(), trialKept: disk.NewWorker(),
		orders: orders{},
		tracks: newTrackers(),
		cfg:    begin.Config, loaded: time.Now(), lastReload: begin.Reverted,
	}
	options := healthcheck.Options{OnResult: d.tally.observe}
	var err error
	if d.poller, err = probe.NewPoller(); err == nil {
		options.Starter = d.poller
	} else {
		log.Warn("each probe has a goroutine of its own", "error", err)
	}
	d.checker = healthcheck.NewChecker(options)
	d.peers = peers.New(peers.Options{Status: d.checker.Status, Record: d.record})
	d.syncWatch = newSyncWatch(d)
	d.recallJournal()
	d.resumeTrial(begin)
	return d
}

// errStopping is the outcome of what the loop was asked when it had ended.
var errStopping = errors.New("lbha is stopping")

// call is what somebody asks of the loop.
type call struct {
	f    func()
	done chan<- struct{} // closed when what f did can be seen
}

// do runs f on the loop and waits until observers see what it did.
func (d *director) do(ctx context.Context, f func()) error {
	done := make(chan struct{})
	select {
	case d.calls <- call{f, done}:
	case <-d.ended:
		return errStopping
	case <-ctx.Done():
		return ctx.Err()
	}
	<-done // the loop never stays in a call
	return nil
}

// run is the whole life of the process, with the kernel's table that open gives.
func (d *director) run(ctx context.Context, open func(context.Context, *config.Config) (ipvs.Kernel, error)) error {
	if err := os.MkdirAll(d.cfg.Global.StateDir, 0o750); err != nil {
		return &startError{fmt.Errorf("state directory: %w; create it, or set global.state_dir", err)}
	}
	socket, err := admin.Listen(d.cfg.Global.Control)
	if err != nil {
		return &startError{err}
	}
	metrics, err := listenMetrics(d.cfg.Global.Metrics)
	if err != nil {
		return &startError{err}
	}
	kernel, err := open(ctx, d.cfg)
	if err != nil {
		return &startError{err}
	}
	_, d.tableless = kernel.(noKernel)
	d.table = ipvs.NewReconciler(kernel, ipvs.Options{Observe: d.observeTable})
	d.publish()
	err = together(ctx,
		d.elector, d.checker, runs(d.poll), d.table, d.files, d.diary, d.tracks.set, d.peers, d.syncWatch,
		runs(d.loop),
		runs(d.finishTelling),
		runs(d.start),
		runs(d.lookAround),
		runs(thrift),
		runs(func(ctx context.Context) error { return admin.Serve(ctx, socket, d, d.log) }),
		runs(func(ctx context.Context) error { return serveMetrics(ctx, metrics, d.Status) }),
	)
	last, cancel := context.WithTimeout(context.Background(), lastWrites)
	defer cancel()
	// First what a successor needs.
	if writeErr := d.files.finish(last); writeErr != nil {
		d.log.Warn("the state was not written; what the next lbha does not find in the kernel waits for its health check", "error", writeErr)
	}
	if writeErr := d.diary.Finish(last); writeErr != nil {
		d.log.Warn("the end of the journal was not written", "error", writeErr)
	}
	return err
}

// poll collects the answers of probes.
func (d *director) poll(ctx context.Context) error {
	if d.poller == nil {
		return nil
	}
	return d.poller.Run(ctx)
}

// observeTable takes the reconciler's events to the loop. Under a flood the journal loses some; the table does not.
func (d *director) observeTable(ev ipvs.Event) {
	select {
	case d.changes <- ev:
	default:
	}
}

// loop owns the state.
func (d *director) loop(ctx context.Context) error {
	tick := time.NewTicker(tickPeriod)
	defer tick.Stop()
	defer close(d.ended)
	defer d.save()
	verdicts := d.checker.Changes()
	var rested <-chan time.Time
	var gather gathering
	messages := d.elector.messages
	for {
		var done chan<- struct{} // to be closed after this round; nil: nobody waits for it
		select {
		case <-ctx.Done():
			for m := range d.elector.messages { // its last words
				d.onElector(ctx, m)
			}
			return nil
		case c := <-d.calls:
			c.f()
			done = c.done
		case changes, ok := <-verdicts:
			if !ok {
				verdicts = nil
				continue
			}
			begin := time.Now()
			d.onVerdicts(changes)
			if rest := gather.rest(time.Since(begin), time.Now()); rest > 0 {
				verdicts, rested = nil, time.After(rest) // they gather meanwhile
			}
		case <-rested:
			verdicts, rested = d.checker.Changes(), nil
		case m, ok := <-messages:
			if !ok {
				messages = nil
				continue
			}
			d.onElector(ctx, m)
		case ev := <-d.changes:
			d.onTable(ev)
		case <-d.tracks.set.Changed():
			d.lookAtTracks(time.Now())
		case <-d.tracks.again.C:
			d.lookAtTracks(time.Now())
		case sig := <-d.signals:
			d.onSignal(ctx, sig)
		case <-tick.C:
			d.notify.Pet()
			if d.unsaved || d.teller.unsaved() {
				d.save()
			}
			d.tellSummary()
			d.expire(time.Now())
			d.endTrial(ctx)
			d.warmUp()
			d.lookAtTracks(time.Now())
			d.lookAfterDrains(ctx)
		}
		d.publish()
		if done != nil {
			close(done)
		}
	}
}

func (d *director) onSignal(ctx context.Context, sig os.Signal) {
	if sig == syscall.SIGUSR1 {
		d.logStatus()
		return
	}
	go func() { // the loop must go round for it
		_, _ = d.Reload(ctx, admin.ReloadRequest{}) // it reports itself
	}()
}

// onElector takes up what the VRRP process says.
func (d *director) onElector(ctx context.Context, m link.Message) {
	d.teller.hear(&m)
	switch {
	case m.Happened != nil:
		h := m.Happened
		message := h.Message
		if h.Repeated > 0 {
			message += fmt.Sprintf(" (and %d more)", h.Repeated)
		}
		d.record(observe.Event{Time: wall(h.At), Kind: h.Kind, Object: h.Instance, Reason: h.Reason, Message: message, Warn: h.Warn})
	case m.State != nil:
		if d.vrrpPID != 0 && m.State.PID != d.vrrpPID {
			d.restarts++
			d.record(observe.Event{Kind: "process", Object: "vrrp", Reason: "restarted", Message: fmt.Sprintf("the VRRP process returned as %d", m.State.PID), Warn: true})
		}
		d.vrrpPID, d.vrrpHeard, d.vrrp = m.State.PID, time.Now(), *m.State
		d.takeOver(ctx)
		d.pace()
		d.lookAtTracks(time.Now())
		if d.wantHash != "" && m.State.Hash != d.wantHash && !d.repairing {
			d.repair(ctx)
		}
	}
}

// repair gives its configuration to an elector that has another one, or none. What was heard of it may be older than
// the reload that is just ending: it counts only when that is over.
func (d *director) repair(ctx context.Context) {
	d.repairing = true
	go func() {
		select {
		case <-d.reloads:
		case <-ctx.Done():
			return
		}
		defer func() { d.reloads <- struct{}{} }()
		var cfg *config.Config
		needed := false
		if d.do(ctx, func() { cfg, needed = d.cfg, d.vrrp.Hash != d.wantHash }) != nil {
			return
		}
		var err error
		if needed {
			err = d.configure(ctx, cfg)
		}
		_ = d.do(ctx, func() {
			d.repairing = false
			if err != nil {
				d.record(observe.Event{Kind: "process", Object: "vrrp", Reason: "not-configured", Message: err.Error(), Warn: true})
			}
		})
	}()
}

// configure makes the elector prepare and commit. One that died between the two is asked again.
func (d *director) configure(ctx context.Context, cfg *config.Config) (err error) {
	for range 2 {
		var generation uint64
		if generation, err = d.elector.prepare(ctx, cfg); err != nil {
			return err
		}
		if err = d.elector.commit(ctx, generation); err == nil {
			return d.do(ctx, d.repeatTracks)
		}
	}
	return err
}

// save writes what a successor needs.
func (d *director) save() {
	d.unsaved = false
	if d.pools == nil {
		return // what a former process saved has not been taken up yet
	}
	s := saved{Boot: bootID(), Owned: d.table.State().Owned, Verdicts: d.checker.Saved(), Drains: d.drains, Orders: maps.Clone(d.orders), Told: d.teller.told()}
	text, err := json.Marshal(s)
	if err != nil {
		panic(fmt.Sprintf("director: what is saved is not JSON: %v", err)) // its types are ours
	}
	if err := d.memory.state.SaveText(text); err != nil {
		d.cannotSave(err)
	}
	d.files.put(filepath.Join(d.cfg.Global.StateDir, stateFile), text)
}

// recallJournal begins with what a former process wrote of its journal, and goes on in the same file.
func (d *director) recallJournal() {
	dir := d.cfg.Global.StateDir
	events, err := observe.ReadJournal(dir, journalSize)
	d.journal.Restore(events)
	d.diary = observe.NewJournalFile(dir, d.journal, d.record)
	if err != nil {
		d.record(observe.Event{Kind: "process", Object: "journal", Reason: "not-read", Message: err.Error(), Warn: true})
	}
}

// record puts an event into journal and log.
func (d *director) record(e observe.Event) {
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	e = d.journal.Add(e)
	d.diary.Wake()
	level := slog.LevelInfo
	if e.Warn {
		level = slog.LevelWarn
	}
	d.log.Log(context.Background(), level, e.Message, "event", e.Kind, "object", e.Object, "reason", e.Reason)
}

// wall is an instant of the monotonic clock as a time of day, for people.
func wall(at vrrp.Instant) time.Time {
	if at == 0 {
		return time.Time{}
	}
	return time.Now().Add(-monotonic().Sub(at))
}
