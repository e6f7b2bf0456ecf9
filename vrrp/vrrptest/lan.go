package vrrptest

import (
	"container/heap"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/lbha/lbha/vrrp"
	"github.com/lbha/lbha/vrrp/wire"
)

// never is the deadline of a timer that is not armed.
const never vrrp.Instant = math.MaxInt64

// Network is how a LAN treats a packet, drawn for each receiver.
type Network struct {
	Delay     time.Duration // at least
	Jitter    time.Duration // up to so much more: beyond the spacing of packets, they are reordered
	Loss      float64       // probability
	Duplicate float64       // probability
}

// LAN is one segment with its nodes, or several that groups belong to, and their
// virtual time, which starts at an hour (a machine must not care).
type LAN struct {
	Network Network
	// Slack is how late a timer may fire.
	Slack time.Duration
	// Trace, if set, receives a line for all that happens.
	Trace io.Writer
	// Clients is what a host on the segment believes: the node that announced
	// each address last.
	Clients map[netip.Addr]*Node
	// since is when they came to believe it.
	since map[netip.Addr]vrrp.Instant

	now        vrrp.Instant
	origin     vrrp.Instant
	rng        *rand.Rand
	queue      queue
	seq        uint64
	atOnce     int // events of this instant
	nodes      []*Node
	processes  []*process
	cut        map[[2]*Node]bool // from, to
	clientsCut map[*Node]bool
	filtered   map[[2]*Node]bool // from, to: adverts only
	suppressed map[[2]*Node]bool // from, to: announcements only
	hmac       *wire.HMACConfig  // of all nodes; nil: none
	violations []string
}

// New returns an empty LAN: 0.5 ms of delay and no other fault.
func New(seed uint64) *LAN {
	origin := vrrp.Instant(time.Hour)
	return &LAN{
		Network:    Network{Delay: 500 * time.Microsecond},
		Clients:    map[netip.Addr]*Node{},
		since:      map[netip.Addr]vrrp.Instant{},
		now:        origin,
		origin:     origin,
		rng:        rand.New(rand.NewPCG(seed, 0)),
		cut:        map[[2]*Node]bool{},
		clientsCut: map[*Node]bool{},
		filtered:   map[[2]*Node]bool{},
		suppressed: map[[2]*Node]bool{},
	}
}

// Now returns the virtual time.
func (l *LAN) Now() vrrp.Instant { return l.now }

// Elapsed returns the virtual time since the LAN was made.
func (l *LAN) Elapsed() time.Duration { return l.now.Sub(l.origin) }

// Nodes returns the nodes in the order in which they were added.
func (l *LAN) Nodes() []*Node { return l.nodes }

// Cut drops what from sends to to, until Heal.
func (l *LAN) Cut(from, to *Node) { l.cut[[2]*Node{from, to}] = true }

// CutClients drops what the node announces to the clients, until Heal.
func (l *LAN) CutClients(from *Node) { l.clientsCut[from] = true }

// Heal ends every cut.
func (l *LAN) Heal() {
	clear(l.cut)
	clear(l.clientsCut)
	clear(l.filtered)
	clear(l.suppressed)
	for _, n := range l.nodes {
		n.blockedUntil, n.laggedUntil = 0, 0
	}
}

// Connected reports whether packets from from reach to.
func (l *LAN) Connected(from, to *Node) bool {
	return from.segment == to.segment && !l.cut[[2]*Node{from, to}] && from.linkUp && to.linkUp &&
		l.now >= max(from.blockedUntil, to.blockedUntil)
}

// Violations returns what was found wrong so far.
func (l *LAN) Violations() []string { return l.violations }

// violate records that an invariant does not hold.
func (l *LAN) violate(n *Node, format string, args ...any) {
	text := fmt.Sprintf("%10.4f %-2s VIOLATION: %s", l.Elapsed().Seconds(), n.Name, fmt.Sprintf(format, args...))
	l.violations = append(l.violations, text)
	if l.Trace != nil {
		fmt.Fprintln(l.Trace, text)
	}
}

// trace writes a line about a node or a host.
func (l *LAN) trace(name, format string, args ...any) {
	if l.Trace != nil {
		fmt.Fprintf(l.Trace, "%10.4f %-2s %s\n", l.Elapsed().Seconds(), name, fmt.Sprintf(format, args...))
	}
}

// Advance runs the LAN for d.
func (l *LAN) Advance(d time.Duration) {
	end := l.now.Add(d)
	for l.step(end) {
	}
	l.now = end
}

// step runs what comes next, if it comes before end. What waits in a socket
// comes before a timer of the same instant.
func (l *LAN) step(end vrrp.Instant) bool {
	at, process := never, (*process)(nil)
	for _, p := range l.processes {
		if p.timerAt < at && p.Running() {
			at, process = p.timerAt, p
		}
	}
	if len(l.queue) > 0 && l.queue[0].at <= at {
		at, process = l.queue[0].at, nil
	}
	if at > end {
		return false
	}
	if at > l.now {
		l.now, l.atOnce = at, 0
	} else if l.atOnce++; l.atOnce > 100_000 {
		panic("vrrptest: time stands still: a timer that is due does nothing")
	}
	if process != nil {
		process.run(process.nodes[0], vrrp.TimerFired{})
	} else {
		heap.Pop(&l.queue).(*item).do()
	}
	for _, n := range l.nodes {
		n.checkTime()
	}
	return true
}

// after runs do in d.
func (l *LAN) after(d time.Duration, do func()) {
	l.seq++
	heap.Push(&l.queue, &item{at: l.now.Add(d), seq: l.seq, do: do})
}

// broadcast carries a packet to every other node, but for those to which a packet of its sort does not get.
func (l *LAN) broadcast(from *Node, not map[[2]*Node]bool, deliver func(to *Node)) {
	for _, to := range l.nodes {
		if to == from || not[[2]*Node{from, to}] || !l.Connected(from, to) {
			continue
		}
		l.transmit(from.lag()+to.lag(), func() {
			if to.linkUp {
				deliver(to)
			}
		})
	}
}

// transmit carries one copy of a packet, or none, or two, so much later than others.
func (l *LAN) transmit(lag time.Duration, deliver func()) {
	copies := 1
	if l.chance(l.Network.Loss) {
		copies = 0
	} else if l.chance(l.Network.Duplicate) {
		copies = 2
	}
	for range copies {
		l.after(l.Network.Delay+lag+l.upTo(l.Network.Jitter), deliver)
	}
}

// chance is true with probability p.
func (l *LAN) chance(p float64) bool { return p > 0 && l.rng.Float64() < p }

// upTo returns a random duration up to d.
func (l *LAN) upTo(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return time.Duration(l.rng.Int64N(int64(d)))
}

// item is something that will happen.
type item struct {
	at  vrrp.Instant
	seq uint64 // among equals, first come first served
	do  func()
}

// queue is a heap of items.
type queue []*item

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].seq < q[j].seq
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(*item)) }
func (q *queue) Pop() any {
	old := *q
	x := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	return x
}
