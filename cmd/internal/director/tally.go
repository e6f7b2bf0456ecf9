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
	checks  map[string]checkTally          // by the ID of the check
	latency map[string]*observe.Histogram  // by service, of what passed
	results map[string]map[string]*results // by service, and type of check
	endings []healthcheck.Failure          // what a probe can end in: success, which is the empty one, and the failures
}

// checkTally is where the results of one check count.
type checkTally struct {
	own, service *observe.Histogram
	results      *results
}

// results are counters, in the order of tallies.endings.
type results []atomic.Uint64

// lay makes room for a set of checks, those that run from now on. It is called by one goroutine at a time.
func (t *tally) lay(checks []healthcheck.Check) {
	old := t.index.Load()
	if old == nil {
		old = &tallies{}
	}
	next := &tallies{
		checks:  make(map[string]checkTally, len(checks)),
		latency: make(map[string]*observe.Histogram),
		results: make(map[string]map[string]*results),
		endings: append([]healthcheck.Failure{""}, healthcheck.Failures()...),
	}
	for i := range checks {
		c := &checks[i]
		kind := kindOf(c.ID)
		if next.latency[c.Group] == nil {
			next.latency[c.Group] = cmp.Or(old.latency[c.Group], new(observe.Histogram))
			next.results[c.Group] = make(map[string]*results)
		}
		if next.results[c.Group][kind] == nil {
			counters := make(results, len(next.endings))
			next.results[c.Group][kind] = cmp.Or(old.results[c.Group][kind], &counters)
		}
		next.checks[c.ID] = checkTally{
			own:     cmp.Or(old.checks[c.ID].own, new(observe.Histogram)),
			service: next.latency[c.Group],
			results: next.results[c.Group][kind],
		}
	}
	t.index.Store(next)
}

// observe counts a result. It is the checker's hook.
func (t *tally) observe(id string, r healthcheck.Result) {
	x := t.index.Load()
	if x == nil {
		return
	}
	c, ok := x.checks[id]
	if !ok {
		return // of a check that is on its way out
	}
	if r.OK() {
		c.own.Observe(r.Latency)
		c.service.Observe(r.Latency)
	}
	if n := slices.Index(x.endings, r.Failure); n >= 0 {
		(*c.results)[n].Add(1)
	}
}

// latency returns the latencies of a check.
func (t *tally) latency(id string) observe.Latencies {
	if x := t.index.Load(); x != nil && x.checks[id].own != nil {
		return x.checks[id].own.Latencies()
	}
	return observe.Latencies{}
}

// service returns the latencies of a service, and how its probes ended.
func (t *tally) service(name string) (latencies observe.Latencies, ended []observe.CheckResult) {
	x := t.index.Load()
	if x == nil || x.latency[name] == nil {
		return latencies, nil
	}
	for kind, counters := range x.results[name] {
		for i, f := range x.endings {
			if n := (*counters)[i].Load(); n > 0 {
				ended = append(ended, observe.CheckResult{Type: kind, Result: word(f), Count: n})
			}
		}
	}
	slices.SortFunc(ended, func(a, b observe.CheckResult) int {
		return cmp.Or(strings.Compare(a.Type, b.Type), strings.Compare(a.Result, b.Result))
	})
	return x.latency[name].Latencies(), ended
}

// word is a failure, or its absence, as metrics and status say it.
func word(f healthcheck.Failure) string { return cmp.Or(string(f), "ok") }
