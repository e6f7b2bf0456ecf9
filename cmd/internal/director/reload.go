package director

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/lbha/lbha/cmd/internal/admin"
	"github.com/lbha/lbha/cmd/internal/observe"
	"github.com/lbha/lbha/healthcheck"
)

const (
	// verifyTimeout bounds the comparison with the kernel after a reload.
	verifyTimeout = 30 * time.Second
	// reloadTimeout bounds a whole reload. Its steps have their own, tighter bounds.
	reloadTimeout = 90 * time.Second
	// spareAfter is how long after a reload its memory is given back: not while the answer, and the first verdicts on new
	// servers, are on their way.
	spareAfter = time.Second
)

// Reload reads the configuration again and puts it in force, or leaves everything as it was. It implements
// admin.Backend; SIGHUP comes here too.
func (d *director) Reload(ctx context.Context, req admin.ReloadRequest) (*admin.ReloadResult, error) {
	by := admin.Caller(ctx)
	apply := func(ctx context.Context) *admin.ReloadResult { return d.reload(ctx, req, by) }
	return d.change(ctx, apply, func(r *admin.ReloadResult) {
		d.lastReload = &observe.Reload{Time: time.Now(), OK: r.OK, Applied: r.Applied, Error: r.Error}
		d.record(reloadEvent(r))
	})
}

// alone waits until nobody changes the configuration in force, and keeps others from it until free is called.
func (d *director) alone(ctx context.Context) (free func(), err error) {
	select {
	case <-d.reloads:
		return func() { d.reloads <- struct{}{} }, nil
	case <-d.ended:
		return nil, errStopping
	case <-ctx.Done():
		return nil, errors.New("another reload, or the start, is under way")
	}
}

// change has apply change the configuration in force, alone, and then tell, on the loop, what has come of it.
func (d *director) change(ctx context.Context, apply func(context.Context) *admin.ReloadResult, tell func(*admin.ReloadResult)) (*admin.ReloadResult, error) {
	free, err := d.alone(ctx)
	if err != nil {
		return nil, err
	}
	defer free()
	// Whoever asked may go away in the middle: that is no reason to stop there.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), reloadTimeout)
	defer cancel()
	lavish()
	defer func() { time.AfterFunc(spareAfter, spare) }()
	d.notify.Reloading()
	result := apply(ctx)
	_ = d.do(context.WithoutCancel(ctx), func() {
		result.Hash, result.Trial = d.cfg.Hash, trialStatus(d.trial, d.former)
		tell(result)
		d.notify.Ready(d.summary())
	})
	return result, nil
}

func reloadEvent(r *admin.ReloadResult) observe.Event {
	e := observe.Event{Kind: "reload", Object: "reload", Reason: "reloaded", Message: fmt.Sprintf("configuration %.12s is in force, %s", r.Hash, changes(r))}
	switch {
	case r.Applied && !r.OK:
		e.Reason, e.Warn = "not-verified", true
		e.Message = fmt.Sprintf("configuration %.12s is in force, but %s", r.Hash, r.Error)
	case !r.OK:
		e.Reason, e.Warn = "refused", true
		e.Message = "configuration unchanged: " + r.Error + theFirst(r.Diagnostics)
	}
	if r.Applied && r.Trial != nil {
		if r.OK {
			e.Reason = "on-trial"
		}
		e.Message += fmt.Sprintf("; it is on trial: %.12s returns unless `lbha confirm` comes within %v", r.Trial.Former, r.Trial.Within)
	}
	if r.Applied {
		e.Message += theFirst(r.Warnings)
	}
	return e
}

// theFirst are as many of the lines as a message holds.
func theFirst(lines []string) (text string) {
	const most = 3
	for _, line := range lines[:min(len(lines), most)] {
		text += "; " + line
	}
	if more := len(lines) - most; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return text
}

func changes(r *admin.ReloadResult) string {
	if len(r.Changes) == 1 {
		return "1 change"
	}
	return fmt.Sprintf("%d changes", len(r.Changes))
}

// refused is the outcome of a change that was not made.
func refused(err error) *admin.ReloadResult {
	var r *refusal
	if errors.As(err, &r) {
		return &admin.ReloadResult{Error: r.reason, Diagnostics: r.diagnostics, Changes: []admin.Change{}}
	}
	return &admin.ReloadResult{Error: err.Error(), Changes: []admin.Change{}}
}

func (d *director) reload(ctx context.Context, req admin.ReloadRequest, by string) *admin.ReloadResult {
	if req.Confirm != 0 && (req.Confirm < admin.MinConfirm || req.Confirm > admin.MaxConfirm) {
		return refused(fmt.Errorf("the time for the confirmation is %v; want 1s to 24h", req.Confirm))
	}
	var busy error
	if err := d.do(ctx, func() { busy = d.onTrial() }); err != nil || busy != nil {
		return refused(errors.Join(err, busy))
	}
	c, err := d.consider(ctx, req.Path)
	if err != nil {
		return refused(err)
	}
	if req.Expect != "" && req.Expect != c.old.Hash {
		return refused(&refusal{reason: fmt.Sprintf("the configuration in force is %.12s, not the expected %.12s", c.old.Hash, req.Expect)})
	}
	return d.put(ctx, c, func() {
		if req.Confirm > 0 && c.cfg.Hash != c.old.Hash {
			d.beginTrial(c, req.Confirm, by)
		}
	})
}

// put puts a candidate in force, or leaves everything as it was. In the moment in which it comes in force the loop calls
// committed, still with the orders of before.
func (d *director) put(ctx context.Context, c *candidate, committed func()) *admin.ReloadResult {
	result := &admin.ReloadResult{OK: true, Warnings: texts(c.cfg.Warnings), Changes: planned(c.plan)}

	// Prepare in both processes, then commit in both. Until the elector has committed, all of it can be undone.
	peers, err := d.peers.Prepare(c.cfg.Global.Peers)
	if err != nil {
		return refused(err)
	}
	defer func() {
		if !result.Applied {
			peers.Abandon()
		}
	}()
	moved := hashOf(c.cfg) != hashOf(c.old)
	var generation uint64
	if moved {
		if generation, err = d.elector.prepare(ctx, c.cfg); err != nil {
			return refused(fmt.Errorf("VRRP: %w", err))
		}
	}
	d.tally.lay(c.checks) // new servers are asked at once, and may answer before Update has returned
	if err := d.checker.Update(ctx, c.checks); err != nil {
		return refused(errors.Join(fmt.Errorf("health checks: %w", err), d.restoreChecks(ctx, c.before)))
	}
	// Before the elector moves anything there is somebody to tell of it, and what is tracked from then on is looked at.
	d.teller.herald.Update(c.cfg.Instances)
	err = d.tracks.set.Update(ctx, slices.Concat(c.old.Instances, c.cfg.Instances))
	if err == nil && moved {
		err = d.elector.commit(ctx, generation)
	}
	if err != nil {
		d.teller.herald.Update(c.old.Instances)
		return refused(errors.Join(fmt.Errorf("VRRP: %w", err), d.tracks.set.Update(ctx, c.old.Instances), d.restoreChecks(ctx, c.before)))
	}
	err = d.do(ctx, func() {
		inherit(c.pools, d.pools)
		d.drains = d.drains.changeTo(c.differing(c.cfg), c.differing(c.old), d.wanted, time.Now())
		d.lastReload = &observe.Reload{Time: time.Now(), OK: true, Applied: true} // until it is told how it ended
		committed()
		d.orders = d.orders.onlyOf(c.cfg)
		d.disown(c.same)
		d.cfg, d.pools, d.checks, d.found, d.loaded = c.cfg, c.pools, c.checks, c.found, time.Now()
		d.wantHash = hashOf(c.cfg)
		d.level.Set(c.cfg.Global.Log.Level)
		d.tracks.sent = time.Time{}
		d.applyOf(func(service string) bool { return c.same[service] == nil })
		d.pace()
	})
	if err != nil {
		return refused(err) // we are stopping
	}
	result.Applied = true
	if err := d.freeze(ctx); err != nil {
		result.OK, result.Error = false, err.Error() // we are stopping
		return result
	}
	peers.Commit(ctx, c.cfg.Global.Name, c.checks)
	d.lookAgain()

	verify, cancel := context.WithTimeout(ctx, verifyTimeout)
	defer cancel()
	report, err := d.table.Sync(verify)
	for _, op := range report.Ops {
		result.Changes = append(result.Changes, admin.Change{Kind: "table", Text: op.String()})
	}
	if err != nil {
		result.OK = false
		result.Error = "the kernel's table is not as it says: " + err.Error()
	}
	return result
}

// disown takes the virtual services of all pools but the same out of the wanted table: what becomes of them, if anything,
// is to be worked out anew.
func (d *director) disown(same map[string]*pool) {
	d.wanted = maps.Clone(d.wanted) // which is the reconciler's
	for _, p := range d.pools {
		if same[p.service.Name] != nil {
			continue
		}
		for _, key := range p.service.Keys {
			delete(d.wanted, key)
		}
	}
}

// restoreChecks goes back to the checks of the configuration that stays in force, with the verdicts that they had.
func (d *director) restoreChecks(ctx context.Context, before map[string]healthcheck.Saved) error {
	var checks []healthcheck.Check
	if err := d.do(ctx, func() { checks = slices.Clone(d.checks) }); err != nil {
		return err
	}
	for i := range checks {
		checks[i].Saved, checks[i].Adopted = nil, false
		if v, ok := before[checks[i].ID]; ok {
			checks[i].Saved = &v
		}
	}
	if err := d.checker.Update(ctx, checks); err != nil {
		return fmt.Errorf("and the former health checks could not be restored: %w", err)
	}
	d.tally.lay(checks)
	return nil
}

// inherit gives pools what was said last of the same services.
func inherit(pools, from []*pool) {
	last := make(map[string]*pool, len(from))
	for _, p := range from {
		last[p.service.Name] = p
	}
	for _, p := range pools {
		if old := last[p.service.Name]; old != nil {
			p.outcomes = old.outcomes
		}
	}
}
