package director

import (
	"cmp"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/lbha/lbha/cmd/internal/observe"
	"github.com/lbha/lbha/healthcheck"
)

// tally counts what the probes find. The checker's goroutine writes, in a few additions a result; observers read.
type tally struct{ index atomic.Pointer[tallies] }

// tallies says where to count. Its maps are immutable; the counters behind them are kept over reloads.
type tallies struct {
	services map[string]*serviceTally
	endings  []healthcheck.Failure // what a probe can end in: success, which is the empty one, and the failures
}

// serviceTally is where the results of one service count. Its maps are immutable, too.
type serviceTally struct {
	latency *observe.Histogram    // of what passed
	results map[string]*results   // by type of check
	checks  map[string]checkTally // by the ID of the check
}

// checkTally is where the results of one check count beside those of its service.
type checkTally struct {
	latency *observe.Histogram
	results *results
}

// results are counters, in the order of tallies.endings.
type results []atomic.Uint64

// lay makes room for a set of checks, those that run from now on, in which the checks of a service stand together. A
// service whose checks are as they were keeps its tally as it is. It is called by one goroutine at a time.
func (t *tally) lay(checks []healthcheck.Check) {
	old := t.index.Load()
	if old == nil {
		old = &tallies{endings: append([]healthcheck.Failure{""}, healthcheck.Failures()...)}
	}
	next := &tallies{services: make(map[string]*serviceTally, len(old.services)+1), endings: old.endings}
	for len(checks) > 0 {
		name, n := checks[0].Group, 1
		for n < len(checks) && checks[n].Group == name {
			n++
		}
		former := old.services[name]
		if !former.isOf(checks[:n]) {
			former = newServiceTally(checks[:n], former, len(next.endings))
		}
		next.services[name] = former
		checks = checks[n:]
	}
	t.index.Store(next)
}

// isOf reports whether the tally is of these checks.
func (s *serviceTally) isOf(checks []healthcheck.Check) bool {
	if s == nil || len(s.checks) != len(checks) {
		return false
	}
	for i := range checks {
		if _, ok := s.checks[checks[i].ID]; !ok {
			return false
		}
	}
	return true
}

// newServiceTally makes room for the checks of a service, whose probes can end in so many ways, and goes on counting what
// former, which may be nil, has counted.
func newServiceTally(checks []healthcheck.Check, former *serviceTally, endings int) *serviceTally {
	if former == nil {
		former = &serviceTally{latency: new(observe.Histogram)}
	}
	s := &serviceTally{latency: former.latency, results: make(map[string]*results), checks: make(map[string]checkTally, len(checks))}
	for i := range checks {
		id := checks[i].ID
		kind := kindOf(id)
		if s.results[kind] == nil {
			counters := make(results, endings)
			s.results[kind] = cmp.Or(former.results[kind], &counters)
		}
		c := checkTally{latency: former.checks[id].latency, results: s.results[kind]}
		if c.latency == nil {
			c.latency = new(observe.Histogram)
		}
		s.checks[id] = c
	}
	return s
}

// of returns the tally of a service, which is empty if there is none.
func (t *tally) of(service string) (*serviceTally, []healthcheck.Failure) {
	if x := t.index.Load(); x != nil && x.services[service] != nil {
		return x.services[service], x.endings
	}
	return &serviceTally{}, nil
}

// observe counts a result. It is the checker's hook.
func (t *tally) observe(id string, r healthcheck.Result) {
	name, _ := owner(id)
	s, endings := t.of(name)
	c, ok := s.checks[id]
	if !ok {
		return // of a check that is on its way out
	}
	if r.OK() {
		c.latency.Observe(r.Latency)
		s.latency.Observe(r.Latency)
	}
	if n := slices.Index(endings, r.Failure); n >= 0 {
		(*c.results)[n].Add(1)
	}
}

// latency returns the latencies of a check.
func (t *tally) latency(id string) observe.Latencies {
	name, _ := owner(id)
	s, _ := t.of(name)
	if c, ok := s.checks[id]; ok {
		return c.latency.Latencies()
	}
	return observe.Latencies{}
}

// service returns the latencies of a service, and how its probes ended.
func (t *tally) service(name string) (latencies observe.Latencies, ended []observe.CheckResult) {
	s, endings := t.of(name)
	if s.latency == nil {
		return latencies, nil
	}
	for kind, counters := range s.results {
		for i, f := range endings {
			if n := (*counters)[i].Load(); n > 0 {
				ended = append(ended, observe.CheckResult{Type: kind, Result: word(f), Count: n})
			}
		}
	}
	slices.SortFunc(ended, func(a, b observe.CheckResult) int {
		return cmp.Or(strings.Compare(a.Type, b.Type), strings.Compare(a.Result, b.Result))
	})
	return s.latency.Latencies(), ended
}

// word is a failure, or its absence, as metrics and status say it.
func word(f healthcheck.Failure) string { return cmp.Or(string(f), "ok") }
