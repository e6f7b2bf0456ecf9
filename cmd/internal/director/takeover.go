package director

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/lbha/lbha/cmd/internal/observe"
	"github.com/lbha/lbha/healthcheck"
)

// takeOverLimit bounds how long the loop waits for what peers have told. Both actors that it asks wait for nothing.
const takeOverLimit = 250 * time.Millisecond

// joinPeers opens the channel to the other directors, if there is to be one.
func (d *director) joinPeers(ctx context.Context, checks []healthcheck.Check) error {
	change, err := d.peers.Prepare(d.cfg.Global.Peers)
	if err == nil {
		change.Commit(ctx, d.cfg.Global.Name, checks)
	}
	return err
}

// takeOver makes the verdicts of a peer ours, where they are fresher, for the services whose traffic this director begins
// to send: before anything else is done about it, so that the first table of the new master is what the old one knew. A
// director whose own checks run as always has nothing to take.
func (d *director) takeOver(ctx context.Context) {
	if d.cfg.Global.Peers == nil || d.pools == nil {
		d.served = nil
		return
	}
	served, masters := make(map[string]bool, len(d.pools)), d.masters()
	begun := make(map[string]bool)
	var ids []string
	for _, p := range d.pools {
		name := p.service.Name
		if !serves(p.service, d.cfg.Instances, masters) {
			continue
		}
		if served[name] = true; d.served[name] {
			continue
		}
		begun[name] = true
		for i := range p.checks {
			ids = append(ids, p.checks[i]...)
		}
	}
	d.served = served
	if len(ids) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, takeOverLimit)
	defer cancel()
	told := d.peers.Told(ctx, ids)
	for _, p := range d.pools {
		if begun[p.service.Name] && p.blind(told) {
			for _, id := range slices.Concat(p.checks...) {
				delete(told, id)
			}
			d.record(observe.Event{Kind: "peer", Object: p.service.Name, Reason: "not-believed", Message: "peers have told that no server is well: who told it may have seen nobody. Ours stand", Warn: true})
		}
	}
	if len(told) == 0 {
		return
	}
	n, err := d.checker.TakeOver(ctx, told)
	if err != nil {
		d.record(observe.Event{Kind: "peer", Object: "peers", Reason: "not-taken-over", Message: fmt.Sprintf("verdicts of peers: %v; ours stand", err), Warn: true})
		return
	}
	if n == 0 {
		return
	}
	d.peers.Took(n)
	d.record(observe.Event{Kind: "peer", Object: "peers", Reason: "taken-over", Message: fmt.Sprintf("master of %d services: %d of %d verdicts that peers have told are other than ours, and fresher", len(begun), n, len(told))})
	d.applyOf(func(service string) bool { return begun[service] }) // now, and not when the changes come: those tell the journal
}

// blind reports whether what was told leaves none of several servers. That is what a director says which has lost its own
// network, and is why it is master no more.
func (p *pool) blind(told map[string]healthcheck.PeerVerdict) bool {
	for _, checks := range p.checks {
		if !slices.ContainsFunc(checks, func(id string) bool { return told[id].Verdict == healthcheck.Down }) {
			return false
		}
	}
	return len(p.checks) > 1
}

// tellPeers tells the other directors what has changed, if there are any who listen.
func (d *director) tellPeers(changes []healthcheck.Change) {
	if d.cfg.Global.Peers == nil {
		return
	}
	ids := make([]string, 0, len(changes))
	for i := range changes {
		ids = append(ids, changes[i].ID)
	}
	d.peers.Changed(ids)
}
