package elector

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lbha/lbha/vrrp"
	"github.com/lbha/lbha/vrrp/address"
)

// followers are the routes and rules that an instance has while it is master. They never cost it anything: what cannot be
// had is a finding, and is tried again.
type followers struct {
	routes []address.Route // that are there, as far as we know
	rules  []address.Rule
	lacks  string // what is not, and why; empty: nothing
}

// findingRouteMissing is of a route or rule of the instance that the kernel does not take.
const findingRouteMissing vrrp.Reason = "route-missing"

// errForeign: the table has an entry for the same, of somebody else.
var errForeign = errors.New("there is one already, of somebody else, which stays")

// wantedRoutes are the routes of the instance, on links as they are now, and why some cannot be.
func (e *elector) wantedRoutes(in *instance) (routes []address.Route, lacks []string) {
	for _, r := range in.cfg.Routes {
		i := e.ifaces[r.Device]
		if i == nil || i.index == 0 {
			lacks = append(lacks, fmt.Sprintf("route %v: interface %s does not exist", r.Destination, r.Device))
			continue
		}
		routes = append(routes, address.Route{Destination: r.Destination, Via: r.Via, Index: i.index, Source: r.Source, Table: r.Table, Metric: r.Metric})
	}
	return routes, lacks
}

func wantedRules(in *instance) (rules []address.Rule) {
	for _, r := range in.cfg.Rules {
		rules = append(rules, address.Rule{From: r.From, To: r.To, Table: r.Table, Priority: r.Priority})
	}
	return rules
}

// follow makes routes and rules of a master those that are configured. Addresses come first: a route may name one.
func (e *elector) follow(in *instance) {
	routes, lacks := e.wantedRoutes(in)
	rules := wantedRules(in)
	e.unfollowAll(in, without(in.routes, routes), without(in.rules, rules))
	in.routes, lacks = ensure(e, in, in.routes, routes, lacks, e.rtnl.AddRoutes, e.rtnl.RemoveRoutes)
	in.rules, lacks = ensure(e, in, in.rules, rules, lacks, e.rtnl.AddRules, e.rtnl.RemoveRules)
	e.lack(in, strings.Join(lacks, "; "))
}

// lack says what an instance has not of its routes and rules; "": nothing.
func (e *elector) lack(in *instance, now string) {
	if now != in.lacks {
		in.lacks = now
		e.finding(in, &vrrp.Finding{Reason: findingRouteMissing, Detail: now, Cleared: now == ""})
	}
}

// entry is a route or a rule.
type entry interface {
	comparable
	fmt.Stringer
}

// ensure adds what is wanted. What is known to be there is added, too: to do so costs a request and changes nothing, and
// tells what somebody has removed.
func ensure[T entry](e *elector, in *instance, known, wanted []T, lacks []string, add, remove func([]T) []error) ([]T, []string) {
	if len(wanted) == 0 {
		return nil, lacks
	}
	var there, stale []T
	for k, err := range add(wanted) {
		if err == nil {
			e.routed++
		}
		had := slices.Contains(known, wanted[k])
		switch {
		case err == nil && had:
			e.happened(in, "address", "route-lost", fmt.Sprintf("%v was removed by somebody, and is back", wanted[k]), true)
			there = append(there, wanted[k])
		case err == nil, had && errors.Is(err, address.ErrExists):
			there = append(there, wanted[k])
		case errors.Is(err, address.ErrExists):
			stale = append(stale, wanted[k])
		default:
			lacks = append(lacks, fmt.Sprintf("%v: %v", wanted[k], err))
		}
	}
	if len(stale) == 0 {
		return there, lacks
	}
	// Ours from former times, which may lead elsewhere, or not ours.
	remove(stale)
	for k, err := range add(stale) {
		switch {
		case err == nil:
			e.routed++
			there = append(there, stale[k])
		case errors.Is(err, address.ErrExists):
			lacks = append(lacks, fmt.Sprintf("%v: %v", stale[k], errForeign))
		default:
			lacks = append(lacks, fmt.Sprintf("%v: %v", stale[k], err))
		}
	}
	return there, lacks
}

// unfollow removes what the instance has, or would have: a former process may have left it.
func (e *elector) unfollow(in *instance) {
	routes, _ := e.wantedRoutes(in)
	rules := wantedRules(in)
	e.unfollowAll(in, append(routes, without(in.routes, routes)...), append(rules, without(in.rules, rules)...))
	e.lack(in, "") // who is not master wants none
	in.followers = followers{}
}

// unfollowAll removes routes and rules that no other instance has.
func (e *elector) unfollowAll(in *instance, routes []address.Route, rules []address.Rule) {
	if len(routes)+len(rules) == 0 {
		return
	}
	for _, other := range e.instances {
		if other != in {
			routes, rules = without(routes, other.routes), without(rules, other.rules)
		}
	}
	var errs []error
	if len(routes) > 0 {
		errs = e.rtnl.RemoveRoutes(routes)
	}
	if len(rules) > 0 {
		errs = append(errs, e.rtnl.RemoveRules(rules)...)
	}
	errs = slices.DeleteFunc(errs, func(err error) bool { return errors.Is(err, address.ErrAbsent) })
	if err := errors.Join(errs...); err != nil {
		e.limited(in, "routes", "address", "release-failed", err.Error())
	}
}

// without is what of all is not among some.
func without[T comparable](all, some []T) []T {
	var rest []T
	for _, x := range all {
		if !slices.Contains(some, x) {
			rest = append(rest, x)
		}
	}
	return rest
}

// keepRoutes repairs what somebody removed, and tries again what could not be had.
func (e *elector) keepRoutes() {
	for _, in := range e.instances {
		if in.machine.State() == vrrp.Master && (len(in.cfg.Routes) > 0 || len(in.cfg.Rules) > 0) {
			e.follow(in)
		}
	}
}

// Routes are looked at every routesPeriod, in one part of routesShare of the time where there are many.
const (
	routesPeriod = 10 * time.Second
	routesShare  = 100
)

// lookAtRoutes finds out whether the routes of masters are still theirs. To add one again, as keepRoutes does, tells only
// that there is one with its key: somebody may have put his own in its place. For a look the kernel walks its tables,
// beside the loop; it is none if a route was added meanwhile.
func (e *elector) lookAtRoutes(t vrrp.Instant) {
	if t < e.routesNext || !e.room(t) {
		return
	}
	if !slices.ContainsFunc(e.instances, func(in *instance) bool { return len(in.routes) > 0 }) {
		e.routesNext = t.Add(tickPeriod)
		return
	}
	routed := e.routed
	if e.aside.begin(func(conn *address.Conn) func() {
		begin := now()
		ours, err := conn.Routes()
		next := now().Add(max(routesPeriod, routesShare*now().Sub(begin)))
		return func() {
			e.routesNext = next
			if err == nil && routed == e.routed { // else the next look tells
				e.compareRoutes(ours)
			}
		}
	}) {
		e.routesNext = t.Add(tickPeriod)
	}
}

// compareRoutes takes in which routes the kernel has with our mark. What is not among them was replaced: the other's
// stays, and that is a finding, until it goes.
func (e *elector) compareRoutes(ours []address.Route) {
	for _, in := range e.instances {
		gone := slices.DeleteFunc(slices.Clone(in.routes), func(r address.Route) bool {
			return slices.ContainsFunc(ours, func(o address.Route) bool { return sameRoute(r, o) })
		})
		if len(gone) == 0 {
			continue
		}
		for _, r := range gone {
			e.happened(in, "address", "route-lost", fmt.Sprintf("%v was removed, or replaced, by somebody", r), true)
		}
		in.routes = without(in.routes, gone)
		e.follow(in)
	}
}

// sameRoute reports whether a route that we added is what the kernel tells of one. It completes some.
func sameRoute(added, told address.Route) bool {
	if added.Metric == 0 && added.Destination.Addr().Is6() {
		added.Metric = 1024 // IP6_RT_PRIO_USER
	}
	return added.Destination == told.Destination && added.Table == told.Table && added.Metric == told.Metric &&
		added.Via == told.Via && added.Index == told.Index
}

// resumeRoutes believes that a master which goes on where a former process stopped has all that it wants.
func (e *elector) resumeRoutes(in *instance) {
	if in.machine.State() != vrrp.Master {
		return
	}
	in.routes, _ = e.wantedRoutes(in)
	in.rules = wantedRules(in)
}

// sweepRoutes removes what a former process left of routes and rules. There is no master yet, who could not wait for so
// long.
func (e *elector) sweepRoutes() {
	routes, err := e.rtnl.Routes()
	rules, rulesErr := e.rtnl.Rules()
	if err := errors.Join(err, rulesErr); err != nil {
		e.happened(nil, "process", "routes-unreadable", err.Error(), true)
	}
	if len(routes)+len(rules) > 0 {
		e.happened(nil, "address", "orphan-released", fmt.Sprintf("%d routes and %d rules of a former configuration were still there", len(routes), len(rules)), false)
		e.rtnl.RemoveRoutes(routes)
		e.rtnl.RemoveRules(rules)
	}
}

// findings completes what the machine finds by what only the kernel's tables say.
func (f *followers) findings(of []vrrp.Finding) []vrrp.Finding {
	if f.lacks == "" {
		return of
	}
	return append(of[:len(of):len(of)], vrrp.Finding{Reason: findingRouteMissing, Detail: f.lacks})
}
