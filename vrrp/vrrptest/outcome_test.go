package vrrptest

import (
	"net/netip"
	"slices"
	"time"

	"github.com/lbha/lbha/vrrp"
)

// This file is what must have become of a schedule when all is healed.

// patience is how long an election may take after the last fault: a master-down
// interval and what delays an advert, and what some faults and settings add.
func (s *schedule) patience() time.Duration {
	down := s.slowest(vrrp.DefaultDownAdverts)
	d := down + s.wire()
	d += s.lagged + s.base[0].StartupDelay
	if s.slept { // who wakes listens first
		d += s.slowest(1)
	}
	if s.stepped { // what was stamped ahead of the right time is in the way until then
		d += window + time.Second
	}
	if s.base[0].PreemptDelay > 0 { // it begins when somebody else has been elected
		d += s.base[0].PreemptDelay + s.longest + down
	}
	if s.crossed { // equals may each win a part of an election, and have to hold another
		d += time.Duration(len(s.lan.processes)-1) * (down + time.Duration(len(s.base))*s.longest)
	}
	if s.unsettled { // a link that flapped has to settle, a stop or a hand-over to be waited for
		d += down + 100*time.Millisecond
	}
	if s.broken {
		d += 8 * time.Second
	}
	return d
}

// slowest is the longest time that a backup may wait for that many adverts.
func (s *schedule) slowest(adverts int) time.Duration {
	d := vrrp.MasterDown(s.base[0].Version, vrrp.PriorityLowest, s.longest, adverts)
	if len(s.base) > 1 { // some segments may have version 2, others long intervals
		d = max(d, vrrp.MasterDown(vrrp.Version3, vrrp.PriorityLowest, s.longest, adverts))
	}
	return d
}

// wire is what delays an advert: the network, and timers.
func (s *schedule) wire() time.Duration {
	return s.lan.Network.Delay + s.lan.Network.Jitter + s.lan.Slack + tolerance
}

// masters returns the nodes of a segment that are master.
func (s *schedule) masters(segment int) []*Node {
	var list []*Node
	for _, n := range s.lan.nodes {
		if n.segment == segment && n.State() == vrrp.Master {
			list = append(list, n)
		}
	}
	return list
}

// onlyMaster returns the one master there is, on every segment the same host, or
// fails.
func (s *schedule) onlyMaster(when string) *process {
	masters := s.masters(0)
	if len(masters) != 1 { // one preempts the other just now
		s.lan.Advance(3 * s.wire())
		masters = s.masters(0)
	}
	if len(masters) != 1 {
		s.fail("%d masters after %s", len(masters), when)
		return nil
	}
	for segment := range s.base[1:] {
		if others := s.masters(segment + 1); len(others) != 1 || others[0].process != masters[0].process {
			s.fail("after %s, %s is master, but not on segment %d", when, masters[0].Name, segment+2)
			return nil
		}
	}
	return masters[0].process
}

// alive returns the processes that run.
func (s *schedule) alive() []*process {
	return slices.DeleteFunc(slices.Clone(s.lan.processes), func(p *process) bool { return !p.Alive() })
}

// every reports whether all members of the group of a host are so.
func (p *process) every(so func(*Node) bool) bool {
	return !slices.ContainsFunc(p.nodes, func(n *Node) bool { return !so(n) })
}

func preempts(n *Node) bool { return n.Config.Preempt }

func (p *process) priority() vrrp.Priority { return p.nodes[0].Router.Priority() }

// quiet waits for the election and then for more: one master, the right one, and
// nothing changes any more. It reports whether there is one.
func (s *schedule) quiet() bool {
	l := s.lan
	l.Advance(s.patience())
	if len(s.alive()) == 0 {
		return false
	}
	const healed = "all was healed"
	m := s.onlyMaster(healed)
	if m == nil {
		return false
	}
	for _, p := range s.alive() {
		if p.every(preempts) && p.priority() > m.priority() && !s.broken {
			s.fail("%s is master, %s should be", m.name, p.name)
		}
	}
	before := s.transitions()
	l.Advance(max(s.base[0].Announce.Refresh, 0) + 3*time.Second + s.patience())
	if s.transitions() != before && !s.broken {
		s.fail("transitions without a cause")
	}
	if m = s.onlyMaster(healed); m == nil {
		return false
	}
	s.believed(m)
	for _, n := range l.nodes {
		if n.process != m && n.Holds() && (n.Alive() || n.kernel.lease > 0) {
			s.fail("%s holds addresses beside the master %s", n.Name, m.name)
		}
	}
	return true
}

// believed checks that the clients know the master. Without a refresh, only an election
// tells clients whose announcements were lost; but every sign of two masters must, and
// who announced itself after the master did has to give that sign.
func (s *schedule) believed(m *process) {
	l := s.lan
	for segment, base := range s.base {
		master := m.nodes[segment]
		told := s.base[0].Announce.Refresh > 0 || s.split
		for _, a := range base.Addresses {
			other := l.Clients[a]
			if other == nil || other == master {
				continue
			}
			if told || s.misled(a, other, master) {
				s.fail("the clients believe %s to hold %v, and not %s", other.Name, a, master.Name)
			}
		}
	}
}

// misled reports whether the clients believe a router that knows of it, and that the master has not told
// them since. It can say so if it loses to the master, and for as long as a refresh may last; and it does
// until it hears anybody announce an address, a stranger too.
func (s *schedule) misled(a netip.Addr, other, master *Node) bool {
	since := s.lan.since[a]
	if s.harsh {
		loses := master.Router.Priority() > vrrp.PriorityLowest || master.source.Compare(other.source) > 0
		if !other.Alive() || !loses || other.answered || s.healedAt.Sub(other.leftAt) > time.Minute-10*s.longest {
			return false
		}
	}
	return other.Alive() && master.announcedAt < since && other.startedAt < since && other.audible
}

func (s *schedule) transitions() uint64 {
	var sum uint64
	for _, p := range s.alive() {
		for _, n := range p.nodes {
			sum += n.Router.Status().Counters.Transitions
		}
	}
	return sum
}

// end removes the master, in one of three ways: the best backup takes over, in
// its time, and no other tries.
func (s *schedule) end() {
	l := s.lan
	m := s.masters(0)[0].process
	backups := slices.DeleteFunc(s.alive(), func(p *process) bool { return p == m })
	best := vrrp.Priority(0)
	for _, p := range backups {
		best = max(best, p.priority())
	}
	became := map[*process]uint64{}
	willing := len(backups) > 0
	even := true // all members of a group preempt, or none: they count the same silence
	for _, p := range backups {
		even = even && p.every(func(n *Node) bool { return n.Config.Preempt == p.nodes[0].Config.Preempt })
		became[p] = p.becameMaster()
		willing = willing && p.every(preempts) && s.base[0].PreemptDelay == 0 && !s.broken
	}
	limit := s.silence(best, vrrp.DefaultDownAdverts)
	watch, ranked := false, even && !s.broken // who holds preemption back counts in another silence
	switch s.rng.IntN(3) {
	case 0:
		m.Kill()
	case 1:
		if m.priority() == vrrp.PriorityOwner && l.Network.Jitter > 0 {
			return // an owner may return at once, so an advert of its that comes late counts
		}
		m.nodes[0].Stop(false)
		limit = s.silence(best, 0)
		if len(s.base) > 1 && l.Network.Jitter > 0 { // an advert may come later than the resignation on another segment
			limit += s.silence(best, vrrp.DefaultDownAdverts)
		}
	case 2:
		m.nodes[0].Stop(true)
		watch = willing && best > vrrp.PriorityLowest && (!s.crossed || len(backups) == 1)
		// Who must not preempt does not compete. And a signed advert that is overtaken by the next counts as a
		// replay: to whom that happens, the silence began an interval earlier.
		ranked = willing && (l.hmac == nil || l.Network.Jitter == 0)
		limit = s.silence(vrrp.PriorityLowest, vrrp.DefaultDownAdverts) + 100*time.Millisecond + s.silence(best, 0)
	}
	if s.crossed { // equals may each win a part of the election, and hold another
		limit += time.Duration(len(backups)-1) * (s.silence(best, vrrp.DefaultDownAdverts) + time.Duration(len(s.base))*s.longest)
	}
	end := l.now.Add(limit + 3*s.wire())
	for l.step(end) {
		if watch && !s.held() {
			s.fail("nobody holds the addresses during a hand-over")
			return
		}
	}
	l.now = end
	if len(backups) == 0 {
		return
	}
	// Equals, or almost, take over together, and settle it within an advert.
	if s.onlyMaster("the end of "+m.name) == nil {
		return
	}
	for _, p := range backups {
		if ranked && p.becameMaster() != became[p] && s.behind(p.priority(), best) > 2*s.wire() {
			s.fail("%s took over, but is not the best", p.name)
		}
	}
}

func (p *process) becameMaster() uint64 { return p.nodes[0].Router.Status().Counters.BecameMaster }

// held reports whether somebody holds addresses on every segment.
func (s *schedule) held() bool {
	for segment := range s.base {
		if !slices.ContainsFunc(s.lan.nodes, func(n *Node) bool { return n.segment == segment && n.Holds() }) {
			return false
		}
	}
	return true
}

// silence is how long a backup waits for that many adverts on all segments.
func (s *schedule) silence(p vrrp.Priority, adverts int) (longest time.Duration) {
	for _, c := range s.base {
		longest = max(longest, vrrp.MasterDown(c.Version, p, c.Interval, adverts))
	}
	return longest
}

// behind is how much later than the best a backup takes over, at least.
func (s *schedule) behind(p, best vrrp.Priority) time.Duration {
	least := time.Hour
	for _, c := range s.base {
		least = min(least, vrrp.Skew(c.Version, p, c.Interval)-vrrp.Skew(c.Version, best, c.Interval))
	}
	return least
}
