package healthcheck

import (
	"context"
	"errors"
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
}

// A Change is a verdict that became another one.
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
	Late      uint64        // timeouts that did not count because the director was late
	Lateness  time.Duration // the worst lateness of the scheduler
}

// A Checker owns all checks of a director. See the package comment.
type Checker struct{}

// NewChecker returns a Checker without checks, to be driven by [Checker.Run].
func NewChecker(o Options) *Checker { return &Checker{} }

// Run runs the checks until ctx ends, and returns nil then, when the last probe
// has returned.
func (c *Checker) Run(ctx context.Context) error { return nil }

// Update makes set the checks that run. When it returns nil they all have a
// [Status]. Checks of the same ID keep their state, and their schedule if probe
// and timing are the same. An invalid set changes nothing. It waits for Run.
func (c *Checker) Update(ctx context.Context, set []Check) error { return nil }

// Changes returns the channel of changes, in order, in batches: all that
// happened since the last receive. A reader that is slow blocks nobody. The
// channel is closed when Run ends. The verdict that a check starts with is no
// change: it is in its Status when Update returns.
func (c *Checker) Changes() <-chan []Change { return nil }

// Ready returns a channel that is closed when each check of the first update
// has had its first result.
func (c *Checker) Ready() <-chan struct{} { return nil }

// String returns the name of the task.
func (c *Checker) String() string { return "health checks" }

// Verdict returns the verdict of a check; unknown if there is no such check.
func (c *Checker) Verdict(id string) Verdict { return Unknown }

// Status returns the picture of one check.
func (c *Checker) Status(id string) (Status, bool) { return Status{}, false }

// Snapshot returns the pictures of all checks, ordered by ID.
func (c *Checker) Snapshot() []Status { return nil }

// Saved returns what is to survive a restart, by ID.
func (c *Checker) Saved() map[string]Saved { return nil }

// Stats returns counters and gauges.
func (c *Checker) Stats() Stats { return Stats{} }
