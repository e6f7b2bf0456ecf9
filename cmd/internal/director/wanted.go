package director

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/lbha/lbha/cmd/internal/observe"
	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/healthcheck"
	"github.com/lbha/lbha/ipvs"
)

// onVerdicts takes what the checks found into the wanted table, all of a batch at once.
func (d *director) onVerdicts(changes []healthcheck.Change) {
	touched := make(map[string]bool, min(len(changes), len(d.pools)))
	for _, c := range changes {
		service, server := owner(c.ID)
		touched[service] = true
		if c.From == c.To {
			// Servers that say their load do so with every answer: it is in the status, and no event.
			continue
		}
		message := fmt.Sprintf("%s → %s: %s", c.From, c.To, c.Reason)
		if c.Cause.Detail != "" {
			message += ": " + c.Cause.String()
		}
		word := string(c.Cause.Failure)
		if word == "" {
			word = string(c.Reason)
		}
		d.record(observe.Event{Kind: "server", Object: service + separator + server, Reason: word, Message: message, Warn: c.To == healthcheck.Down})
	}
	d.applyOf(func(service string) bool { return touched[service] })
	d.tellPeers(changes)
}

// gathering lets verdicts gather when taking them into the table has cost a lot. With thousands of servers each batch
// costs as much as all of them: at the start, when every check tells its first result, taking them a few at a time would
// leave the checks no processor. A quarter of the time is theirs, and a little in advance: servers that die now and then
// are out of the table at once.
type gathering struct {
	spent time.Duration // beyond their quarter
	at    time.Time     // when it was so much
}

// rest is how long verdicts gather after some were taken at a cost.
func (g *gathering) rest(cost time.Duration, now time.Time) time.Duration {
	g.spent, g.at = max(0, g.spent-now.Sub(g.at)/4)+cost, now
	if g.spent < inAdvance {
		return 0
	}
	return min(3*cost, maxRest)
}

const (
	inAdvance = 100 * time.Millisecond
	maxRest   = 250 * time.Millisecond
)

// apply works out the wanted table and hands it to the reconciler.
func (d *director) apply() {
	d.wanted = nil
	d.applyOf(func(string) bool { return true })
}

// applyOf does so where only some services, by name, may be wanted otherwise than before: who has ten thousand servers
// and loses one does not think about all of them.
func (d *director) applyOf(concerned func(service string) bool) {
	if d.pools == nil {
		return // not started yet: nothing is wanted, so nothing is touched
	}
	pools := make([]*pool, 0, len(d.pools))
	for _, p := range d.pools {
		if concerned(p.service.Name) {
			pools = append(pools, p)
		}
	}
	part, outcomes := ipvs.Desired(d.intents(pools, d.found))
	for _, p := range pools {
		p.settle(outcomes[:len(p.service.Keys)], d.record)
		outcomes = outcomes[len(p.service.Keys):]
	}
	table := maps.Clone(d.wanted) // which is the reconciler's
	if table == nil {
		table = make(ipvs.Table, len(part))
	}
	maps.Copy(table, part)
	d.wanted = table
	d.table.Set(d.want(d.cfg, withPaths(d.pools, d.drains.into(table))))
	d.unsaved = true
	d.lookAtTracks(time.Now())
}

// warmUp takes the table on while servers start slowly.
func (d *director) warmUp() {
	if slices.ContainsFunc(d.pools, func(p *pool) bool { return p.service.SlowStart > 0 }) {
		d.apply() // a table that is the same already is not touched
	}
}

// intents says what the virtual services of the pools should be, in their order.
func (d *director) intents(pools []*pool, found carried) []ipvs.Intent {
	intents := make([]ipvs.Intent, 0, len(pools))
	k := knowledge{check: d.checker.Status, found: found, orders: d.orders, now: time.Now()}
	for _, p := range pools {
		intents = append(intents, p.intents(k)...)
	}
	return intents
}

// want is the reconciler's order for a table under a configuration.
func (d *director) want(cfg *config.Config, table ipvs.Table) ipvs.Want {
	t := cfg.Global.IPVS.Timeouts
	settings := ipvs.Settings{Timeouts: ipvs.Timeouts{TCP: t.TCP, TCPFin: t.TCPFin, UDP: t.UDP}}
	// Both daemons always run, whatever the role: a backup knows the connections before it needs them, and a failover
	// changes nothing here. To follow the role would be to stop one and start the other at every failover: writes to
	// IPVS at the worst moment, connections of which nobody tells meanwhile, and none at all while a director that has
	// just become master still waits for the old daemon to end. What runs without need costs nothing: the kernel tells of
	// connections whose packets it forwards, and a backup forwards none. The one condition is that backup_only is 0: with
	// 1 the kernel balances nothing while it listens. `lbha doctor` looks at that.
	if s := cfg.Global.IPVS.Sync; s != nil {
		settings.Daemons = []ipvs.Daemon{
			{Role: ipvs.SyncMaster, Interface: s.Interface, ID: s.ID},
			{Role: ipvs.SyncBackup, Interface: s.Interface, ID: s.ID},
		}
		d.synced = true
	} else if d.synced {
		settings.Daemons = []ipvs.Daemon{} // ours, and no longer wanted
	}
	return ipvs.Want{
		Table:     table,
		Owned:     d.owned,
		Exclusive: cfg.Global.Exclusive,
		Settings:  settings,
	}
}
