package ipvs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Run reconciles until the context ends, and returns its error. It is called
// once.
func (r *Reconciler) Run(ctx context.Context) error {
	defer close(r.stopped)
	l := &loop{Reconciler: r, ours: map[Key]bool{}, reported: map[Key]bool{}, told: map[EventKind]string{}}
	l.take()
	l.attempt(ctx, list)
	close(r.ready)

	timer := time.NewTimer(l.delay())
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case w := <-r.wants:
			l.adopt(w)
			l.attempt(ctx, trust)
		case req := <-r.requests:
			l.take() // a Set before the request counts
			if !req.confirm && r.State().fresh() {
				req.reply <- Report{State: r.State()} // another caller was faster
				continue
			}
			how := list
			if req.confirm {
				how = confirm
			}
			ops := l.attempt(ctx, how)
			if ctx.Err() != nil {
				return ctx.Err() // and the caller gets ErrStopped
			}
			req.reply <- Report{Ops: ops, State: r.State()}
			if req.confirm && l.settled {
				l.toWant = nil // somebody has heard of them, and they may be many
			}
		case <-timer.C:
			l.attempt(ctx, list)
		}
		timer.Reset(l.delay())
	}
}

// loop is what the goroutine of Run owns.
type loop struct {
	*Reconciler
	want     *Want                // nil before the first Set
	cause    Cause                // of the next ops
	ours     map[Key]bool         // services that may be edited and deleted
	reported map[Key]bool         // services of others that were reported
	known    Table                // our part of the kernel's table as we left it; nil if not known
	cost     time.Duration        // of the last listing
	settled  bool                 // the kernel has held what is wanted since the last Set
	toWant   []Op                 // carried out since the last Set, until settled and told
	failures int                  // attempts in a row
	down     bool                 // EventUnavailable was reported, EventAvailable not yet
	told     map[EventKind]string // what is wrong, as last reported
	state    State                // to be published
}

// take adopts a want that waits.
func (l *loop) take() {
	select {
	case w := <-l.wants:
		l.adopt(w)
	default:
	}
}

func (l *loop) adopt(w Want) {
	l.cause = CauseChange
	if l.want == nil {
		l.cause = CauseStartup
	}
	l.want, l.settled, l.toWant = &w, false, nil
	for k := range w.Table {
		l.ours[k] = true
	}
	for _, k := range w.Owned {
		l.ours[k] = true
	}
}

// delay is the time until the next attempt if nothing asks for one. However often something does, the table is listed once an interval.
func (l *loop) delay() time.Duration {
	if l.failures == 0 {
		return max(0, l.options.Interval-time.Since(l.state.Listed))
	}
	return min(firstRetry<<min(l.failures-1, 10), l.options.Interval)
}

// look is how an attempt finds out what the kernel has.
type look int

const (
	trust   look = iota // by the last listing and what was applied since, if that is young for what it cost
	list                // by a listing
	confirm             // by a listing, and another one after every change
)

// attempt brings the kernel to what is wanted and publishes the new state. It
// returns the ops that led to the wanted table since it was set, or, if the
// kernel had it already, those of this attempt.
func (l *loop) attempt(ctx context.Context, how look) []Op {
	// The kernel takes servers of another family than their service's only while no
	// daemon runs, and starts a daemon only without such servers: daemons that are to
	// stop do so before the table changes, others start after it.
	var settingsErr error
	first := l.want != nil && l.want.Settings.Daemons != nil && len(l.want.Settings.Daemons) == 0
	if first {
		settingsErr = l.configure(ctx)
	}
	done, err := l.converge(ctx, how)
	switch {
	case isFatal(err):
		settingsErr = nil // it fails for the same reason: one complaint will do
	case !first:
		settingsErr = l.configure(ctx)
	}
	if ctx.Err() != nil {
		return nil // stopping: what the kernel said then means nothing
	}
	ops := joined(l.toWant, done)
	if !l.settled {
		l.toWant = ops
	}
	l.conclude(err, settingsErr)
	return ops
}

// conclude reports how an attempt went and publishes the state.
func (l *loop) conclude(tableErr, settingsErr error) {
	err := errors.Join(tableErr, settingsErr)
	l.state.Err = err
	if err != nil {
		l.failures++
		l.state.Counts.Errors++
		l.state.InSync = false
		l.complain(tableErr)
		l.complain(settingsErr)
		l.cause = CauseRetry
	} else {
		l.failures = 0
		clear(l.told)
		l.cause = CauseDrift
		l.settled = l.want != nil
	}
	s := l.state
	s.Owned = slices.SortedFunc(maps.Keys(l.ours), Key.Compare)
	l.Reconciler.state.Store(&s)
}

// complain reports a failure.
func (l *loop) complain(err error) {
	if err == nil {
		return
	}
	if errors.Is(err, ErrUnavailable) || errors.Is(err, ErrPermission) {
		l.down = true
		l.eventOnce(err.Error(), Event{Kind: EventUnavailable, Err: err})
		return
	}
	refused, ok := errors.AsType[*ApplyError](err)
	if !ok {
		l.eventOnce(err.Error(), Event{Kind: EventError, Err: err})
		return
	}
	ops := make([]Op, len(refused.Refused))
	for i, e := range refused.Refused {
		ops[i] = e.Op
	}
	l.eventOnce(fmt.Sprint(refused.Unwrap()), Event{Kind: EventRefused, Ops: ops, Err: refused})
}

// eventOnce reports what is wrong when it begins and when it changes, which its
// text tells.
func (l *loop) eventOnce(text string, e Event) {
	if l.told[e.Kind] != text {
		l.told[e.Kind] = text
		l.event(e)
	}
}

func (l *loop) event(e Event) {
	e.Time = time.Now()
	if e.Cause == "" {
		e.Cause = l.cause
	}
	l.options.Observe(e)
}
