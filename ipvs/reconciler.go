package ipvs

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// Want is what a [Reconciler] has to bring about.
type Want struct {
	Table Table
	// Owned are further keys that are ours: those a former process saved. A
	// service that is ours and not in Table is deleted. A key of Table is ours
	// from then on, until its service has been deleted.
	Owned []Key
	// Exclusive makes every service of the kernel ours.
	Exclusive bool
	Settings  Settings
}

// Options of a [Reconciler].
type Options struct {
	// Interval is the time between two looks at the kernel when nothing else
	// asks for one: IPVS does not tell when its table changes. Default 10 s.
	Interval time.Duration
	// Observe is called for each [Event], from the goroutine of Run: it must
	// not block, nor call the Reconciler's Sync or Refresh. May be nil.
	Observe func(Event)
}

const (
	defaultInterval = 10 * time.Second
	firstRetry      = time.Second // doubled with each failure, up to Interval
	freshness       = time.Second // of what Refresh returns
)

// State is what observers see of a [Reconciler]. It is immutable.
type State struct {
	Snapshot            // as last listed, and what was applied since
	Listed    time.Time // when; zero before the first listing
	Confirmed time.Time // when a listing last equalled what is wanted
	InSync    bool      // the kernel holds what is wanted
	Pending   []Op      // what is still to be done: refused, held or not reached
	Foreign   []Key     // services in the table that are not ours
	Owned     []Key     // services that are ours, to be saved for the next process
	Err       error     // of the last attempt; nil if it succeeded
	Counts    Counts
}

// fresh reports whether the state is new enough for [Reconciler.Refresh].
func (s *State) fresh() bool { return s.Err == nil && time.Since(s.Listed) < freshness }

// Counts are totals since the start of a [Reconciler].
type Counts struct {
	Listings uint64 `json:"listings"` // of the kernel's table
	Applied  uint64 `json:"applied"`  // ops that took effect
	Refused  uint64 `json:"refused"`  // ops that the kernel refused
	Drifts   uint64 `json:"drifts"`   // times that a foreign edit was found
	Errors   uint64 `json:"errors"`   // attempts that failed
}

// Report is what [Reconciler.Sync] achieved.
type Report struct {
	Ops   []Op // carried out to get to the wanted table, since it was set
	State *State
}

// ErrStopped is returned to callers that wait for a [Reconciler] whose Run has
// returned.
var ErrStopped = errors.New("ipvs reconciler: stopped")

// Reconciler keeps the kernel's table equal to the table that is wanted. It is
// the only user of its [Kernel]: the goroutine of Run owns it and all state,
// and the other methods, which any goroutine may use, only talk to Run.
type Reconciler struct {
	kernel   Kernel
	options  Options
	wants    chan Want // holds the latest want that Run has not taken yet
	requests chan request
	ready    chan struct{}
	stopped  chan struct{}
	state    atomic.Pointer[State]
}

// request asks Run for an attempt and its result.
type request struct {
	confirm bool // the attempt ends with a listing that equals what is wanted
	reply   chan Report
}

// NewReconciler returns a Reconciler that wants nothing: until the first Set it
// reads the table and changes nothing.
func NewReconciler(k Kernel, o Options) *Reconciler {
	if o.Interval <= 0 {
		o.Interval = defaultInterval
	}
	if o.Observe == nil {
		o.Observe = func(Event) {}
	}
	r := &Reconciler{
		kernel:   k,
		options:  o,
		wants:    make(chan Want, 1),
		requests: make(chan request),
		ready:    make(chan struct{}),
		stopped:  make(chan struct{}),
	}
	r.state.Store(&State{})
	return r
}

// Set makes w wanted from now on. It does not wait. Of several calls in a row
// only the last may take effect. The Reconciler keeps w: the caller does not
// change it any more.
func (r *Reconciler) Set(w Want) {
	for {
		select {
		case r.wants <- w:
			return
		default:
		}
		select {
		case <-r.wants: // replaced by w
		default:
		}
	}
}

// Sync waits until the table that is wanted at the time of the call, or a later
// one, has been applied and a listing of the kernel has confirmed it, or until
// an attempt at it has failed. Run goes on trying after a failure.
func (r *Reconciler) Sync(ctx context.Context) (Report, error) {
	rep, err := r.ask(ctx, true)
	if err != nil {
		return Report{State: r.State()}, err
	}
	return rep, rep.State.Err
}

// Refresh returns a state that was listed at most a second ago, listing the
// table if need be. With an error it returns the last known state.
func (r *Reconciler) Refresh(ctx context.Context) (*State, error) {
	if s := r.State(); s.fresh() {
		return s, nil
	}
	rep, err := r.ask(ctx, false)
	if err != nil {
		return r.State(), err
	}
	return rep.State, rep.State.Err
}

// State returns what is known now. It never blocks and is never nil.
func (r *Reconciler) State() *State { return r.state.Load() }

// Ready is closed after the first attempt to list the table, whatever came of
// it.
func (r *Reconciler) Ready() <-chan struct{} { return r.ready }

// String names the task.
func (r *Reconciler) String() string { return "ipvs reconciler" }

func (r *Reconciler) ask(ctx context.Context, confirm bool) (Report, error) {
	req := request{confirm, make(chan Report, 1)}
	select {
	case r.requests <- req:
	case <-r.stopped:
		return Report{}, ErrStopped
	case <-ctx.Done():
		return Report{}, ctx.Err()
	}
	select {
	case rep := <-req.reply:
		return rep, nil
	case <-r.stopped:
		return Report{}, ErrStopped
	case <-ctx.Done():
		return Report{}, ctx.Err()
	}
}
