package director

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/lbha/lbha/cmd/internal/observe"
	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/healthcheck"
	"github.com/lbha/lbha/ipvs"
)

// pool is a service of the configuration with what is known of its servers.
type pool struct {
	service  *config.Service
	checks   [][]string                // IDs of the checks of each server
	made     []healthcheck.Check       // all of them, in the order of the servers
	paths    marks                     // of those whose probes go the way of the traffic
	outcomes map[ipvs.Key]ipvs.Outcome // as Desired last said
}

// carried is what the kernel's table held when this process began.
type carried map[ipvs.Key]map[netip.AddrPort]ipvs.Weight

func carriedBy(t ipvs.Table) carried {
	c := make(carried, len(t))
	for key, p := range t {
		c[key] = make(map[netip.AddrPort]ipvs.Weight, len(p.Servers))
		for _, s := range p.Servers {
			c[key][s.Addr] = s.Weight
		}
	}
	return c
}

// serving reports whether the table gave the server connections in any of the service's virtual services.
func (c carried) serving(s *config.Service, server *config.Server) bool {
	for _, key := range s.Keys {
		if c[key][s.Destination(key, server)] > 0 {
			return true
		}
	}
	return false
}

// knowledge is what decides about servers besides their configuration.
type knowledge struct {
	check  func(id string) (healthcheck.Status, bool)
	found  carried // in the kernel's table
	orders orders
	now    time.Time
}

// intents says what each virtual service of the pool should be.
func (p *pool) intents(k knowledge) []ipvs.Intent {
	intents := make([]ipvs.Intent, 0, len(p.service.Keys))
	for _, key := range p.service.Keys {
		in := ipvs.Intent{Service: virtualService(p.service, key), Policy: policy(p.service), QuorumLost: p.outcomes[key].QuorumLost}
		in.Members = make([]ipvs.Member, 0, len(p.service.Servers))
		for i := range p.service.Servers {
			server := &p.service.Servers[i]
			addr := p.service.Destination(key, server)
			weight, was := k.found[key][addr]
			in.Members = append(in.Members, ipvs.Member{
				Server:        k.weighed(p.checks[i], realServer(p.service, server, addr)),
				Backup:        server.Backup,
				Verdict:       k.combined(p.service.NeedOf(server), p.checks[i]),
				Share:         k.share(p.service.NeedOf(server), p.checks[i], p.service.SlowStart),
				Carried:       was,
				CarriedWeight: weight,
				Override:      k.orders.override(p.service.Name, server),
			})
		}
		intents = append(intents, in)
	}
	return intents
}

// settle keeps what Desired said of the pool's virtual services, in the order of their keys, and tells what changed for
// the pool as a whole.
func (p *pool) settle(outcomes []ipvs.Outcome, record func(observe.Event)) {
	if p.outcomes == nil {
		p.outcomes = make(map[ipvs.Key]ipvs.Outcome, len(outcomes))
	}
	for n, o := range outcomes {
		was, known := p.outcomes[o.Key]
		p.outcomes[o.Key] = o
		if n > 0 || !known && !o.QuorumLost && !o.Panic {
			continue // all virtual services of a pool share its servers: one line is enough
		}
		if was.QuorumLost != o.QuorumLost {
			record(quorumEvent(p.service, o))
		}
		if was.Panic != o.Panic {
			record(panicEvent(p.service, o))
		}
	}
}

func quorumEvent(s *config.Service, o ipvs.Outcome) observe.Event {
	e := observe.Event{Kind: "service", Object: s.Name, Reason: "quorum-regained", Message: fmt.Sprintf("weight %d is alive, quorum %d: primary servers alone serve", o.Alive, s.Quorum)}
	if o.QuorumLost {
		e.Reason, e.Warn = "quorum-lost", true
		e.Message = fmt.Sprintf("weight %d is alive, quorum %d: backup servers come in where there are any", o.Alive, s.Quorum)
	}
	return e
}

func panicEvent(s *config.Service, o ipvs.Outcome) observe.Event {
	e := observe.Event{Kind: "service", Object: s.Name, Reason: "panic-over", Message: "checks are believed again"}
	if o.Panic {
		e.Reason, e.Warn = "panic", true
		e.Message = fmt.Sprintf("fewer than %.0f %% of the servers are healthy: no more are removed", 100*s.PanicThreshold)
	}
	return e
}

// combined is the verdict on a server of whose checks need must pass.
func (k knowledge) combined(need healthcheck.Need, ids []string) ipvs.Verdict {
	checks := make([]healthcheck.Verdict, 0, 4) // more are rare
	for _, id := range ids {
		st, _ := k.check(id) // a check that is not known is unknown
		checks = append(checks, st.Verdict)
	}
	switch need.Verdict(checks...) {
	case healthcheck.Up:
		return ipvs.Up
	case healthcheck.Down:
		return ipvs.Down
	}
	return ipvs.Unknown
}

// weighed gives a server the weight that its checks say of it: the least, if several do.
func (k knowledge) weighed(ids []string, server ipvs.Server) ipvs.Server {
	configured := server.Weight
	said := false
	for _, id := range ids {
		st, _ := k.check(id)
		if w := ipvs.Weight(st.Weight.Of(uint32(configured))); !st.Weight.IsZero() && (!said || w < server.Weight) {
			server.Weight, said = w, true
		}
	}
	return server
}

// slowSteps is how many times the weight of a returning server grows until it is whole: each is a write to the table.
const slowSteps = 10

// share is the part of its weight that a server gets which passed its checks a moment ago, so that it can warm up; 1 is
// the whole. A server that was found serving has no need of it, nor has one that has served on some of its checks when
// one more passes.
func (k knowledge) share(need healthcheck.Need, ids []string, slow time.Duration) float64 {
	if slow == 0 {
		return 1
	}
	var passed []time.Time
	for _, id := range ids {
		switch st, _ := k.check(id); {
		case st.Verdict != healthcheck.Up:
		case st.Reason == healthcheck.ReasonPassed || st.Reason == healthcheck.ReasonPeer:
			passed = append(passed, st.Since)
		default:
			passed = append(passed, time.Time{})
		}
	}
	want := need.Of(len(ids))
	if want == 0 || len(passed) < want {
		return 1
	}
	slices.SortFunc(passed, time.Time.Compare)
	if age := k.now.Sub(passed[want-1]); age < slow {
		return float64(1+int(slowSteps*age/slow)) / slowSteps
	}
	return 1
}

func virtualService(s *config.Service, key ipvs.Key) ipvs.Service {
	// config has validated flags and netmask: their errors cannot be.
	v := ipvs.Service{Key: key, Scheduler: s.Scheduler, OnePacket: s.OnePacket}
	v.Flags, _ = ipvs.NewFlags(s.Scheduler, s.Flags...)
	if s.Persistence != nil {
		v.Persistence = s.Persistence.Timeout
		v.Netmask, _ = ipvs.NewNetmask(key.Family(), s.Persistence.Netmask)
	}
	return v
}

func realServer(s *config.Service, server *config.Server, addr netip.AddrPort) ipvs.Server {
	return ipvs.Server{
		Addr:           addr,
		Forward:        s.Forward,
		Weight:         server.Weight,
		UpperThreshold: server.MaxConnections,
		LowerThreshold: server.MinConnections,
		Tunnel:         s.Tunnel,
	}
}

func policy(s *config.Service) ipvs.Policy {
	return ipvs.Policy{
		Quorum:         ipvs.Weight(s.Quorum),
		Hysteresis:     ipvs.Weight(s.Hysteresis),
		PanicThreshold: s.PanicThreshold,
		OnFail:         s.OnFail,
	}
}
