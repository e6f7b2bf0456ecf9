package director

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/lbha/lbha/cmd/internal/observe"
	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/ipvs"
)

// drain is a real server that the configuration no longer names, and whose connections may end in peace: it stays in
// the kernel's table with weight 0 until it has none, or until its time is over. A service that is gone as a whole is
// the drains of all its servers.
type drain struct {
	Service ipvs.Service `json:"service"`
	Server  ipvs.Server  `json:"server"`
	Since   time.Time    `json:"since"`
	Until   time.Time    `json:"until,omitzero"` // zero: no limit
}

// drains are all that drain now, at most one for each server of a virtual service.
type drains []drain

// destination names a real server of a virtual service in the kernel.
type destination struct {
	key  ipvs.Key
	addr netip.AddrPort
}

func (d *drain) destination() destination { return destination{d.Service.Key, d.Server.Addr} }

// destinations are the real servers that a configuration names.
func destinations(services []config.Service) map[destination]bool {
	n := 0
	for i := range services {
		n += len(services[i].Keys) * len(services[i].Servers)
	}
	named := make(map[destination]bool, n)
	for i := range services {
		s := &services[i]
		for _, key := range s.Keys {
			for j := range s.Servers {
				named[destination{key, s.Destination(key, &s.Servers[j])}] = true
			}
		}
	}
	return named
}

// except forgets what is named.
func (ds drains) except(named map[destination]bool) drains {
	return slices.DeleteFunc(slices.Clone(ds), func(d drain) bool { return named[d.destination()] })
}

// changeTo begins to drain what old put into the table and next does not name, and forgets what next names again. Services
// that stay as they are, and what they name, may be left out of both.
func (ds drains) changeTo(next, old []config.Service, table ipvs.Table, now time.Time) drains {
	named := destinations(next)
	kept := ds.except(named)
	for i := range old {
		s := &old[i]
		for _, key := range s.Keys {
			pool := table[key]
			for _, server := range pool.Servers {
				d := drain{Service: pool.Service, Server: server, Since: now}
				if named[d.destination()] || slices.ContainsFunc(kept, func(k drain) bool { return k.destination() == d.destination() }) {
					continue
				}
				d.Server.Weight = 0
				if s.DrainTimeout > 0 {
					d.Until = now.Add(s.DrainTimeout)
				}
				kept = append(kept, d)
			}
		}
	}
	return kept
}

// into adds what drains to a wanted table.
func (ds drains) into(table ipvs.Table) ipvs.Table {
	if len(ds) == 0 {
		return table
	}
	pools := make(map[ipvs.Key]ipvs.Pool, len(table))
	for key, p := range table {
		pools[key] = p
	}
	for _, d := range ds {
		p, ok := pools[d.Service.Key]
		if !ok {
			p.Service = d.Service
		}
		p.Servers = append(slices.Clip(p.Servers), d.Server)
		pools[d.Service.Key] = p
	}
	all := make([]ipvs.Pool, 0, len(pools))
	for _, p := range pools {
		all = append(all, p)
	}
	return ipvs.NewTable(all...)
}

// ended splits off those that have nothing left to drain, or no time.
func (ds drains) ended(snap ipvs.Snapshot, now time.Time) (still drains, over []observe.Event) {
	for _, d := range ds {
		stats, known := snap.Stats[d.Service.Key].Servers[d.Server.Addr]
		left := uint64(stats.Active) + uint64(stats.Inactive) + uint64(stats.Persistent)
		expired := !d.Until.IsZero() && !now.Before(d.Until)
		if left > 0 && !expired || !known && !expired && now.Sub(d.Since) < drainLook {
			still = append(still, d)
			continue
		}
		e := observe.Event{
			Kind: "server", Object: d.Service.Key.String() + separator + d.Server.Addr.String(), Reason: "drained",
			Message: fmt.Sprintf("removed after draining for %v: no connection is left", now.Sub(d.Since).Round(time.Second)),
		}
		if left > 0 {
			e.Reason, e.Warn = "drain-timeout", true
			e.Message = fmt.Sprintf("removed after draining for %v, with %d connections left", now.Sub(d.Since).Round(time.Second), left)
		}
		over = append(over, e)
	}
	return still, over
}

// drainLook is how often draining servers are looked at, and how long one that the kernel does not know yet is waited
// for.
const drainLook = 2 * time.Second

// lookAfterDrains reads the connections of what drains, beside the loop, and removes what has drained.
func (d *director) lookAfterDrains(ctx context.Context) {
	if len(d.drains) == 0 && !d.orders.draining() || d.looking {
		return
	}
	d.looking = true
	go func() {
		state, err := d.table.Refresh(ctx)
		_ = d.do(ctx, func() {
			d.looking = false
			if err != nil {
				return // the table's own event tells of it
			}
			still, over := d.drains.ended(state.Snapshot, time.Now())
			d.drains = still
			for _, e := range over {
				d.record(e)
			}
			if d.drained(state.Snapshot, time.Now()) || len(over) > 0 {
				d.apply()
			}
		})
	}()
}

// status shows what drains, with the connections that are left.
func (ds drains) status(snap ipvs.Snapshot) []observe.Drain {
	shown := []observe.Drain{}
	for _, d := range ds {
		stats := snap.Stats[d.Service.Key].Servers[d.Server.Addr]
		shown = append(shown, observe.Drain{
			Service: d.Service.Key.String(), Server: d.Server.Addr.String(), Since: d.Since, Until: d.Until,
			Active: stats.Active, Inactive: stats.Inactive, Persistent: stats.Persistent,
		})
	}
	return shown
}
