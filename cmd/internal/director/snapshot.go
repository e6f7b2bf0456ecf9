package director

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"github.com/lbha/lbha/cmd/internal/link"
	"github.com/lbha/lbha/cmd/internal/observe"
	"github.com/lbha/lbha/cmd/internal/track"
	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/healthcheck"
	"github.com/lbha/lbha/ipvs"
	"github.com/lbha/lbha/vrrp"
)

// board is where observers read. What the loop knows is published by the loop; what changes by itself (results of
// checks, counters of the kernel) is read when somebody looks, from snapshots that their owners publish.
type board struct{ view atomic.Pointer[view] }

// view is what the loop publishes: an immutable copy of its state.
type view struct {
	cfg        *config.Config
	loaded     time.Time
	lastReload *observe.Reload
	trial      trial
	former     *former
	trials     observe.Trials
	pools      []poolView
	drains     drains
	orders     orders
	paces      map[string]healthcheck.Pace
	weighed    map[string][]track.Weighed // by instance
	teller     *teller                    // of which the herald may be asked
	vrrp       link.State
	heard      time.Time // when the elector spoke last
	restarts   int
}

// silence is how long the elector, which speaks once a second, may say nothing before it counts as gone.
const silence = 4 * time.Second

type poolView struct {
	service  *config.Service
	checks   [][]string
	outcomes []ipvs.Outcome // one a key
}

// publish makes what the loop knows visible.
func (d *director) publish() {
	v := &view{cfg: d.cfg, drains: d.drains, orders: maps.Clone(d.orders), paces: d.paces, weighed: d.tracks.weighed, teller: d.teller, loaded: d.loaded, lastReload: d.lastReload, trial: d.trial, former: d.former, trials: d.trials, vrrp: d.vrrp, heard: d.vrrpHeard, restarts: d.restarts}
	v.pools = make([]poolView, 0, len(d.pools))
	for _, p := range d.pools {
		pv := poolView{service: p.service, checks: p.checks, outcomes: make([]ipvs.Outcome, 0, len(p.service.Keys))}
		for _, k := range p.service.Keys {
			pv.outcomes = append(pv.outcomes, p.outcomes[k])
		}
		v.pools = append(v.pools, pv)
	}
	d.board.view.Store(v)
}

// Status implements admin.Backend.
func (d *director) Status() *observe.Status {
	if v := d.board.view.Load(); v != nil {
		return d.render(v)
	}
	return nil
}

// Events implements admin.Backend.
func (d *director) Events(since uint64, limit int) []observe.Event {
	return d.journal.Since(since, limit)
}

// render makes the status of a view. It runs on the observer's goroutine.
func (d *director) render(v *view) *observe.Status {
	table := d.table.State()
	st := &observe.Status{
		Name: v.cfg.Global.Name, Version: d.version, Time: time.Now(), Started: d.started, Goroutines: runtime.NumGoroutine(),
		Config:    observe.Config{Path: d.path, Hash: v.cfg.Hash, Loaded: v.loaded, Reload: v.lastReload, Trial: trialStatus(v.trial, v.former), Trials: v.trials},
		Elector:   observe.Elector{Connected: time.Since(v.heard) < silence, At: wall(v.vrrp.At), PID: v.vrrp.PID, RealTime: v.vrrp.RealTime, Restarts: v.restarts, Hash: v.vrrp.Hash, Goroutines: v.vrrp.Goroutines},
		Instances: []observe.Instance{},
		Services:  []observe.Service{},
		Table:     tableStatus(table),
		Journal:   d.diary.Status(),
		Findings:  []observe.Finding{},
	}
	for k := range v.cfg.Instances {
		in := instanceStatus(&v.cfg.Instances[k], &v.vrrp, v.weighed)
		in.Notify = notifyStatus(v.teller, &v.cfg.Instances[k])
		st.Instances = append(st.Instances, in)
	}
	for k := range v.pools {
		st.Services = append(st.Services, d.serviceStatus(v, &v.pools[k], table))
	}
	st.Checker = checkerStatus(d.checker.Stats())
	st.Draining = v.drains.status(table.Snapshot)
	st.Interfaces = v.vrrp.Interfaces
	st.Exchange = d.peers.Status()
	st.Findings = append(findings(st, &v.vrrp), d.syncFindings()...)
	if ground := d.ground.Load(); ground != nil {
		st.Ground = *ground
	}
	return st
}

func tableStatus(t *ipvs.State) observe.Table {
	s := observe.Table{Read: t.Listed, Services: len(t.Table), Drifts: t.Counts.Drifts, Writes: t.Counts.Applied}
	for _, p := range t.Table {
		s.Servers += len(p.Servers)
	}
	for _, k := range t.Foreign {
		s.Foreign = append(s.Foreign, k.String())
	}
	if t.Err != nil {
		s.Error = t.Err.Error()
	}
	return s
}

func instanceStatus(c *config.Instance, state *link.State, weighed map[string][]track.Weighed) observe.Instance {
	in := observe.Instance{
		Name: c.Name, Interface: c.Interface, VRID: int(c.VRID), Priority: int(c.Priority),
		State: vrrp.Initialize.String(), Reason: "waiting", Addresses: []string{}, Held: []string{},
	}
	in.Tracks = tracksStatus(c, weighed[c.Name])
	for _, a := range c.Addresses {
		in.Addresses = append(in.Addresses, a.Prefix.String())
	}
	for _, s := range state.Instances {
		if s.Name != c.Name {
			continue
		}
		in.State, in.Since, in.Reason = s.State.String(), wall(s.Since), string(s.Reason)
		if s.Detail != "" {
			in.Reason += ": " + s.Detail
		}
		in.Priority, in.Master, in.HandOver = s.Priority, s.Master, s.HandOver
		in.Sent, in.Received, in.Dropped = s.Sent, s.Received, s.Dropped
		in.Group, in.Plain = s.Group, s.PlainChecksum
		for _, p := range s.Peers {
			in.Peers = append(in.Peers, observe.Peer{Address: p.Address.String(), Priority: int(p.Priority), Version: int(p.Version), Interval: p.Interval, Heard: wall(p.Heard)})
		}
		in.Late, in.MaxLate, in.Announced, in.Transition = s.Late, s.MaxLate, s.Announcements, s.Transitions
		if s.Held != nil {
			in.Held = s.Held
		}
	}
	return in
}

func checkerStatus(s healthcheck.Stats) observe.Checker {
	return observe.Checker{
		Checks: s.Checks, Probes: s.Probes, Running: s.Running, Lingering: s.Lingering,
		Started: s.Started, Skipped: s.Skipped, Late: s.Late, Lag: s.Lag, MaxLag: s.Lateness,
	}
}

func (d *director) serviceStatus(v *view, p *poolView, table *ipvs.State) observe.Service {
	c := p.service
	s := observe.Service{Name: c.Name, Pace: v.paces[c.Name].String(), Addresses: []string{}, Scheduler: c.Scheduler.String(), Forward: c.Forward.String(), Quorum: c.Quorum, Servers: []observe.Server{}}
	for _, k := range c.Keys {
		s.Addresses = append(s.Addresses, k.String())
	}
	if len(p.outcomes) > 0 {
		s.Alive, s.Fallback, s.Panic = int(p.outcomes[0].Alive), p.outcomes[0].QuorumLost, p.outcomes[0].Panic
	}
	s.Latency, s.Results = d.tally.service(c.Name)
	for n := range c.Servers {
		s.Servers = append(s.Servers, d.serverStatus(p, n, v.orders, table))
	}
	return s
}

// serverStatus is the story of one server: what its checks say and what the kernel has.
func (d *director) serverStatus(p *poolView, n int, orders orders, table *ipvs.State) observe.Server {
	c := &p.service.Servers[n]
	s := observe.Server{Address: c.Address.String(), Wanted: int(c.Weight), Backup: c.Backup, State: healthcheck.Up.String(), Reason: "no check", LastOK: true}
	s.Order = orders.text(p.service.Name, c)
	if verdict, check, ok := d.deciding(p, n); ok {
		s.State, s.Since, s.Reason = verdict.String(), check.Since, string(check.Reason)
		if check.Cause.Detail != "" {
			s.Reason += ": " + check.Cause.String()
		}
		if check.Flapping {
			s.Reason += "; flapping"
		}
		s.LastCheck, s.LastOK, s.Detail = check.Last.At, check.Last.OK(), check.Last.String()
	}
	if len(p.outcomes) > 0 && n < len(p.outcomes[0].Members) {
		s.Placement = string(p.outcomes[0].Members[n].Placement)
	}
	for _, key := range p.service.Keys {
		addr := p.service.Destination(key, c)
		for _, have := range table.Table[key].Servers {
			if have.Addr == addr {
				s.InTable, s.Weight = true, int(have.Weight)
			}
		}
		stats := table.Stats[key].Servers[addr]
		s.Active += stats.Active
		s.Inactive += stats.Inactive
	}
	return s
}

// deciding is the verdict on a server, and the check that decides it: the first that says the same. There is none for a
// server without checks.
func (d *director) deciding(p *poolView, n int) (healthcheck.Verdict, healthcheck.Status, bool) {
	checks := d.statuses(p.checks[n])
	verdicts := make([]healthcheck.Verdict, len(checks))
	for i := range checks {
		verdicts[i] = checks[i].Verdict
	}
	verdict := p.service.NeedOf(&p.service.Servers[n]).Verdict(verdicts...)
	if i := slices.Index(verdicts, verdict); i >= 0 {
		return verdict, checks[i], true
	}
	return verdict, healthcheck.Status{}, false
}

// statuses are the pictures of checks, in their order.
func (d *director) statuses(ids []string) []healthcheck.Status {
	all := make([]healthcheck.Status, len(ids))
	for i, id := range ids {
		all[i], _ = d.checker.Status(id) // a check that is not known is unknown
	}
	return all
}

// findings is what is wrong now, worst first.
func findings(st *observe.Status, state *link.State) []observe.Finding {
	found := []observe.Finding{}
	add := func(object, reason, message string) {
		found = append(found, observe.Finding{Object: object, Reason: reason, Message: message})
	}
	if !st.Elector.Connected {
		add("vrrp", "no-elector", "the VRRP process does not speak; the instances are shown as last heard of")
	}
	if st.Table.Error != "" {
		add("table", "table-error", st.Table.Error)
	}
	for _, in := range st.Instances {
		if in.State == vrrp.Fault.String() {
			add(in.Name, "fault", "instance is in FAULT: "+in.Reason)
		}
	}
	for _, s := range state.Instances {
		for _, f := range s.Findings {
			add(s.Name, string(f.Reason), link.Describe(f))
			found[len(found)-1].Since = wall(f.Since)
		}
	}
	for _, s := range st.Services {
		takes := func(r observe.Server) bool { return r.InTable && r.Weight > 0 }
		switch {
		case !slices.ContainsFunc(s.Servers, takes):
			add(s.Name, "no-server", "no server takes connections")
		case s.Fallback:
			add(s.Name, "quorum-lost", fmt.Sprintf("weight %d is alive, quorum %d", s.Alive, s.Quorum))
		}
		if s.Panic {
			add(s.Name, "panic", "fewer servers than panic_threshold are healthy: checks take none out, and the dead get connections too")
		}
	}
	if st.Exchange != nil {
		found = append(found, st.Exchange.Findings...)
	}
	if st.Journal.Error != "" {
		add("journal", "not-written", "the journal is not written to its file: "+st.Journal.Error)
	}
	found = append(found, reloadFindings(&st.Config)...)
	for _, key := range st.Table.Foreign {
		add(key, "foreign-service", "a service of another program is in the table; it is left alone")
	}
	return found
}

// reloadFindings are what is wrong with the configuration in force: how it came there, or that another one did not.
func reloadFindings(c *observe.Config) (found []observe.Finding) {
	add := func(reason, message string) {
		found = append(found, observe.Finding{Object: "reload", Reason: reason, Message: message})
	}
	if tr := c.Trial; tr != nil && tr.Error != "" {
		add("not-reverted", fmt.Sprintf("configuration %.12s is not confirmed, and %.12s cannot be put in force again: %s; it is tried again and again, until `lbha confirm` keeps what is", c.Hash, tr.Former, tr.Error))
	}
	switch r := c.Reload; {
	case r == nil:
	case r.OK && r.File != "":
		add("reverted", fmt.Sprintf("the last reload was taken back (%s): %.12s is in force again, and %s says otherwise", r.Reverted, c.Hash, r.File))
	case r.OK:
	case r.Applied:
		add("not-verified", "the configuration was applied, but "+r.Error)
	default:
		add("refused", "the last reload was refused: "+r.Error)
	}
	return found
}

// summary is the one line for systemd.
func (d *director) summary() string {
	masters, servers := 0, 0
	for _, s := range d.vrrp.Instances {
		if s.State == vrrp.Master {
			masters++
		}
	}
	for i := range d.cfg.Services {
		servers += len(d.cfg.Services[i].Servers)
	}
	text := fmt.Sprintf("master of %d of %d instances; %d services, %d servers", masters, len(d.cfg.Instances), len(d.cfg.Services), servers)
	if d.trial.phase != settled {
		text += "; the configuration waits for `lbha confirm`"
	}
	return text
}

// tellSummary keeps what `systemctl status` shows true.
func (d *director) tellSummary() {
	if d.wantHash == "" {
		return // still starting
	}
	if text := d.summary(); text != d.summed {
		d.summed = text
		d.notify.Status(text)
	}
}

// onTable takes an event of the reconciler into the journal.
func (d *director) onTable(ev ipvs.Event) { d.record(tableEvent(ev)) }

func tableEvent(ev ipvs.Event) observe.Event {
	e := observe.Event{Kind: "table", Object: "table", Reason: string(ev.Kind), Time: ev.Time}
	switch ev.Kind {
	case ipvs.EventApplied:
		e.Message = fmt.Sprintf("%d operations applied, because of %s: %s", len(ev.Ops), ev.Cause, some(ev.Ops))
	case ipvs.EventDrift:
		e.Message, e.Warn = fmt.Sprintf("somebody else changed the table; %d operations repair it: %s", len(ev.Ops), some(ev.Ops)), true
	case ipvs.EventForeign:
		e.Message = fmt.Sprintf("services of other programs are left alone: %v", ev.Keys)
	case ipvs.EventSettings:
		e.Message = fmt.Sprintf("settings changed, because of %s: %v", ev.Cause, ev.Settings)
	case ipvs.EventAvailable:
		e.Message = "the kernel's IPVS is there again"
	default:
		e.Message, e.Warn = fmt.Sprintf("%s: %v", ev.Kind, ev.Err), true
		if len(ev.Ops) > 0 {
			e.Message += ": " + some(ev.Ops)
		}
	}
	return e
}

// some renders the first few operations of many.
func some(ops []ipvs.Op) string {
	const shown = 4
	text := ""
	for n, op := range ops {
		if n == shown {
			return text + fmt.Sprintf("; and %d more", len(ops)-shown)
		}
		if n > 0 {
			text += "; "
		}
		text += op.String()
	}
	return text
}

// logStatus answers SIGUSR1.
func (d *director) logStatus() {
	st := d.Status()
	if tr := st.Config.Trial; tr != nil {
		d.log.Info("configuration on trial", "state", tr.State, "left", tr.Left, "by", tr.By, "former", tr.Former, "error", tr.Error)
	}
	for _, in := range st.Instances {
		d.log.Info("instance", "name", in.Name, "state", in.State, "reason", in.Reason, "priority", in.Priority, "held", in.Held)
	}
	for _, s := range st.Services {
		for _, r := range s.Servers {
			d.log.Info("server", "service", s.Name, "server", r.Address, "state", r.State, "reason", r.Reason, "weight", r.Weight, "in_table", r.InTable)
		}
	}
	for _, f := range st.Findings {
		d.log.Info("finding", "object", f.Object, "reason", f.Reason, "message", f.Message)
	}
}
