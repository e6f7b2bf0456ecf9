package vrrptest

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/lbha/lbha/vrrp"
)

// schedule is one random run: a LAN, faults, then healing and quiet, then the
// end of the master. All of it follows from the seed.
type schedule struct {
	lan       *LAN
	rng       *rand.Rand
	base      []vrrp.Config // of each segment
	longest   time.Duration // the longest interval that anybody used
	broken    bool          // sends or claims failed: preemption is held back for minutes
	stepped   bool          // a wall clock was set
	slept     bool          // somebody was paused
	unsettled bool          // a link was down, a stop was to be waited for
	busyUntil vrrp.Instant  // something is to happen until then
	split     bool          // there were two masters when all was healed
	harsh     bool          // the kind
	lagged    time.Duration // how late a packet may still be
	healedAt  vrrp.Instant  // all was
	crossed   bool          // the order of the addresses is not the same on all segments
	problems  []string
}

// kind is what a schedule is about: routers on one segment, or groups on several.
type kind struct {
	grouped    bool
	harsh      bool // with harshFaults, besides
	mislead    func(*vrrp.Config)
	spoil      func(Router) Router
	spoilGroup func(*vrrp.Group, []*vrrp.Machine) Group
}

// play runs the schedule of a seed and returns what was wrong.
func play(seed uint64, k kind, trace io.Writer) []string {
	s := &schedule{lan: New(seed), rng: rand.New(rand.NewPCG(seed, 1)), harsh: k.harsh}
	s.lan.Trace = trace
	s.build(k)
	s.chaos()
	s.heal()
	if s.quiet() {
		if s.harsh && s.rng.IntN(8) == 0 {
			s.theft()
		}
		s.end()
	}
	return append(s.lan.Violations(), s.problems...)
}

func (s *schedule) fail(format string, args ...any) {
	text := fmt.Sprintf("%10.4f    %s", s.lan.Elapsed().Seconds(), fmt.Sprintf(format, args...))
	s.problems = append(s.problems, text)
	if s.lan.Trace != nil {
		fmt.Fprintln(s.lan.Trace, text)
		for _, n := range s.lan.Nodes() {
			fmt.Fprintln(s.lan.Trace, "            ", n)
		}
	}
}

func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

// about returns a duration of up to n intervals.
func (s *schedule) about(n float64) time.Duration {
	return s.aboutOf(s.base[0].Interval, n)
}

func (s *schedule) build(k kind) {
	r := s.rng
	c := vrrp.Config{VRID: 51, Version: vrrp.Version3, Addresses: vips(1 + r.IntN(2))}
	c.Interval = pick(r, 10*time.Millisecond, 100*time.Millisecond, 500*time.Millisecond, time.Second, 2*time.Second)
	if r.IntN(5) == 0 {
		c.Version, c.Interval = vrrp.Version2, pick(r, time.Second, 2*time.Second)
	}
	if r.IntN(4) > 0 {
		c.Lease = vrrp.AutoLease(c.Interval, vrrp.DefaultDownAdverts)
	}
	if r.IntN(4) == 0 {
		c.PreemptDelay = s.aboutOf(c.Interval, 6)
	}
	if k.harsh && r.IntN(4) == 0 {
		c.StartupDelay = s.aboutOf(c.Interval, 6)
	}
	c.Announce.Refresh = -1
	if r.IntN(2) == 0 { // one that is reached within the quiet time
		c.Announce.Refresh = 4 * max(c.Interval, time.Second)
	}
	s.base, s.longest = []vrrp.Config{c}, c.Interval

	l := s.lan
	l.Network = Network{Delay: time.Duration(r.Int64N(int64(c.Interval)/20) + 1)}
	l.Network.Jitter = pick(r, 0, c.Interval/1000, c.Interval/20)
	l.Network.Loss = pick(r, 0, 0, 0.01, 0.1, 0.4)
	l.Network.Duplicate = pick(r, 0, 0, 0.05, 0.5)
	l.Slack = pick(r, 0, c.Interval/100)

	if r.IntN(4) == 0 {
		l.Authenticate(window)
	}

	if k.grouped {
		s.buildGroups(k.spoilGroup)
		return
	}
	preempt := r.IntN(3)
	for i := range 2 + r.IntN(4) {
		c := s.base[0]
		c.Name = string(rune('a' + i))
		c.Priority = pick[vrrp.Priority](r, 1, 50, 100, 100, 150, 200, 254)
		if r.IntN(20) == 0 {
			c.Priority = vrrp.PriorityOwner
		}
		c.Preempt = preempt == 0 || preempt == 1 && r.IntN(2) == 0
		n := l.Add(c.Name, c)
		n.Spoil, n.mislead, n.process.spoil = k.spoil, k.mislead, k.spoilGroup
		n.Start(false)
	}
}

// buildGroups makes hosts with a member on each of two or three segments, which
// differ: in interval, version, priority, and in the order of the addresses.
func (s *schedule) buildGroups(spoil func(*vrrp.Group, []*vrrp.Machine) Group) {
	r := s.rng
	for i := range 1 + r.IntN(2) {
		c := s.base[0]
		c.Addresses = vipsOn(i+1, 1+r.IntN(2))
		if r.IntN(3) == 0 {
			c.Version, c.Interval = vrrp.Version3, pick(r, c.Interval/2, 2*c.Interval, time.Second).Round(10*time.Millisecond)
			c.Interval = max(c.Interval, 10*time.Millisecond)
			if c.Lease > 0 {
				c.Lease = vrrp.AutoLease(c.Interval, vrrp.DefaultDownAdverts)
			}
		}
		s.base = append(s.base, c)
		s.longest = max(s.longest, c.Interval)
	}
	preempt, uneven := r.IntN(3), r.IntN(4) == 0
	s.crossed = r.IntN(3) == 0
	hosts := 2 + r.IntN(2)
	for h := range hosts {
		cfgs := slices.Clone(s.base)
		priority := pick[vrrp.Priority](r, 1, 50, 100, 100, 100, 200, 254)
		if r.IntN(20) == 0 {
			priority = vrrp.PriorityOwner
		}
		preempts := preempt == 0 || preempt == 1 && r.IntN(2) == 0
		for i := range cfgs {
			c := &cfgs[i]
			c.Priority, c.Preempt = priority, preempts
			if uneven {
				c.Priority, c.Preempt = pick[vrrp.Priority](r, 50, 100, 200, 255), r.IntN(2) == 0
			}
			if s.crossed && i%2 == 1 {
				c.Source = netip.AddrFrom4([4]byte{10, 9, byte(i), byte(hosts - h)})
			}
		}
		nodes := s.lan.AddGroup(string(rune('a'+h)), cfgs...)
		nodes[0].process.spoil = spoil
		nodes[0].Start(false)
	}
}

func (s *schedule) aboutOf(unit time.Duration, n float64) time.Duration {
	return time.Duration(s.rng.Float64() * n * float64(unit))
}

// chaos lets faults happen. Each seed knows only some kinds of them, so that some
// runs are calm and others extreme.
func (s *schedule) chaos() {
	kinds := slices.Clone(faults)
	if s.harsh {
		kinds = append(kinds, harshFaults()...)
	}
	s.rng.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
	kinds = kinds[:1+s.rng.IntN(len(kinds))]
	for range s.rng.IntN(30) {
		s.lan.Advance(s.about(pick(s.rng, 0.2, 2, 6)))
		kinds[s.rng.IntN(len(kinds))](s, s.lan.nodes[s.rng.IntN(len(s.lan.nodes))])
	}
	s.lan.Advance(s.about(6))
	for s.lan.now < s.busyUntil { // who dies only now starts later still
		s.lan.Advance(s.busyUntil.Sub(s.lan.now))
	}
}

// faults are the kinds of what may happen to a node.
var faults = []func(*schedule, *Node){
	func(s *schedule, n *Node) { n.Kill(); s.later(n) },
	func(s *schedule, n *Node) { n.KillAfter(s.rng.IntN(8), func() { s.later(n) }) },
	func(s *schedule, n *Node) { n.Start(s.rng.IntN(2) == 0) },
	func(s *schedule, n *Node) { s.unsettled = true; n.Stop(s.rng.IntN(2) == 0); s.later(n) },
	func(s *schedule, n *Node) { s.slept = true; n.Pause(s.about(pick(s.rng, 1, 8.0)), s.rng.IntN(2) == 0) },
	func(s *schedule, n *Node) { s.sleep(n) },
	func(s *schedule, n *Node) { s.stepClock(n) },
	func(s *schedule, n *Node) { s.cut(n) },
	func(s *schedule, _ *Node) { s.lan.Heal() },
	func(s *schedule, n *Node) { s.unsettled = true; n.SetLink(false) },
	func(s *schedule, n *Node) { n.SetLink(true) },
	func(s *schedule, n *Node) { s.flap(n) },
	func(s *schedule, n *Node) { s.source(n) },
	func(s *schedule, n *Node) {
		s.unsettled = true
		n.SetTrack(s.rng.IntN(300)-150, pick(s.rng, "", "", "uplink"))
	},
	func(s *schedule, n *Node) { s.reconfigure(n) },
	func(s *schedule, n *Node) { s.unsettled = true; n.HandOver() },
	func(s *schedule, n *Node) { n.Lift() },
	func(s *schedule, n *Node) { n.losses++; n.RemoveAddress() },
	func(_ *schedule, n *Node) { n.Move() },
	func(s *schedule, n *Node) { n.FailSends = !n.FailSends; s.broken = true },
	func(s *schedule, n *Node) { n.FailClaims = !n.FailClaims; s.broken = true },
	func(s *schedule, n *Node) { s.unsettled = true; n.FailReleases = !n.FailReleases },
	func(s *schedule, n *Node) { s.forge(n) },
	func(s *schedule, n *Node) { s.lan.CutClients(n) },
}

// later starts a node again, sometimes, as its supervisor would.
func (s *schedule) later(n *Node) {
	if s.rng.IntN(2) == 0 {
		resume := s.rng.IntN(4) > 0
		s.after(s.about(pick(s.rng, 0.5, 5.0)), func() { n.Start(resume) })
	}
}

// after lets something happen before all is healed.
func (s *schedule) after(d time.Duration, do func()) {
	s.busyUntil = max(s.busyUntil, s.lan.now.Add(d))
	s.lan.after(d, do)
}

// sleep pauses a node for up to a minute, whatever the interval, and lets some of it
// pass.
func (s *schedule) sleep(n *Node) {
	if s.rng.IntN(8) == 0 {
		s.slept = true
		d := s.aboutOf(time.Minute, 1)
		n.Pause(d, s.rng.IntN(2) == 0)
		s.lan.Advance(s.aboutOf(d, 1.1))
	}
}

// window is that of signed adverts.
const window = 5 * time.Second

// stepClock sets the wall clock of a node, forwards or backwards, within the window
// or not.
func (s *schedule) stepClock(n *Node) {
	if s.lan.hmac != nil {
		s.stepped = true
		n.SetClock(time.Duration((2*s.rng.Float64() - 1) * float64(pick(s.rng, 2*time.Second, 8*time.Second, time.Minute, 24*time.Hour))))
	}
}

func (s *schedule) cut(n *Node) {
	both := s.rng.IntN(2) == 0
	for _, other := range s.lan.nodes {
		if other != n && other.segment == n.segment && s.rng.IntN(3) > 0 {
			s.lan.Cut(n, other)
			if both {
				s.lan.Cut(other, n)
			}
		}
	}
}

func (s *schedule) flap(n *Node) {
	s.unsettled = true
	for range 1 + s.rng.IntN(8) {
		n.SetLink(false)
		s.lan.Advance(s.about(0.2))
		n.SetLink(true)
		s.lan.Advance(s.about(0.2))
	}
}

func (s *schedule) source(n *Node) {
	s.unsettled = true
	was := n.Source()
	if !was.IsValid() {
		return
	}
	n.SetSource(netip.Addr{})
	s.after(s.about(4), func() { n.SetSource(was) })
}

func (s *schedule) reconfigure(n *Node) {
	c, base := n.Config, &s.base[n.segment]
	c.Source = netip.Addr{}
	switch s.rng.IntN(4) {
	case 0:
		c.Priority = vrrp.Priority(1 + s.rng.IntN(254))
	case 1:
		if c.Version == vrrp.Version3 {
			c.Interval = pick(s.rng, base.Interval, 2*base.Interval, max(10*time.Millisecond, base.Interval/2).Truncate(10*time.Millisecond))
			s.longest = max(s.longest, c.Interval)
		}
	case 2:
		c.Addresses = vipsOn(n.segment, 1+s.rng.IntN(3))
	case 3:
		c.Preempt = !c.Preempt
	}
	if c.Lease > 0 {
		c.Lease = vrrp.AutoLease(c.Interval, vrrp.DefaultDownAdverts)
	}
	n.Reconfigure(c)
}

// forge sends what no router may believe.
func (s *schedule) forge(n *Node) {
	base := &s.base[n.segment]
	ad := vrrp.AdvertReceived{
		Source: stranger, Version: base.Version, Priority: 255,
		Interval: base.Interval, Addresses: base.Addresses,
	}
	switch s.rng.IntN(5) {
	case 0:
		ad.Interval = 0
	case 1:
		ad.Addresses = nil
	case 2:
		ad.Priority = vrrp.PriorityResign
	case 3:
		ad.Version = 5 - ad.Version
	case 4:
		ad.Source = n.Source()
	}
	if ad.Source.IsValid() {
		for range 1 + s.rng.IntN(20) {
			n.Inject(ad)
		}
	}
}

// heal ends every fault, but leaves some nodes dead.
func (s *schedule) heal() {
	l := s.lan
	l.Heal()
	l.Network.Loss, l.Network.Duplicate = 0, 0
	if s.harsh {
		s.healHarsh()
	}
	for _, n := range l.nodes {
		n.FailSends, n.FailClaims, n.FailReleases = false, false, false
		n.Spare()
		n.Wake()
		n.ahead = 0
		n.linkUp = true
		n.SetSource(n.home)
		n.SetTrack(0, "")
		n.Lift()
		c, base := n.Config, &s.base[n.segment]
		c.Source = netip.Addr{}
		c.Interval, c.Addresses, c.Lease = base.Interval, base.Addresses, base.Lease
		if s.harsh {
			c.DownAdverts, c.HandOverLinger, c.PreemptDelay, c.Announce = 0, 0, base.PreemptDelay, base.Announce
		}
		n.Reconfigure(c)
		if !n.Alive() && s.rng.IntN(4) > 0 {
			n.Start(s.rng.IntN(2) == 0)
		}
	}
	// Masters that will hear each other. One that hands over leaves in silence,
	// one that could not send may.
	masters := slices.DeleteFunc(s.masters(0), func(n *Node) bool {
		return slices.ContainsFunc(n.nodes, func(n *Node) bool { return n.failed || n.Router.Status().HandOver })
	})
	s.split, s.healedAt = len(masters) > 1, l.now
	if l.Trace != nil {
		fmt.Fprintf(l.Trace, "%10.4f    healed\n", l.Elapsed().Seconds())
	}
}
