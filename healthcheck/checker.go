package healthcheck

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"
)

// ErrStopped is returned by [Checker.Update] when Run has ended.
var ErrStopped = errors.New("checker has stopped")

// Options of a [Checker]. The zero value is good.
type Options struct {
	// Concurrency is the number of probes that may run at once; 0: 4096. With
	// all servers silent, checks × timeout ÷ interval are needed.
	Concurrency int
	// OnResult, if set, is told every result of every check, in order, on the
	// Checker's own goroutine: it must return at once and not call the Checker.
	OnResult func(id string, r Result)
	// Starter, if set, is asked to run a probe before a goroutine is.
	Starter Starter
}

// A Change is a verdict that became another one or, where From and To are one, another
// weight that the server said of itself: that of Cause.
type Change struct {
	ID       string
	From, To Verdict
	Reason   Reason
	Cause    Result // the result that decided
	At       time.Time
}

// A Status is an immutable picture of one check.
type Status struct {
	ID     string
	Target string
	Spec   Spec
	State
}

// Stats are counters and gauges of a [Checker] since it was made.
type Stats struct {
	Checks    int           // checks
	Probes    int           // distinct probes among them
	Running   int           // probes that run now
	Lingering int           // probes that ran past their deadline and have not returned
	Started   uint64        // probes started
	Skipped   uint64        // starts skipped because the director stalled
	Late      uint64        // failures that did not count because the director was late
	Lateness  time.Duration // the worst lateness of the scheduler
	Lag       time.Duration // its lateness of late; timeouts are that much longer, from 20 ms on
}

// A Checker owns all checks of a director: see the package comment. Its methods
// may be called from any goroutine.
type Checker struct {
	options Options

	updates  chan update
	paces    chan map[string]Pace // the newest, if the loop has not taken it yet
	told     chan *handover
	outcomes outcomes
	changes  chan []Change
	stopped  chan struct{}
	ready    chan struct{}
	running  atomic.Bool // Run was called

	index atomic.Pointer[index]
	stats counters
}

// counters are written by the loop and read by anyone.
type counters struct {
	checks, probes, running, lingering atomic.Int64
	started, skipped, late             atomic.Uint64
	lateness, lag                      atomic.Int64
}

// An index is the immutable list of checks, by ID, for observers. What is known of each
// changes as results come in.
type index map[string]*member

// update is a set of checks on its way to the loop.
type update struct {
	set  []Check
	done chan struct{}
}

// NewChecker returns a Checker without checks, to be driven by [Checker.Run].
func NewChecker(o Options) *Checker {
	if o.Concurrency <= 0 {
		o.Concurrency = 4096
	}
	c := &Checker{
		options:  o,
		updates:  make(chan update),
		paces:    make(chan map[string]Pace, 1),
		told:     make(chan *handover),
		outcomes: outcomes{wake: make(chan struct{}, 1)},
		changes:  make(chan []Change),
		stopped:  make(chan struct{}),
		ready:    make(chan struct{}),
	}
	c.index.Store(&index{})
	return c
}

// Run runs the checks until ctx ends, and returns when the last probe has. The
// result is nil, unless a prober ignored the end of its context. Run is called
// once.
func (c *Checker) Run(ctx context.Context) error {
	if !c.running.CompareAndSwap(false, true) {
		return errors.New("checker: Run called twice")
	}
	defer close(c.changes)
	defer close(c.stopped)
	return newLoop(ctx, c).run(ctx)
}

// Update makes set the checks that run. When it returns nil they all have a
// [Status]. Checks of the same ID keep their state, and their schedule if probe
// and timing are the same. An invalid set changes nothing. The Checker keeps set: the
// caller does not change it any more. It waits for Run.
func (c *Checker) Update(ctx context.Context, set []Check) error {
	seen := make(map[string]bool, len(set))
	for i := range set {
		if err := set[i].validate(); err != nil {
			return err
		}
		if seen[set[i].ID] {
			return fmt.Errorf("check %s: there are two of this ID", set[i].ID)
		}
		seen[set[i].ID] = true
	}
	u := update{set: set, done: make(chan struct{})}
	select {
	case c.updates <- u:
	case <-ctx.Done():
		return ctx.Err()
	case <-c.stopped:
		return ErrStopped
	}
	<-u.done // the loop has it and blocks on nothing
	return nil
}

// SetPaces says how often the checks of each group run from now on; a group that is
// not named runs as always. It does not wait. Checks that were slower or off and run
// as always again start anew within half a second, and one whose results contradict
// its verdict is asked in quick succession until it is sure: the verdicts that a
// standby has kept stand until then. SetPaces is called from one goroutine.
func (c *Checker) SetPaces(paces map[string]Pace) {
	select {
	case <-c.paces: // never taken, and now old
	default:
	}
	c.paces <- maps.Clone(paces)
}

// Changes returns the channel of changes, in order, in batches: all that
// happened since the last receive. A reader that is slow blocks nobody. The
// channel is closed when Run ends. The verdict that a check starts with is no
// change: it is in its Status when Update returns.
func (c *Checker) Changes() <-chan []Change { return c.changes }

// Ready returns a channel that is closed when, after the first update, each check
// has had a result.
func (c *Checker) Ready() <-chan struct{} { return c.ready }

// String returns the name of the task.
func (c *Checker) String() string { return "health checks" }

// Verdict returns the verdict of a check; unknown if there is no such check.
func (c *Checker) Verdict(id string) Verdict {
	m := (*c.index.Load())[id]
	if m == nil {
		return Unknown
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.tracker.verdict
}

// Status returns the picture of one check.
func (c *Checker) Status(id string) (Status, bool) {
	if m := (*c.index.Load())[id]; m != nil {
		return m.status(), true
	}
	return Status{}, false
}

// Snapshot returns the pictures of all checks, ordered by ID.
func (c *Checker) Snapshot() []Status {
	x := *c.index.Load()
	out := make([]Status, 0, len(x))
	for _, id := range slices.Sorted(maps.Keys(x)) {
		out = append(out, x[id].status())
	}
	return out
}

// Saved returns what is to survive a restart, by ID.
func (c *Checker) Saved() map[string]Saved {
	x := *c.index.Load()
	out := make(map[string]Saved, len(x))
	for id, m := range x {
		out[id] = m.saved()
	}
	return out
}

// Stats returns counters and gauges.
func (c *Checker) Stats() Stats {
	s := &c.stats
	return Stats{
		Checks:    int(s.checks.Load()),
		Probes:    int(s.probes.Load()),
		Running:   int(s.running.Load()),
		Lingering: int(s.lingering.Load()),
		Started:   s.started.Load(),
		Skipped:   s.skipped.Load(),
		Late:      s.late.Load(),
		Lateness:  time.Duration(s.lateness.Load()),
		Lag:       time.Duration(s.lag.Load()),
	}
}
