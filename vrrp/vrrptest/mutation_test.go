package vrrptest

import (
	"testing"
	"time"

	"github.com/lbha/lbha/vrrp"
)

// TestMutations proves that the properties can fail: each mutation takes one
// guard away, around the machine and not in it, and some seed must notice.
func TestMutations(t *testing.T) {
	for _, m := range []struct {
		name    string
		spoil   func(Router) Router
		mislead func(*vrrp.Config)
	}{
		{name: "no skew", spoil: func(r Router) Router { return &noSkew{Router: r} }},
		{name: "tie-break reversed", spoil: func(r Router) Router { return &reversedTie{Router: r} }},
		{name: "a rejected advert re-arms the timer", spoil: func(r Router) Router { return &rearming{Router: r} }},
		{name: "a stalled master does not listen", spoil: func(r Router) Router { return &unaware{Router: r} }},
		{name: "priority 0 is ignored", spoil: func(r Router) Router { return without[vrrp.AdvertReceived]{r, resigns} }},
		{name: "priority 0 counts from anybody", spoil: func(r Router) Router { return &credulous{Router: r} }},
		{name: "interval 0 is believed", spoil: func(r Router) Router { return &hasty{Router: r} }},
		{name: "a master that yields keeps the addresses", spoil: func(r Router) Router { return &holding{Router: r} }},
		{name: "a lease is renewed whether adverts leave or not", spoil: func(r Router) Router { return &renewing{Router: r} }},
		{name: "a lost address is not put back", spoil: func(r Router) Router { return without[vrrp.AddressLost]{r, any1} }},
		{name: "the loser does not say that it was there", spoil: func(r Router) Router { return &taciturn{Router: r} }},
		{name: "the loser says it once", spoil: func(r Router) Router { return &laconic{Router: r} }},
		{name: "the loser does not stop saying it", spoil: func(r Router) Router { return &garrulous{laconic: laconic{Router: r}} }},
		{name: "nopreempt is forgotten", spoil: func(r Router) Router { return &forgetful{Router: r} }},
		{name: "preempt_delay is forgotten", mislead: func(c *vrrp.Config) { c.PreemptDelay = 0 }},
		{name: "who must not preempt does", mislead: func(c *vrrp.Config) { c.Preempt = true }},
	} {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(2000) {
				if problems := play(seed+1, kind{spoil: m.spoil, mislead: m.mislead}, nil); len(problems) > 0 {
					t.Logf("seed %d: %s", seed+1, problems[0])
					return
				}
			}
			t.Error("no seed noticed")
		})
	}
}

// TestGroupMutations proves the same of groups.
func TestGroupMutations(t *testing.T) {
	for _, m := range []struct {
		name  string
		spoil func(*vrrp.Group, []*vrrp.Machine) Group
	}{
		{"each member for itself", func(g *vrrp.Group, members []*vrrp.Machine) Group {
			g.Disband()
			return uncoupled(members)
		}},
		{"who follows keeps the addresses", func(g *vrrp.Group, _ []*vrrp.Machine) Group { return reluctant{g} }},
	} {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(2000) {
				if problems := play(seed+1, kind{grouped: true, spoilGroup: m.spoil}, nil); len(problems) > 0 {
					t.Logf("seed %d: %s", seed+1, problems[0])
					return
				}
			}
			t.Error("no seed noticed")
		})
	}
}

// uncoupled is a group of independent machines.
type uncoupled []*vrrp.Machine

func (u uncoupled) Step(now vrrp.Instant, member int, ev vrrp.Event) (all []vrrp.MemberEffect) {
	for i, m := range u {
		_, start := ev.(vrrp.Started)
		if i != member && (start || !common(ev)) {
			continue
		}
		for _, e := range m.Step(now, ev) {
			all = append(all, vrrp.MemberEffect{Member: i, Effect: e})
		}
	}
	return all
}

func (u uncoupled) Deadline() (vrrp.Instant, bool) {
	first := never
	for _, m := range u {
		if at, ok := m.Deadline(); ok {
			first = min(first, at)
		}
	}
	return first, first != never
}

// reluctant forgets what members have to give up because of another.
type reluctant struct{ Group }

func (r reluctant) Step(now vrrp.Instant, member int, ev vrrp.Event) (kept []vrrp.MemberEffect) {
	for _, e := range r.Group.Step(now, member, ev) {
		if _, ok := e.Effect.(vrrp.Release); !ok || e.Member == member || common(ev) {
			kept = append(kept, e)
		}
	}
	return kept
}

// without drops events.
type without[E vrrp.Event] struct {
	Router
	drop func(E) bool
}

func resigns(ad vrrp.AdvertReceived) bool { return ad.Priority == vrrp.PriorityResign }
func any1(vrrp.AddressLost) bool          { return true }

func (w without[E]) Step(now vrrp.Instant, ev vrrp.Event) []vrrp.Effect {
	if e, ok := ev.(E); ok && w.drop(e) {
		return nil
	}
	return w.Router.Step(now, ev)
}

// noSkew lets a backup's timer fire as early as that of the best priority.
type noSkew struct{ Router }

func (r *noSkew) early() time.Duration {
	if r.State() != vrrp.Backup {
		return 0
	}
	s := r.Status()
	return vrrp.Skew(s.Version, s.Priority, s.Interval) - vrrp.Skew(s.Version, vrrp.PriorityOwner, s.Interval)
}

func (r *noSkew) Deadline() (vrrp.Instant, bool) {
	at, ok := r.Router.Deadline()
	return at.Add(-r.early()), ok
}

func (r *noSkew) Step(now vrrp.Instant, ev vrrp.Event) []vrrp.Effect {
	if _, ok := ev.(vrrp.TimerFired); ok {
		now = now.Add(r.early())
	}
	return r.Router.Step(now, ev)
}

// reversedTie makes the lower address win.
type reversedTie struct{ Router }

func (r *reversedTie) Step(now vrrp.Instant, ev vrrp.Event) []vrrp.Effect {
	if ad, ok := ev.(vrrp.AdvertReceived); ok && r.State() == vrrp.Master && ad.Priority == r.Priority() &&
		ad.Priority > 1 && ad.Priority < 255 {
		if ad.Source.Compare(r.Status().Source) > 0 {
			ad.Priority--
		} else {
			ad.Priority++
		}
		ev = ad
	}
	return r.Router.Step(now, ev)
}

// rearming lets whatever a backup ignores count as an advert of its master.
type rearming struct{ Router }

func (r *rearming) Step(now vrrp.Instant, ev vrrp.Event) []vrrp.Effect {
	effects := r.Router.Step(now, ev)
	ad, ok := ev.(vrrp.AdvertReceived)
	if !ok || r.State() != vrrp.Backup || len(effects) == 0 {
		return effects
	}
	if _, ok := effects[len(effects)-1].(vrrp.Reject); ok {
		s := r.Status()
		ad.Source, ad.Priority, ad.Version, ad.Interval = s.Master.Address, vrrp.PriorityOwner, s.Version, s.Interval
		ad.Addresses = vips(1)
		return r.Router.Step(now, ad)
	}
	return effects
}

// unaware does not notice a pause: it lives through it afterwards.
type unaware struct{ Router }

func (r *unaware) Step(now vrrp.Instant, ev vrrp.Event) []vrrp.Effect {
	var all []vrrp.Effect
	for r.State() == vrrp.Master {
		at, ok := r.Router.Deadline()
		if !ok || at >= now {
			break
		}
		for _, e := range r.Router.Step(at, vrrp.TimerFired{}) {
			if _, ok := e.(vrrp.Send); ok {
				all = append(all, e)
			}
		}
	}
	return append(all, r.Router.Step(now, ev)...)
}

// credulous takes any resignation for the master's.
type credulous struct{ Router }

func (r *credulous) Step(now vrrp.Instant, ev vrrp.Event) []vrrp.Effect {
	if ad, ok := ev.(vrrp.AdvertReceived); ok && resigns(ad) && r.State() == vrrp.Backup {
		if master := r.Status().Master.Address; master.IsValid() {
			ad.Source = master
			ev = ad
		}
	}
	return r.Router.Step(now, ev)
}

// hasty believes an interval of 0, as near as a machine can.
type hasty struct{ Router }

func (r *hasty) Step(now vrrp.Instant, ev vrrp.Event) []vrrp.Effect {
	if ad, ok := ev.(vrrp.AdvertReceived); ok && ad.Interval == 0 {
		ad.Interval = 1
		ev = ad
	}
	return r.Router.Step(now, ev)
}

// holding forgets the release when it yields.
type holding struct{ Router }

func (r *holding) Step(now vrrp.Instant, ev vrrp.Event) []vrrp.Effect {
	effects := r.Router.Step(now, ev)
	if _, ok := ev.(vrrp.AdvertReceived); !ok {
		return effects
	}
	var kept []vrrp.Effect
	for _, e := range effects {
		if _, ok := e.(vrrp.Release); !ok {
			kept = append(kept, e)
		}
	}
	return kept
}

// renewing renews with every timer.
type renewing struct{ Router }

func (r *renewing) Step(now vrrp.Instant, ev vrrp.Event) []vrrp.Effect {
	effects := r.Router.Step(now, ev)
	if _, ok := ev.(vrrp.TimerFired); ok && r.State() == vrrp.Master {
		effects = append(effects, vrrp.Renew{Lease: 2 * time.Second})
	}
	return effects
}

// taciturn yields in silence, and stays silent.
type taciturn struct{ Router }

func (r *taciturn) Step(now vrrp.Instant, ev vrrp.Event) []vrrp.Effect {
	effects := r.Router.Step(now, ev)
	if _, ok := ev.(vrrp.AdvertReceived); !ok || r.State() != vrrp.Backup {
		return effects
	}
	return withoutSends(effects)
}

// laconic does not repeat what may not have been heard.
type laconic struct{ Router }

func (r *laconic) Step(now vrrp.Instant, ev vrrp.Event) []vrrp.Effect {
	was := r.State()
	effects := r.Router.Step(now, ev)
	if was != vrrp.Backup || r.State() != vrrp.Backup {
		return effects
	}
	return withoutSends(effects)
}

// garrulous answers its master for ever.
type garrulous struct {
	laconic
	was bool // master
}

func (r *garrulous) Step(now vrrp.Instant, ev vrrp.Event) []vrrp.Effect {
	effects := r.laconic.Step(now, ev)
	ad, ok := ev.(vrrp.AdvertReceived)
	r.was = r.was || r.State() == vrrp.Master
	if ok && r.was && r.State() == vrrp.Backup && ad.Source == r.Status().Master.Address && ad.Priority > vrrp.PriorityLowest {
		s := r.Status()
		effects = append(effects, vrrp.Send{VRID: s.VRID, Version: s.Version, Priority: vrrp.PriorityLowest, Interval: s.Interval, Source: s.Source, Addresses: vips(1)})
	}
	return effects
}

func withoutSends(effects []vrrp.Effect) []vrrp.Effect {
	var kept []vrrp.Effect
	for _, e := range effects {
		if _, ok := e.(vrrp.Send); !ok {
			kept = append(kept, e)
		}
	}
	return kept
}

// forgetful preempts although it was told not to.
type forgetful struct{ Router }

func (r *forgetful) Step(now vrrp.Instant, ev vrrp.Event) []vrrp.Effect {
	if ad, ok := ev.(vrrp.AdvertReceived); ok && r.State() == vrrp.Backup && ad.Priority < r.Priority() && ad.Priority > 0 {
		return nil
	}
	return r.Router.Step(now, ev)
}
