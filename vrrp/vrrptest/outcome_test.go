package vrrptest

import (
	"slices"
	"time"

	"github.com/lbha/lbha/vrrp"
)

// This file is what must have become of a schedule when all is healed.

// patience is how long an election may take after the last fault.
func (s *schedule) patience() time.Duration {
	down := vrrp.MasterDown(s.base.Version, vrrp.PriorityLowest, s.longest, vrrp.DefaultDownAdverts)
	listen := vrrp.MasterDown(s.base.Version, vrrp.PriorityLowest, s.longest, 1)
	d := down + listen + s.base.PreemptDelay + s.wire()
	d += down + 100*time.Millisecond // a link that flapped has to settle, a stop to be waited for
	if s.broken {
		d += 8 * time.Second
	}
	return d
}

// wire is what delays an advert: the network, and timers.
func (s *schedule) wire() time.Duration {
	return s.lan.Network.Delay + s.lan.Network.Jitter + s.lan.Slack + tolerance
}

// masters returns the nodes that are master.
func (s *schedule) masters() []*Node {
	var list []*Node
	for _, n := range s.lan.nodes {
		if n.State() == vrrp.Master {
			list = append(list, n)
		}
	}
	return list
}

// onlyMaster returns the one master there is, or fails.
func (s *schedule) onlyMaster() *Node {
	masters := s.masters()
	if len(masters) != 1 && s.broken { // preemption was held back, until just now
		s.lan.Advance(3 * s.wire())
		masters = s.masters()
	}
	if len(masters) != 1 {
		s.fail("%d masters after all was healed", len(masters))
		return nil
	}
	return masters[0]
}

func (s *schedule) alive() []*Node {
	var list []*Node
	for _, n := range s.lan.nodes {
		if n.Alive() {
			list = append(list, n)
		}
	}
	return list
}

// quiet waits for the election and then for more: one master, the right one, and
// nothing changes any more. It reports whether there is one.
func (s *schedule) quiet() bool {
	l := s.lan
	l.Advance(s.patience())
	if len(s.alive()) == 0 {
		return false
	}
	m := s.onlyMaster()
	if m == nil {
		return false
	}
	for _, n := range s.alive() {
		if n.Config.Preempt && n.Router.Priority() > m.Router.Priority() && !s.broken {
			s.fail("%s is master, %s should be", m.Name, n.Name)
		}
	}
	before := s.transitions()
	l.Advance(max(s.base.Announce.Refresh, 0) + 3*time.Second + s.patience())
	if s.transitions() != before && !s.broken {
		s.fail("transitions without a cause")
	}
	if m = s.onlyMaster(); m == nil {
		return false
	}
	// Without a refresh, only an election tells clients whose announcements were
	// lost; but every sign of two masters must.
	told := s.base.Announce.Refresh > 0 || s.split
	for _, a := range s.base.Addresses {
		if told && l.Clients[a] != m {
			s.fail("the clients do not believe %s to hold %v", m.Name, a)
		}
	}
	for _, n := range l.nodes {
		if n != m && n.Holds() && (n.Alive() || n.Config.Lease > 0) {
			s.fail("%s holds addresses beside the master %s", n.Name, m.Name)
		}
	}
	return true
}

func (s *schedule) transitions() uint64 {
	var sum uint64
	for _, n := range s.alive() {
		sum += n.Router.Status().Counters.Transitions
	}
	return sum
}

// end removes the master, in one of three ways: the best backup takes over, in
// its time, and no other tries.
func (s *schedule) end() {
	l := s.lan
	m := s.masters()[0]
	backups := slices.DeleteFunc(s.alive(), func(n *Node) bool { return n == m })
	best := vrrp.Priority(0)
	for _, n := range backups {
		best = max(best, n.Router.Priority())
	}
	became := map[*Node]uint64{}
	willing := len(backups) > 0
	for _, n := range backups {
		became[n] = n.Router.Status().Counters.BecameMaster
		willing = willing && n.Config.Preempt && n.Config.PreemptDelay == 0 && !s.broken
	}
	v, i := s.base.Version, s.base.Interval
	down := vrrp.MasterDown(v, best, i, vrrp.DefaultDownAdverts)
	limit := down
	watch, ranked := false, !s.broken // who holds preemption back counts in another silence
	switch s.rng.IntN(3) {
	case 0:
		m.Kill()
	case 1:
		if m.Config.Priority == vrrp.PriorityOwner && l.Network.Jitter > 0 {
			return // an owner may return at once, so an advert of its that comes late counts
		}
		m.Stop(false)
		limit = vrrp.Skew(v, best, i)
	case 2:
		m.Stop(true)
		watch = willing && best > vrrp.PriorityLowest
		ranked = willing // who must not preempt does not compete
		limit = vrrp.MasterDown(v, vrrp.PriorityLowest, i, vrrp.DefaultDownAdverts) + 100*time.Millisecond + vrrp.Skew(v, best, i)
	}
	end := l.now.Add(limit + 3*s.wire())
	for l.step(end) {
		if watch && !slices.ContainsFunc(l.nodes, (*Node).Holds) {
			s.fail("nobody holds the addresses during a hand-over")
			return
		}
	}
	l.now = end
	if len(backups) == 0 {
		return
	}
	// Equals, or almost, take over together, and settle it within an advert.
	if len(s.masters()) != 1 {
		s.fail("%d masters after the end of %s", len(s.masters()), m.Name)
		return
	}
	for _, n := range backups {
		behind := vrrp.Skew(v, n.Router.Priority(), i) - vrrp.Skew(v, best, i)
		if ranked && n.Router.Status().Counters.BecameMaster != became[n] && behind > 2*s.wire() {
			s.fail("%s took over, but is not the best", n.Name)
		}
	}
}
