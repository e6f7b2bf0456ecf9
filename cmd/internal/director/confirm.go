package director

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lbha/lbha/cmd/internal/admin"
	"github.com/lbha/lbha/cmd/internal/observe"
	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/vrrp"
)

// former is what returns unless the configuration in force is confirmed, and all that a successor of this process has to
// know of the trial. It is not changed once it is made.
type former struct {
	Config   *config.Config `json:"config"`
	Orders   orders         `json:"orders,omitempty"` // for servers that the configuration on trial does not have
	Trial    string         `json:"trial"`            // hash of the configuration on trial
	By       string         `json:"by,omitempty"`
	Since    time.Time      `json:"since"`
	Within   time.Duration  `json:"within"`
	Boot     string         `json:"boot"` // of which the deadline is
	Deadline vrrp.Instant   `json:"deadline"`
}

// beginTrial puts the configuration that comes in force on trial. It runs on the loop, before what is the former
// configuration's is forgotten.
func (d *director) beginTrial(c *candidate, within time.Duration, by string) {
	old := *c.old
	old.Warnings = nil // were told
	d.former = &former{
		Config: &old, Orders: d.orders.except(d.orders.onlyOf(c.cfg)), Trial: c.cfg.Hash,
		By: by, Since: time.Now(), Within: within, Boot: bootID(), Deadline: monotonic().Add(within),
	}
	d.trial.begin(d.former.Deadline)
}

// resumeTrial takes up the trial that a former process left. A configuration that was read from its file is that of a daemon
// that was started: with the one on trial the trial goes on, for a start is no confirmation; with another one somebody has
// decided otherwise.
func (d *director) resumeTrial(begin inForce) {
	f := begin.Former
	if begin.read {
		var err error
		if f, err = trialIn(begin.Config.Global.StateDir); err != nil {
			d.record(observe.Event{Kind: "reload", Object: "reload", Reason: "trial-lost", Message: err.Error(), Warn: true})
		}
	}
	switch {
	case f == nil, f.Boot != bootID():
	case f.Trial != begin.Config.Hash:
		d.record(observe.Event{Kind: "reload", Object: "reload", Reason: "trial-void", Warn: true,
			Message: fmt.Sprintf("configuration %.12s was on trial; lbha was started with %.12s, which stays", f.Trial, begin.Config.Hash)})
	default:
		d.former = f
		d.trial.begin(f.Deadline)
		d.record(observe.Event{Kind: "reload", Object: "reload", Reason: "on-trial", Message: fmt.Sprintf("configuration %.12s is on trial, as before: %.12s returns unless `lbha confirm` comes within %v",
			f.Trial, f.Config.Hash, d.trial.left(monotonic()).Round(time.Second))})
	}
}

// Confirm keeps the configuration on trial, or goes back to the former one at once. It implements admin.Backend.
func (d *director) Confirm(ctx context.Context, req admin.ConfirmRequest) (*admin.ReloadResult, error) {
	who := cmp.Or(admin.Caller(ctx), "somebody")
	var f *former
	var err error
	result := &admin.ReloadResult{OK: true, Applied: true, Changes: []admin.Change{}}
	if doErr := d.do(ctx, func() {
		if f = d.former; req.Revert {
			err = d.trial.revert()
		} else if err = d.trial.confirm(monotonic()); err == nil {
			d.former, result.Hash = nil, d.cfg.Hash
			d.trials.Confirmed++
			d.lastReload = &observe.Reload{Time: time.Now(), OK: true, Applied: true} // one refused because of the trial is settled
			d.record(observe.Event{Kind: "reload", Object: "reload", Reason: "confirmed", Message: fmt.Sprintf("configuration %.12s stays: %s confirmed it", d.cfg.Hash, who)})
		}
	}); errors.Join(doErr, err) != nil {
		return nil, errors.Join(doErr, err)
	}
	// It is decided: whoever asked may go.
	ctx = context.WithoutCancel(ctx)
	if req.Revert {
		return d.takeBack(ctx, f, who+" took it back")
	}
	free, err := d.alone(ctx)
	if err == nil {
		defer free()
		err = d.freeze(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("confirmed, but a director that is started again may not know: %w", err)
	}
	return result, nil
}

// endTrial begins to take a configuration back whose time is over.
func (d *director) endTrial(ctx context.Context) {
	if !d.trial.expire(monotonic()) {
		return
	}
	f := d.former
	go func() { // the loop must go round for it
		_, _ = d.takeBack(ctx, f, fmt.Sprintf("nobody confirmed it within %v", f.Within)) // it reports itself
	}()
}

// takeBack puts the former configuration in force again: the trial has decided so, and is over when that is done. It is a
// reload like any other, but for where the configuration comes from.
func (d *director) takeBack(ctx context.Context, f *former, why string) (*admin.ReloadResult, error) {
	otherwise := ""
	apply := func(ctx context.Context) *admin.ReloadResult {
		c, err := d.compare(ctx, f.Config)
		if err != nil {
			return refused(err)
		}
		if cfg, err := d.read(ctx, d.path); err != nil || cfg.Hash != f.Config.Hash {
			otherwise = d.path
		}
		return d.put(ctx, c, func() {
			for name, o := range f.Orders {
				d.orders[name] = o // no other can be there: its server was not
			}
			d.former = nil
			d.trial.reverted()
			d.lastReload.Reverted, d.lastReload.File = why, otherwise // a successor tells it, too
		})
	}
	return d.change(ctx, apply, func(r *admin.ReloadResult) {
		if !r.Applied {
			d.trials.Failed++
			if d.trial.failed(monotonic(), r.Error) {
				d.record(observe.Event{Kind: "reload", Object: "reload", Reason: "not-reverted", Warn: true,
					Message: fmt.Sprintf("configuration %.12s stays in force, though %s: %.12s cannot be put in force again: %s", f.Trial, why, f.Config.Hash, r.Error)})
			}
			return
		}
		d.trials.Reverted++
		d.lastReload = &observe.Reload{Time: time.Now(), OK: r.OK, Applied: true, Error: r.Error, Reverted: why, File: otherwise}
		e := observe.Event{Kind: "reload", Object: "reload", Reason: "reverted", Warn: true,
			Message: fmt.Sprintf("configuration %.12s was taken back (%s): %.12s is in force again, %s", f.Trial, why, r.Hash, changes(r))}
		if !r.OK {
			e.Message += "; but " + r.Error
		}
		if otherwise != "" {
			e.Message += "; " + otherwise + " says otherwise"
		}
		d.record(e)
	})
}

// onTrial is why there is no reload now; nil: there can be one. It runs on the loop.
func (d *director) onTrial() error {
	switch d.trial.phase {
	case settled:
		return nil
	case waiting:
		return &refusal{reason: fmt.Sprintf("configuration %.12s is on trial for another %v; keep it with `lbha confirm`, or go back with `lbha confirm --revert`, then reload",
			d.former.Trial, d.trial.left(monotonic()).Round(time.Second))}
	case stuck:
		return &refusal{reason: fmt.Sprintf("configuration %.12s was on trial, and %.12s cannot be put in force again (%s); keep it with `lbha confirm`, then reload",
			d.former.Trial, d.former.Config.Hash, d.trial.failure)}
	}
	return &refusal{reason: fmt.Sprintf("configuration %.12s was on trial, and %.12s is being put in force again; reload after that", d.former.Trial, d.former.Config.Hash)}
}

// trialStatus shows a trial to people; nil: there is none.
func trialStatus(t trial, f *former) *observe.Trial {
	if t.phase == settled {
		return nil
	}
	return &observe.Trial{
		State: string(t.phase), By: f.By, Since: f.Since, Within: f.Within, Left: t.left(monotonic()),
		Former: f.Config.Hash, Error: t.failure,
	}
}
