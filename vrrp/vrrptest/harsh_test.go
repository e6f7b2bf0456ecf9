package vrrptest

import (
	"net/netip"
	"slices"
	"time"

	"github.com/lbha/lbha/vrrp"
)

// This file is the faults of the harsh kind of schedule, besides those of every kind:
// what a network does to adverts and announcements apart, what hosts do to time, and
// blows in the worst moment.

// blows are the kinds of what may happen to a node, besides faults.
var blows = []func(*schedule, *Node){
	func(s *schedule, n *Node) { s.apart(s.lan.filtered, n) },
	func(s *schedule, n *Node) { s.apart(s.lan.suppressed, n) },
	func(s *schedule, n *Node) { s.relearn(n) },
	func(s *schedule, n *Node) { s.congest(n) },
	func(s *schedule, n *Node) { s.burst() },
	func(s *schedule, n *Node) { s.suspend(n) },
	func(s *schedule, n *Node) { s.readdress(n) },
	func(s *schedule, n *Node) { s.otherVersion(n) },
	func(s *schedule, n *Node) { s.retime(n) },
	func(s *schedule, n *Node) { n.failRenews = !n.failRenews; n.losses += 100; s.broken = true },
	func(s *schedule, n *Node) { n.failAnnounces = !n.failAnnounces },
	func(s *schedule, n *Node) { s.steal(n, 1+s.rng.IntN(5)) },
	func(s *schedule, n *Node) { s.lan.Advance(s.aboutOf(2*time.Minute, 1)) },
}

// harshFaults are the blows, and those that wait for the worst moment.
func harshFaults() []func(*schedule, *Node) {
	return append(slices.Clone(blows), (*schedule).ambush, (*schedule).ambush, (*schedule).lastMoment)
}

// strike lets any fault happen to a node.
func (s *schedule) strike(n *Node) {
	i := s.rng.IntN(len(faults) + len(blows))
	if i < len(faults) {
		faults[i](s, n)
	} else {
		blows[i-len(faults)](s, n)
	}
}

// ambush strikes in the very instant in which somebody changes its state.
func (s *schedule) ambush(n *Node) {
	before := s.changes()
	end := s.lan.now.Add(s.about(8))
	for s.lan.step(end) {
		if s.changes() != before {
			break
		}
	}
	for range 1 + s.rng.IntN(3) {
		s.strike(n)
		n = s.lan.nodes[s.rng.IntN(len(s.lan.nodes))]
	}
}

// changes is another number after each transition.
func (s *schedule) changes() (sum vrrp.Instant) {
	for _, n := range s.lan.nodes {
		if n.Alive() {
			sum += n.Router.Status().Since
		}
	}
	return sum
}

// lastMoment strikes just before, or just after, a timer.
func (s *schedule) lastMoment(n *Node) {
	if !n.Alive() || n.timerAt == never {
		return
	}
	d := n.timerAt.Sub(s.lan.now) + pick(s.rng, -1, 0, 1, s.lan.Network.Delay, -s.lan.Network.Delay)
	if d > 0 && d < 20*s.longest {
		s.lan.Advance(d)
	}
	s.strike(s.lan.nodes[s.rng.IntN(len(s.lan.nodes))])
}

// apart lets a switch keep one sort of packet from some: a snooping one adverts, an
// inspecting one announcements.
func (s *schedule) apart(not map[[2]*Node]bool, n *Node) {
	both := s.rng.IntN(2) == 0
	for _, other := range s.lan.nodes {
		if other != n && other.segment == n.segment && s.rng.IntN(4) > 0 {
			not[[2]*Node{n, other}] = true
			if both {
				not[[2]*Node{other, n}] = true
			}
		}
	}
}

// relearn takes a link down and up; then the switch blocks the port for a while.
func (s *schedule) relearn(n *Node) {
	s.unsettled = true
	n.SetLink(false)
	s.lan.Advance(s.about(2))
	n.SetLink(true)
	n.blockedUntil = s.lan.now.Add(s.about(10))
}

// congest makes what a node sends and what it receives late for a while.
func (s *schedule) congest(n *Node) {
	n.lagBy, n.laggedUntil = s.about(pick(s.rng, 0.5, 2.5)), s.lan.now.Add(s.about(10))
	s.lagged = max(s.lagged, 2*n.lagBy)
}

// burst loses almost everything for a while.
func (s *schedule) burst() {
	was := s.lan.Network.Loss
	s.lan.Network.Loss = pick(s.rng, 0.8, 1)
	s.lan.Advance(s.about(pick(s.rng, 1, 6.0)))
	s.lan.Network.Loss = was
}

// suspend stops a host and its clock.
func (s *schedule) suspend(n *Node) {
	s.slept = true
	n.Suspend(s.about(pick(s.rng, 1, 8, 30.0)))
}

// readdress gives the interface another primary address.
func (s *schedule) readdress(n *Node) {
	s.unsettled = true
	n.SetSource(netip.AddrFrom4([4]byte{10, 9, byte(n.segment), byte(pick(s.rng, 0, 10, 20, 30) + 1 + slices.Index(s.lan.processes, n.process))}))
}

// otherVersion restarts a router with the other version, as a change of it must.
func (s *schedule) otherVersion(n *Node) {
	s.unsettled = true
	for _, n := range n.nodes {
		n.Config.Version = vrrp.Version2 + vrrp.Version3 - n.Config.Version
		if n.Config.Version == vrrp.Version2 {
			n.Config.Interval = max(time.Second, n.Config.Interval.Truncate(time.Second))
		}
		s.longest = max(s.longest, n.Config.Interval)
		s.relet(&n.Config)
	}
	n.Kill()
	n.Start(false)
}

// relet fits the lease to the other times.
func (s *schedule) relet(c *vrrp.Config) {
	if c.Lease > 0 {
		c.Lease = vrrp.AutoLease(c.Interval, max(c.DownAdverts, 2))
	}
}

// retime changes what a reconfiguration may change of the times.
func (s *schedule) retime(n *Node) {
	c := n.Config
	c.Source = netip.Addr{}
	switch s.rng.IntN(6) {
	case 0:
		c.DownAdverts = pick(s.rng, 2, 3, 5)
	case 1:
		c.PreemptDelay = s.about(10)
	case 2:
		if c.Version == vrrp.Version3 {
			c.Interval = pick(s.rng, 10*time.Millisecond, 50*time.Millisecond, time.Second, 5*time.Second, 40*time.Second)
			s.longest = max(s.longest, c.Interval)
		}
	case 3:
		if c.Lease > 0 {
			c.Lease = 0
		} else {
			c.Lease = time.Second
		}
	case 4:
		c.Announce.Refresh = pick(s.rng, -1, time.Second, 10*time.Second)
		c.Announce.Offsets = pick(s.rng, nil, []time.Duration{}, []time.Duration{0}, []time.Duration{time.Second})
	case 5:
		c.HandOverLinger = pick(s.rng, -1, time.Millisecond, 50*time.Millisecond)
	}
	s.relet(&c)
	n.Reconfigure(c)
}

// thief is a host that has one of the addresses by mistake.
var thief = &Node{Name: "thief", process: &process{name: "thief"}}

// steal lets another host announce an address of a segment, so many times.
func (s *schedule) steal(n *Node, times int) {
	l := s.lan
	a := s.base[n.segment].Addresses[0]
	for i := range times {
		s.after(time.Duration(i)*50*time.Millisecond, func() {
			for _, to := range l.nodes {
				if to.segment == n.segment && to.linkUp {
					l.transmit(0, func() {
						if to.linkUp {
							to.hearAnnouncement(vrrp.AnnouncementHeard{Address: a, By: "thief"})
						}
					})
				}
			}
			l.transmit(0, func() { l.Clients[a], l.since[a] = thief, l.now })
		})
	}
}

// healHarsh ends what heal does not.
func (s *schedule) healHarsh() {
	for _, p := range s.lan.processes {
		p.Wake()
		if p.every(func(n *Node) bool { return n.Config.Version == s.base[n.segment].Version }) {
			continue
		}
		p.Kill()
		for _, n := range p.nodes {
			c, base := &n.Config, &s.base[n.segment]
			c.Version, c.Interval, c.Lease = base.Version, base.Interval, base.Lease
		}
	}
	for _, n := range s.lan.nodes {
		n.failRenews, n.failAnnounces = false, false
	}
}

// theft lets a host announce an address while all is quiet: the clients must come to
// know the master again, and it must not shout.
func (s *schedule) theft() {
	l := s.lan
	m := s.masters(0)[0]
	a := s.base[0].Addresses[0]
	before, transitions, begin := m.announcements(), s.transitions(), l.now
	times := pick(s.rng, 1, 2, 20, 200)
	s.steal(m, times)
	gap := max(m.interval(), time.Second)
	l.Advance(time.Duration(times)*50*time.Millisecond + 2*gap + s.wire())
	if l.Clients[a] != m {
		l.Advance(time.Minute)
	}
	if s.transitions() != transitions {
		return // preemption was held back until now
	}
	if l.Clients[a] != m {
		s.fail("the clients believe %s to hold %v, and not %s", l.Clients[a].Name, a, m.Name)
	}
	took := l.now.Sub(begin)
	bound := 2 + int(took/gap)
	if r := m.Config.Announce.Refresh; r > 0 {
		bound += int(took/r) + 1
	}
	if n := m.announcements() - before; n > bound {
		s.fail("%s announced %d times in %v", m.Name, n, took)
	}
}

func (n *Node) announcements() int { return int(n.Router.Status().Counters.Announcements) }
