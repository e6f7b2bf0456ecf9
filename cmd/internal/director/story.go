package director

import (
	"fmt"
	"strings"
	"time"

	"github.com/lbha/lbha/cmd/internal/observe"
	"github.com/lbha/lbha/healthcheck"
	"github.com/lbha/lbha/ipvs"
)

// Explain tells why a server is as it is. It implements admin.Backend, and runs on the observer's goroutine.
func (d *director) Explain(service, server string) (*observe.Story, error) {
	v := d.board.view.Load()
	if v == nil {
		return nil, fmt.Errorf("lbha is still starting")
	}
	s, r, err := find(v.cfg, service, server)
	if err != nil {
		return nil, err
	}
	for k := range v.pools {
		p := &v.pools[k]
		if p.service.Name != s.Name {
			continue
		}
		for n := range p.service.Servers {
			if p.service.Servers[n].Address == r.Address {
				return d.story(v, p, n), nil
			}
		}
	}
	return nil, fmt.Errorf("service %s is not in force yet", service)
}

func (d *director) story(v *view, p *poolView, n int) *observe.Story {
	server := &p.service.Servers[n]
	story := &observe.Story{Service: p.service.Name, Server: server.Address.String(), Checks: []observe.CheckStory{}}
	verdict, deciding, checked := d.deciding(p, n)
	t := telling{
		now: time.Now(), service: p.service.Name, verdict: verdict, checked: checked, check: deciding,
		pace: v.paces[p.service.Name], order: v.orders.text(p.service.Name, server),
	}
	if len(p.outcomes) > 0 && n < len(p.outcomes[0].Members) {
		t.outcome, t.member = p.outcomes[0], n
	}
	for i := range p.service.Servers {
		t.backup = append(t.backup, p.service.Servers[i].Backup)
	}
	story.Line = t.line()
	for _, st := range d.statuses(p.checks[n]) {
		story.Checks = append(story.Checks, checkStory(st, d.tally.latency(st.ID)))
	}
	return story
}

func checkStory(st healthcheck.Status, latency observe.Latencies) observe.CheckStory {
	c := observe.CheckStory{
		Type: kindOf(st.ID), Target: st.Target, State: st.Verdict.String(), Since: st.Since, Reason: string(st.Reason),
		Flapping: st.Flapping, Successes: st.Successes, Failures: st.Failures, Results: st.Results, Ignored: st.Ignored,
		Recent: []observe.Probed{}, Latency: latency,
	}
	for _, r := range st.Recent() {
		c.Recent = append(c.Recent, observe.Probed{Time: r.At, Result: word(r.Failure), Detail: r.Detail, Latency: r.Latency, Late: r.Late})
	}
	return c
}

// telling is what the line about a server is made of.
type telling struct {
	now     time.Time
	service string
	verdict healthcheck.Verdict
	checked bool // it has checks
	check   healthcheck.Status
	pace    healthcheck.Pace
	order   string
	outcome ipvs.Outcome // zero while nothing is decided
	member  int          // of outcome
	backup  []bool       // which members are backup servers
}

// line is the whole story: "down since 12:03:11: timeout in connect after 1s, 3 of 3; was http 200 in 12ms until
// 12:03:05; removed from www; 3 of 4 left".
func (t telling) line() string {
	parts := []string{t.cause()}
	if st := t.check; t.checked {
		if st.Before.At.After(time.Time{}) {
			parts = append(parts, fmt.Sprintf("was %s until %s", said(st.Before), t.clock(st.Before.At)))
		}
		if st.Flapping {
			flapping := fmt.Sprintf("flapping: stays out until it has been well for %v", st.Spec.Damping.Hold)
			if !st.Well.IsZero() {
				flapping += ", and is since " + t.clock(st.Well)
			}
			parts = append(parts, flapping)
		}
		if t.verdict == healthcheck.Up && st.Failures > 0 {
			parts = append(parts, fmt.Sprintf("%d of %d failures: %s", st.Failures, st.Spec.Fall, said(st.Last)))
		}
		if t.verdict == healthcheck.Down && st.Successes > 0 && !st.Flapping {
			parts = append(parts, fmt.Sprintf("%d of %d successes: %s", st.Successes, st.Spec.Rise, said(st.Last)))
		}
	}
	if w := t.check.Weight; !w.IsZero() && t.verdict == healthcheck.Up {
		parts = append(parts, "says of its weight: "+w.String())
	}
	if t.order != "" {
		parts = append(parts, "ordered "+t.order)
	}
	parts = append(parts, t.place()...)
	if t.pace != healthcheck.Same {
		parts = append(parts, fmt.Sprintf("checks are %s while another director is master", map[healthcheck.Pace]string{
			healthcheck.Slower: "slower", healthcheck.Off: "off"}[t.pace]))
	}
	return strings.Join(parts, "; ")
}

// cause is what made the verdict, and when.
func (t telling) cause() string {
	st := t.check
	if !t.checked {
		return "up: it has no check"
	}
	head := fmt.Sprintf("%s since %s: ", t.verdict, t.clock(st.Since))
	switch {
	case st.Verdict == healthcheck.Unknown && st.Results == 0:
		return head + "no result yet"
	case st.Verdict == healthcheck.Unknown:
		return head + said(st.Last)
	case st.Cause.At.IsZero():
		return head + map[healthcheck.Reason]string{
			healthcheck.ReasonInitial:  "by its configuration",
			healthcheck.ReasonAdopted:  "the kernel's table had it when this director began",
			healthcheck.ReasonRestored: "as before the restart",
		}[st.Reason]
	}
	head += said(st.Cause)
	switch {
	case st.Reason == healthcheck.ReasonPeer:
		return head // at the word of another
	case st.Verdict == healthcheck.Up:
		return head + fmt.Sprintf(", %d of %[1]d", st.Spec.Rise)
	case st.Before.At.IsZero():
		return head + ", at the first probes" // one failure is enough of a server that is not in use
	}
	return head + fmt.Sprintf(", %d of %[1]d", st.Spec.Fall)
}

// place is where the server is in the table, and what its service is left with.
func (t telling) place() []string {
	if len(t.outcome.Members) == 0 {
		return nil
	}
	m := t.outcome.Members[t.member]
	where := fmt.Sprintf("in %s with weight %d", t.service, m.Weight)
	switch m.Placement {
	case ipvs.OutDown:
		where = "removed from " + t.service
	case ipvs.OutUnproven:
		where = "not in " + t.service + " before its first success"
	case ipvs.OutStandby:
		where = "a backup that " + t.service + " does not need now"
	case ipvs.OutDisabled:
		where = "taken out of " + t.service
	case ipvs.InQuiesced:
		where = "quiesced in " + t.service + ": no new connections"
	case ipvs.InDraining:
		where = "drained in " + t.service + ": no new connections"
	case ipvs.InPanic:
		where = "kept in " + t.service + ": too many servers fail at once to believe it"
	case ipvs.InAdopted:
		where = "left in " + t.service + " as it was found"
	}
	left, all := 0, 0
	for i, o := range t.outcome.Members {
		if t.backup[i] {
			continue
		}
		all++
		if o.Weight > 0 {
			left++
		}
	}
	return []string{where, fmt.Sprintf("%d of %d left", left, all)}
}

// said is a result in the words of its probe, or else the word for it.
func said(r healthcheck.Result) string {
	if r.Detail != "" {
		return r.Detail
	}
	return word(r.Failure)
}

// clock is a time of day, with its date if that is not today's.
func (t telling) clock(at time.Time) string {
	at = at.In(t.now.Location())
	if at.YearDay() == t.now.YearDay() && at.Year() == t.now.Year() {
		return at.Format(time.TimeOnly)
	}
	return at.Format(time.DateTime)
}
