package ipvs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// passes bounds the rounds of list, compare and apply in one attempt. One round
// is the rule; a second settles a race with another program, and confirms.
const passes = 3

// trusted is how many times as long as a listing takes its result is good for
// changes: with a large table, a storm of changes spends a hundredth of its time
// on listings, and with a small one nobody notices a listing for each. What
// others did meanwhile is found at the next one, or when the kernel refuses.
const trusted = 100

// converge lists, compares and applies until the kernel's table is as wanted. It
// returns the ops that took effect.
func (l *loop) converge(ctx context.Context, how look) (done []Op, err error) {
	var former error
	if how == trust && l.trusts() {
		done, err := l.patch(ctx)
		if err == nil || isFatal(err) {
			return done, err
		}
		// Somebody else was there, or the kernel does not want to: a listing tells.
		rest, err := l.converge(ctx, list)
		return joined(done, rest), err
	}
	for range passes {
		former = err
		snap, urgent, listErr := l.list(ctx, how)
		done = joined(done, urgent)
		if listErr != nil {
			return done, listErr
		}
		if l.want == nil {
			return done, nil
		}
		ops := Diff(l.want.Table, l.owned(snap.Table))
		if len(ops) == 0 {
			l.inSync(snap)
			return done, nil
		}
		var applied, left []Op
		applied, left, err = l.apply(ctx, ops, snap.Table)
		done = joined(done, applied)
		l.note(snap, applied, left)
		switch {
		case isFatal(err):
			l.known = nil // nobody can tell
			return done, err
		case err == nil && how != confirm:
			return done, nil
		case err != nil && former != nil && err.Error() == former.Error():
			return done, err // the kernel means it
		}
	}
	if err == nil {
		err = errors.New("the table is changed by somebody else as fast as it is repaired")
	}
	return done, err
}

// trusts reports whether what is known of the table is young enough to change it without another look.
func (l *loop) trusts() bool {
	return l.want != nil && l.known != nil && l.failures == 0 && time.Since(l.state.Listed) < trusted*l.cost
}

// patch applies what is wanted to the table as it is known, and returns the ops that took effect.
func (l *loop) patch(ctx context.Context) ([]Op, error) {
	l.claim(l.state.Snapshot.Table)
	ops := Diff(l.want.Table, l.owned(l.state.Snapshot.Table))
	done, left, err := l.apply(ctx, ops, l.state.Snapshot.Table)
	l.note(l.state.Snapshot, done, left)
	if isFatal(err) {
		l.known = nil // nobody can tell
	}
	return done, err
}

// joined returns a and then b. It may be one of them, if the other is empty: nobody changes lists of ops.
func joined(a, b []Op) []Op {
	switch {
	case len(a) == 0:
		return b
	case len(b) == 0:
		return a
	}
	return slices.Concat(a, b)
}

// isFatal reports whether an error concerns more than single ops.
func isFatal(err error) bool {
	_, refused := errors.AsType[*ApplyError](err)
	return err != nil && !refused
}

// list reads the table and tells what others did to it since. A want that comes meanwhile does not wait for it, see overtake:
// done are the ops that it led to, all before the listing.
func (l *loop) list(ctx context.Context, how look) (snap Snapshot, done []Op, err error) {
	begin := time.Now()
	snap, urgent, err := l.overtake(ctx)
	if urgent != nil {
		former := l.toWant
		l.adopt(*urgent)
		if how == confirm {
			l.toWant = former // somebody waits to hear of them
		}
		if done, err = l.patch(ctx); isFatal(err) {
			return Snapshot{}, done, err
		}
		l.cause = CauseDrift // whatever the listing finds
		begin = time.Now()
		snap, err = l.kernel.List(ctx)
	}
	if err != nil {
		l.known = nil
		return Snapshot{}, done, fmt.Errorf("list the table: %w", err)
	}
	l.state.Snapshot, l.state.Listed = snap, time.Now()
	l.cost = l.state.Listed.Sub(begin)
	l.state.Counts.Listings++
	if l.down {
		l.down = false
		l.event(Event{Kind: EventAvailable})
	}
	l.claim(snap.Table)
	l.findDrift(snap.Table)
	l.findForeign(snap.Table)
	return snap, done, nil
}

// claim makes every service ours if that is wanted.
func (l *loop) claim(t Table) {
	if l.want == nil || !l.want.Exclusive {
		return
	}
	for k := range t {
		l.ours[k] = true
	}
}

// findDrift reports what others changed in the services that are ours.
func (l *loop) findDrift(have Table) {
	if l.known == nil {
		return
	}
	ours := make(Table, len(l.known))
	for k := range l.known {
		if p, ok := have[k]; ok {
			ours[k] = p
		}
	}
	if undo := Diff(l.known, ours); len(undo) > 0 {
		l.state.Counts.Drifts++
		l.event(Event{Kind: EventDrift, Cause: CauseDrift, Ops: undo})
	}
	l.known = nil // reported once; known again when this round ends
}

// findForeign reports the services that are not ours.
func (l *loop) findForeign(have Table) {
	if l.want == nil {
		return // what is ours is not known yet
	}
	var foreign, fresh []Key
	for _, k := range have.Keys() {
		if l.ours[k] {
			continue
		}
		foreign = append(foreign, k)
		if !l.reported[k] {
			fresh = append(fresh, k)
		}
	}
	clear(l.reported)
	for _, k := range foreign {
		l.reported[k] = true
	}
	l.state.Foreign = foreign
	if len(fresh) > 0 {
		l.event(Event{Kind: EventForeign, Keys: fresh})
	}
}

// owned returns the part of a table that is ours: t itself, if all of it is.
func (l *loop) owned(t Table) Table {
	all := true
	for k := range t {
		all = all && l.ours[k]
	}
	if all && t != nil {
		return t
	}
	part := make(Table, len(t))
	for k, p := range t {
		if l.ours[k] {
			part[k] = p
		}
	}
	return part
}

// inSync notes that a listing equals what is wanted.
func (l *loop) inSync(snap Snapshot) {
	for k := range l.ours {
		_, wanted := l.want.Table[k]
		_, exists := snap.Table[k]
		if !wanted && !exists {
			delete(l.ours, k) // gone: whoever makes it again owns it
		}
	}
	l.known = l.owned(snap.Table)
	l.state.InSync, l.state.Confirmed = true, l.state.Listed
	l.state.Pending = nil
}

// note notes what was done to a listed table, and what was left.
func (l *loop) note(snap Snapshot, applied, left []Op) {
	l.state.Counts.Applied += uint64(len(applied))
	l.state.Snapshot.Table = snap.Table.After(applied)
	l.state.InSync, l.state.Pending = len(left) == 0, left
	l.known = l.owned(l.state.Snapshot.Table)
	if len(applied) > 0 {
		l.event(Event{Kind: EventApplied, Ops: applied})
	}
}

// apply carries out the ops of a Diff against the table have. It returns those
// that took effect and those that did not, in the order of ops. If the kernel
// refuses to add to a pool, nothing is taken from that pool that would leave it
// without a live server.
func (l *loop) apply(ctx context.Context, ops []Op, have Table) (applied, left []Op, err error) {
	i := 0
	for i < len(ops) && ops[i].phase() <= phaseRaise {
		i++
	}
	applied, left, err = l.write(ctx, ops[:i])
	if isFatal(err) {
		return nil, ops, err
	}
	rest, held := ops[i:], []Op(nil)
	if len(left) > 0 {
		rest, held = hold(rest, left, have.After(applied), l.want.Table)
		if len(held) > 0 {
			l.eventOnce(fmt.Sprint(held), Event{Kind: EventHeld, Ops: held})
		}
	}
	more, refused, err2 := l.write(ctx, rest)
	return joined(applied, more), slices.Concat(left, held, refused), joinRefusals(err, err2)
}

// write has the kernel carry out ops and sorts them by whether it did.
func (l *loop) write(ctx context.Context, ops []Op) (applied, left []Op, err error) {
	if len(ops) == 0 {
		return nil, nil, nil
	}
	err = l.kernel.Apply(ctx, ops)
	if err == nil {
		return ops, nil, nil
	}
	refusals, ok := errors.AsType[*ApplyError](err)
	if !ok {
		return nil, ops, fmt.Errorf("change the table: %w", err)
	}
	l.state.Counts.Refused += uint64(len(refusals.Refused))
	refused := make(map[int]bool, len(refusals.Refused))
	for _, e := range refusals.Refused {
		refused[e.Index] = true
	}
	for i, op := range ops {
		if refused[i] {
			left = append(left, op)
		} else {
			applied = append(applied, op)
		}
	}
	return applied, left, err
}

// joinRefusals makes one error of those of two writes. A fatal one wins.
func joinRefusals(a, b error) error {
	first, ok1 := errors.AsType[*ApplyError](a)
	second, ok2 := errors.AsType[*ApplyError](b)
	switch {
	case ok1 && ok2:
		return &ApplyError{Refused: slices.Concat(first.Refused, second.Refused)}
	case b != nil:
		return b
	}
	return a
}

// hold splits ops into those that may go ahead and those that would take the
// last live server from a pool for which additions were refused.
func hold(ops, refused []Op, have, want Table) (ahead, held []Op) {
	live := map[Key]int{}
	for _, op := range refused {
		if k := op.Key(); want[k].live() > 0 {
			live[k] = have[k].live()
		}
	}
	for _, op := range ops {
		n, guarded := live[op.Key()]
		if !guarded || op.phase() != phaseLower || op.Was.Server.Weight == 0 {
			ahead = append(ahead, op)
		} else if n > 1 {
			live[op.Key()] = n - 1
			ahead = append(ahead, op)
		} else {
			held = append(held, op)
		}
	}
	return ahead, held
}

// configure brings the settings to what is wanted.
func (l *loop) configure(ctx context.Context) error {
	if l.want == nil || l.want.Settings.IsZero() {
		return nil
	}
	have, err := l.kernel.Settings(ctx)
	if err != nil {
		return fmt.Errorf("read the settings: %w", err)
	}
	missing := have.Missing(l.want.Settings)
	if missing.IsZero() {
		return nil
	}
	if err := l.kernel.Configure(ctx, missing); err != nil {
		return fmt.Errorf("change the settings: %w", err)
	}
	l.event(Event{Kind: EventSettings, Settings: missing})
	return nil
}
