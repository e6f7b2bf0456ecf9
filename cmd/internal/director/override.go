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
	"github.com/lbha/lbha/cmd/internal/observe"
	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/ipvs"
)

// order is what an operator ordered for one real server, above configuration and checks. It survives reloads and
// restarts, until its time is over, until it is lifted, or until the server is no longer configured.
type order struct {
	ipvs.Override
	Reason  string    `json:"reason,omitempty"` // the operator's words
	Since   time.Time `json:"since"`
	Until   time.Time `json:"until,omitzero"`   // the order ends; zero: when it is lifted
	Drained time.Time `json:"drained,omitzero"` // of a drain: when the last connection had ended
}

// orders are all that are in force, by "service/server".
type orders map[string]order

// override is the order for a server as the table needs it. What has drained is out of the table.
func (o orders) override(service string, server *config.Server) ipvs.Override {
	got := o[service+separator+server.Address.String()]
	if got.Mode == ipvs.Drain && !got.Drained.IsZero() {
		return ipvs.Override{Mode: ipvs.Disable}
	}
	return got.Override
}

// text is the order for a server as people read it, or "".
func (o orders) text(service string, server *config.Server) string {
	got, ok := o[service+separator+server.Address.String()]
	if !ok {
		return ""
	}
	text := got.Mode.String()
	switch {
	case got.Mode == ipvs.OverrideWeight:
		text += " " + got.Weight.String()
	case !got.Drained.IsZero():
		text = "drained"
	}
	if !got.Until.IsZero() {
		text += " until " + got.Until.Format(time.DateTime)
	}
	if got.Reason != "" {
		text += ": " + got.Reason
	}
	return text
}

// onlyOf forgets orders for servers that a configuration does not have.
func (o orders) onlyOf(cfg *config.Config) orders {
	kept := make(orders, len(o))
	if len(o) == 0 {
		return kept
	}
	for i := range cfg.Services {
		s := &cfg.Services[i]
		for j := range s.Servers {
			name := s.Name + separator + s.Servers[j].Address.String()
			if got, ok := o[name]; ok {
				kept[name] = got
			}
		}
	}
	return kept
}

// except are the orders that are not among others.
func (o orders) except(others orders) orders {
	left := maps.Clone(o)
	for name := range others {
		delete(left, name)
	}
	return left
}

// expire ends the orders whose time is over.
func (d *director) expire(now time.Time) {
	changed := false
	for _, name := range slices.Sorted(maps.Keys(d.orders)) {
		o := d.orders[name]
		if o.Until.IsZero() || now.Before(o.Until) {
			continue
		}
		delete(d.orders, name)
		changed = true
		d.record(observe.Event{Kind: "operation", Object: name, Reason: "order-expired", Message: fmt.Sprintf("the order %q of %s is over", o.Mode, o.Since.Format(time.DateTime))})
	}
	if changed {
		d.apply()
	}
}

// drained takes servers out whose ordered drain is complete: no connection is left, or drain_timeout has passed.
func (d *director) drained(snap ipvs.Snapshot, now time.Time) (changed bool) {
	for _, p := range d.pools {
		for i := range p.service.Servers {
			server := &p.service.Servers[i]
			name := p.service.Name + separator + server.Address.String()
			o, ok := d.orders[name]
			if !ok || o.Mode != ipvs.Drain || !o.Drained.IsZero() || now.Sub(o.Since) < drainLook {
				continue
			}
			var left uint64
			for _, key := range p.service.Keys {
				s := snap.Stats[key].Servers[p.service.Destination(key, server)]
				left += uint64(s.Active) + uint64(s.Inactive) + uint64(s.Persistent)
			}
			late := p.service.DrainTimeout > 0 && now.Sub(o.Since) >= p.service.DrainTimeout
			if left > 0 && !late {
				continue
			}
			o.Drained = now
			d.orders[name] = o
			changed = true
			e := observe.Event{Kind: "operation", Object: name, Reason: "drained", Message: fmt.Sprintf("drained in %v: no connection is left", now.Sub(o.Since).Round(time.Second))}
			if left > 0 {
				e.Reason, e.Warn = "drain-timeout", true
				e.Message = fmt.Sprintf("taken out after draining for %v, with %d connections left", now.Sub(o.Since).Round(time.Second), left)
			}
			d.record(e)
		}
	}
	return changed
}

// draining reports whether an ordered drain is not complete.
func (o orders) draining() bool {
	for _, x := range o {
		if x.Mode == ipvs.Drain && x.Drained.IsZero() {
			return true
		}
	}
	return false
}

// Server carries out an operator's order. It implements admin.Backend.
func (d *director) Server(ctx context.Context, req admin.ServerRequest) error {
	var err error
	doErr := d.do(ctx, func() { err = d.order(req, time.Now()) })
	if err = errors.Join(doErr, err); err != nil {
		return err
	}
	verify, cancel := context.WithTimeout(ctx, verifyTimeout)
	defer cancel()
	if _, err := d.table.Sync(verify); err != nil {
		return fmt.Errorf("the order is in force, but the kernel's table is not as it says: %w", err)
	}
	return nil
}

func (d *director) order(req admin.ServerRequest, now time.Time) error {
	service, server, err := find(d.cfg, req.Service, req.Server)
	if err != nil {
		return err
	}
	name := service.Name + separator + server.Address.String()
	o := order{Reason: req.Reason, Since: now}
	if req.For > 0 {
		o.Until = now.Add(req.For)
	}
	message := string(req.Action)
	switch req.Action {
	case admin.Drain:
		o.Mode = ipvs.Drain
	case admin.Disable:
		o.Mode = ipvs.Disable
	case admin.Weight:
		if req.Weight < 0 || req.Weight > int(ipvs.MaxConfigWeight) {
			return fmt.Errorf("weight %d: want 0 to %d", req.Weight, ipvs.MaxConfigWeight)
		}
		o.Override = ipvs.Override{Mode: ipvs.OverrideWeight, Weight: ipvs.Weight(req.Weight)}
		message = fmt.Sprintf("weight %d instead of %d", req.Weight, server.Weight)
	case admin.Enable:
		if _, ok := d.orders[name]; !ok {
			return fmt.Errorf("%s: there is no order to lift", name)
		}
	default:
		return fmt.Errorf("unknown action %q: want drain, disable, enable or weight", req.Action)
	}
	if req.Action == admin.Enable {
		delete(d.orders, name)
	} else {
		d.orders[name] = o
	}
	if !o.Until.IsZero() {
		message += ", until " + o.Until.Format(time.DateTime)
	}
	if req.Reason != "" {
		message += ": " + req.Reason
	}
	d.record(observe.Event{Kind: "operation", Object: name, Reason: string(req.Action), Message: "ordered: " + message})
	d.apply()
	return nil
}

// find names a server of the configuration. Its port may be left out where that is not ambiguous.
func find(cfg *config.Config, service, server string) (*config.Service, *config.Server, error) {
	for i := range cfg.Services {
		s := &cfg.Services[i]
		if s.Name != service {
			continue
		}
		var matches []*config.Server
		var names []string
		for j := range s.Servers {
			addr := s.Servers[j].Address
			if addr.String() == server {
				return s, &s.Servers[j], nil
			}
			if addr.Addr().String() == server {
				matches = append(matches, &s.Servers[j])
			}
			names = append(names, addr.String())
		}
		switch len(matches) {
		case 1:
			return s, matches[0], nil
		case 0:
			return nil, nil, fmt.Errorf("service %s has no server %s; it has %s", service, server, strings.Join(names, ", "))
		}
		return nil, nil, fmt.Errorf("service %s has several servers at %s; name the port", service, server)
	}
	return nil, nil, fmt.Errorf("no service %q in the configuration", service)
}
