package director

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lbha/lbha/cmd/internal/admin"
	"github.com/lbha/lbha/cmd/internal/link"
	"github.com/lbha/lbha/cmd/internal/observe"
	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/healthcheck"
	"github.com/lbha/lbha/ipvs"
	"github.com/lbha/lbha/vrrp"
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

// candidate is a configuration that has been read and compared, and not yet applied.
type candidate struct {
	cfg    *config.Config
	old    *config.Config
	plan   config.Plan
	same   map[string]*pool // in force, by name: the services of which the plan says nothing
	pools  []*pool
	checks []healthcheck.Check
	found  carried // what the kernel's table holds now: the start of what is new
	// before are the verdicts on the servers of services that change, by the IDs of their checks: all that a reload that
	// is taken back may have lost.
	before map[string]healthcheck.Saved
}

// refusal is why a configuration cannot be applied.
type refusal struct {
	reason      string
	diagnostics []string
}

func (r *refusal) Error() string { return r.reason }

// consider reads a file and works out what it would change. It changes nothing.
func (d *director) consider(ctx context.Context, path string) (*candidate, error) {
	if path == "" {
		path = d.path
	}
	c := &candidate{}
	var err error
	if c.cfg, err = config.Load(path); err != nil {
		var found config.Diagnostics
		if errors.As(err, &found) {
			r := &refusal{reason: fmt.Sprintf("%s has %d errors", path, len(found))}
			if len(found) == 1 {
				r.reason = fmt.Sprintf("%s has 1 error", path)
			}
			for _, f := range found {
				r.diagnostics = append(r.diagnostics, f.String())
			}
			return nil, r
		}
		return nil, &refusal{reason: err.Error()}
	}
	var pools []*pool
	if err := d.do(ctx, func() { c.old, pools = d.cfg, d.pools }); err != nil {
		return nil, err
	}
	c.plan = config.Compare(c.old, c.cfg)
	for _, f := range c.plan.Global {
		if f.Restart {
			return nil, &refusal{reason: fmt.Sprintf("global.%s cannot be changed by a reload (%s → %s); restart lbha", f.Name, f.Old, f.New)}
		}
	}
	if d.tableless && len(c.cfg.Services) > 0 {
		return nil, &refusal{reason: "this kernel had no IPVS when lbha started without services; load it with `modprobe ip_vs` and restart lbha"}
	}
	c.found = carriedBy(d.table.State().Table)
	c.same = unchanged(pools, c.plan)
	c.before = d.verdictsOf(pools, c.same)
	if c.pools, c.checks, err = newPools(c.cfg, saved{}, c.found, c.same); err != nil {
		return nil, &refusal{reason: err.Error()}
	}
	return c, nil
}

// unchanged returns the pools, by name, of the services of which a plan says nothing.
func unchanged(pools []*pool, plan config.Plan) map[string]*pool {
	same := make(map[string]*pool, len(pools))
	for _, p := range pools {
		same[p.service.Name] = p
	}
	for i := range plan.Services {
		delete(same, plan.Services[i].Name)
	}
	return same
}

// differing are the services of one of the two configurations of which the plan says something.
func (c *candidate) differing(cfg *config.Config) []config.Service {
	var services []config.Service
	for i := range cfg.Services {
		if s := &cfg.Services[i]; c.same[s.Name] == nil {
			services = append(services, *s)
		}
	}
	return services
}

// verdictsOf are the verdicts in those of the pools that are not among the same.
func (d *director) verdictsOf(pools []*pool, same map[string]*pool) map[string]healthcheck.Saved {
	verdicts := make(map[string]healthcheck.Saved)
	for _, p := range pools {
		if same[p.service.Name] != nil {
			continue
		}
		for i := range p.made {
			if st, ok := d.checker.Status(p.made[i].ID); ok {
				verdicts[st.ID] = st.State.Saved()
			}
		}
	}
	return verdicts
}

// Plan says what a reload would do. It implements admin.Backend.
func (d *director) Plan(ctx context.Context, req admin.PlanRequest) (*admin.Plan, error) {
	c, err := d.consider(ctx, req.Path)
	answer := &admin.Plan{Path: req.Path, Changes: []admin.Change{}}
	if answer.Path == "" {
		answer.Path = d.path
	}
	var r *refusal
	if errors.As(err, &r) {
		answer.Diagnostics = append(r.diagnostics, r.reason)
		return answer, nil
	}
	if err != nil {
		return nil, err
	}
	answer.Hash = c.cfg.Hash
	answer.Warnings = texts(c.cfg.Warnings)
	answer.Changes = append(answer.Changes, planned(c.plan)...)
	state, err := d.table.Refresh(ctx)
	if err != nil {
		return nil, err
	}
	var wanted ipvs.Table
	if err := d.do(ctx, func() {
		// New servers wait for their first success; the others are as they are now.
		inherit(c.pools, d.pools)
		wanted, _ = ipvs.Desired(d.intents(c.pools, c.found))
		wanted = withPaths(c.pools, d.drains.changeTo(c.differing(c.cfg), c.differing(c.old), d.wanted, time.Now()).into(wanted))
	}); err != nil {
		return nil, err
	}
	for _, op := range ipvs.Diff(wanted, ownPart(state, wanted)) {
		answer.Changes = append(answer.Changes, admin.Change{Kind: "table", Text: op.String()})
	}
	return answer, nil
}

// ownPart is the part of the kernel's table that is ours, or would be.
func ownPart(state *ipvs.State, wanted ipvs.Table) ipvs.Table {
	own := make(ipvs.Table)
	for _, k := range state.Owned {
		if p, ok := state.Table[k]; ok {
			own[k] = p
		}
	}
	for k := range wanted {
		if p, ok := state.Table[k]; ok {
			own[k] = p
		}
	}
	return own
}

// Reload reads the configuration again and puts it in force, or leaves everything as it was. It implements
// admin.Backend; SIGHUP comes here too.
func (d *director) Reload(ctx context.Context, req admin.ReloadRequest) (*admin.ReloadResult, error) {
	select {
	case <-d.reloads:
		defer func() { d.reloads <- struct{}{} }()
	case <-ctx.Done():
		return nil, errors.New("another reload, or the start, is under way")
	}
	// Whoever asked may go away in the middle: that is no reason to stop there.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), reloadTimeout)
	defer cancel()
	lavish()
	defer func() { time.AfterFunc(spareAfter, spare) }()
	d.notify.Reloading()
	result := d.reload(ctx, req)
	_ = d.do(context.WithoutCancel(ctx), func() {
		d.lastReload = &observe.Reload{Time: time.Now(), OK: result.OK, Applied: result.Applied, Error: result.Error}
		result.Hash = d.cfg.Hash
		d.record(reloadEvent(result))
		d.notify.Ready(d.summary())
	})
	return result, nil
}

func reloadEvent(r *admin.ReloadResult) observe.Event {
	e := observe.Event{Kind: "reload", Object: "reload", Reason: "reloaded", Message: fmt.Sprintf("configuration %.12s is in force, %d changes", r.Hash, len(r.Changes))}
	switch {
	case r.Applied && !r.OK:
		e.Reason, e.Warn = "not-verified", true
		e.Message = fmt.Sprintf("configuration %.12s is in force, but %s", r.Hash, r.Error)
	case !r.OK:
		e.Reason, e.Warn = "refused", true
		e.Message = "configuration unchanged: " + r.Error
		for n, line := range r.Diagnostics {
			if n == 3 {
				e.Message += fmt.Sprintf("; and %d more", len(r.Diagnostics)-n)
				break
			}
			e.Message += "; " + line
		}
	}
	return e
}

func (d *director) reload(ctx context.Context, req admin.ReloadRequest) *admin.ReloadResult {
	refuse := func(err error) *admin.ReloadResult {
		var r *refusal
		if errors.As(err, &r) {
			return &admin.ReloadResult{Error: r.reason, Diagnostics: r.diagnostics, Changes: []admin.Change{}}
		}
		return &admin.ReloadResult{Error: err.Error(), Changes: []admin.Change{}}
	}
	c, err := d.consider(ctx, req.Path)
	if err != nil {
		return refuse(err)
	}
	if req.Expect != "" && req.Expect != c.old.Hash {
		return refuse(&refusal{reason: fmt.Sprintf("the configuration in force is %.12s, not the expected %.12s", c.old.Hash, req.Expect)})
	}
	result := &admin.ReloadResult{OK: true, Warnings: texts(c.cfg.Warnings), Changes: planned(c.plan)}

	// Prepare in both processes, then commit in both. Until the elector has committed, all of it can be undone.
	peers, err := d.peers.Prepare(c.cfg.Global.Peers)
	if err != nil {
		return refuse(err)
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
			return refuse(fmt.Errorf("VRRP: %w", err))
		}
	}
	d.tally.lay(c.checks) // new servers are asked at once, and may answer before Update has returned
	if err := d.checker.Update(ctx, c.checks); err != nil {
		return refuse(errors.Join(fmt.Errorf("health checks: %w", err), d.restoreChecks(ctx, c.before)))
	}
	// Before the elector moves anything there is somebody to tell of it, and what is tracked from then on is looked at.
	d.teller.herald.Update(c.cfg.Instances)
	err = d.tracks.set.Update(ctx, slices.Concat(c.old.Instances, c.cfg.Instances))
	if err == nil && moved {
		err = d.elector.commit(ctx, generation)
	}
	if err != nil {
		d.teller.herald.Update(c.old.Instances)
		return refuse(errors.Join(fmt.Errorf("VRRP: %w", err), d.tracks.set.Update(ctx, c.old.Instances), d.restoreChecks(ctx, c.before)))
	}
	err = d.do(ctx, func() {
		inherit(c.pools, d.pools)
		d.drains = d.drains.changeTo(c.differing(c.cfg), c.differing(c.old), d.wanted, time.Now())
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
		return refuse(err) // we are stopping
	}
	result.Applied = true
	if err := d.freeze(ctx, c.cfg); err != nil {
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

// Failover hands instances over. It implements admin.Backend.
func (d *director) Failover(ctx context.Context, req admin.FailoverRequest) error {
	var err error
	doErr := d.do(ctx, func() {
		if err = d.canHandOver(req); err != nil {
			return
		}
		err = d.elector.conn.Send(link.Message{HandOver: &link.HandOver{Instance: req.Instance, Lift: req.Lift}})
		if err == nil {
			d.record(observe.Event{Kind: "operation", Object: req.Instance, Reason: "failover", Message: fmt.Sprintf("hand-over asked for (lift %v)", req.Lift)})
		}
	})
	return errors.Join(doErr, err)
}

// canHandOver says why a hand-over, as far as is known here, would do nothing.
func (d *director) canHandOver(req admin.FailoverRequest) error {
	known, master, state := req.Instance == "", false, vrrp.Initialize
	for _, in := range d.cfg.Instances {
		known = known || in.Name == req.Instance
	}
	for _, in := range d.vrrp.Instances {
		if req.Instance == "" || in.Name == req.Instance {
			state, master = in.State, master || in.State == vrrp.Master
		}
	}
	switch {
	case !known:
		return fmt.Errorf("no instance %q in the configuration", req.Instance)
	case req.Lift || master:
		return nil
	case req.Instance == "":
		return errors.New("no instance is master here: there is nothing to hand over")
	}
	return fmt.Errorf("instance %s is %s here: there is nothing to hand over", req.Instance, state)
}

func texts(found config.Diagnostics) []string {
	var lines []string
	for _, d := range found {
		lines = append(lines, d.String())
	}
	return lines
}

// planned is a plan as the steps that people read.
func planned(p config.Plan) []admin.Change {
	changes := []admin.Change{}
	for line := range strings.Lines(p.String()) {
		changes = append(changes, admin.Change{Kind: "config", Text: strings.TrimSuffix(line, "\n")})
	}
	return changes
}
