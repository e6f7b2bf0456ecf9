package director

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lbha/lbha/cmd/internal/admin"
	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/healthcheck"
	"github.com/lbha/lbha/ipvs"
)

// readLimit bounds the reading of a configuration: the largest takes a second.
const readLimit = 10 * time.Second

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

// read reads a configuration, from a disk that may hang.
func (d *director) read(ctx context.Context, path string) (*config.Config, error) {
	ctx, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	var cfg *config.Config
	var err error
	if hang := d.reader.Do(ctx, func() { cfg, err = config.Load(path) }); hang != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", path, hang)
	}
	return cfg, err
}

// consider reads a file and works out what it would change. It changes nothing.
func (d *director) consider(ctx context.Context, path string) (*candidate, error) {
	if path == "" {
		path = d.path
	}
	cfg, err := d.read(ctx, path)
	if err != nil {
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
	return d.compare(ctx, cfg)
}

// compare works out what a configuration would change. It changes nothing.
func (d *director) compare(ctx context.Context, cfg *config.Config) (*candidate, error) {
	c := &candidate{cfg: cfg}
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
	var err error
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
	var busy error
	if err := d.do(ctx, func() { busy = d.onTrial() }); err != nil {
		return nil, err
	}
	if busy != nil {
		answer.Warnings = append(answer.Warnings, "a reload would be refused now: "+busy.Error())
	}
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
