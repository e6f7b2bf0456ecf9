package interop

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"time"

	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/mono"
	"github.com/lbha/lbha/integration/internal/netlab"
	"github.com/lbha/lbha/integration/internal/observe"
)

const (
	// startLimit is how long a daemon may take to its first advertisement beyond the master-down interval.
	startLimit = 8 * time.Second
	// stopLimit is how long a daemon may take to end.
	stopLimit = 10 * time.Second
	// repeatedStop is how long after the first SIGTERM lbha gets the second, which means: wait for no successor.
	repeatedStop = 30 * time.Millisecond
)

// slack is what a demand on times allows beyond what the protocol says: the daemon's and the lab's own scheduling.
func (p *pair) slack() time.Duration {
	slack := 100 * time.Millisecond
	if p.cell.Version == 2 || p.slow {
		slack = 200 * time.Millisecond
	}
	return slack
}

// tardiness is by how much a peer is late for a reason of its own. FRR's macvlan has no usable link-local address yet when it becomes master over
// IPv6: its first advertisement fails, and the next is due an interval later.
func (c Cell) tardiness() time.Duration {
	if c.Second == drive.FRR && c.IPv6 {
		return c.Interval()
	}
	return 0
}

// pair is a cell that runs.
type pair struct {
	cell   Cell
	slow   bool
	net    *netlab.Network
	tap    *observe.Tap
	d1, d2 *drive.Director
	begin  mono.Time
	stop   chan struct{} // of the asking
	result *Result
}

// play plays one cell in a network whose names begin with prefix.
func play(ctx context.Context, prefix string, c Cell, o Options) *Result {
	p := &pair{cell: c, slow: o.Slow, stop: make(chan struct{}), result: &Result{Cell: c}, begin: mono.Now()}
	if err := p.set(prefix, o.Binary); err != nil {
		p.demand("set up", false, "%v", err)
	} else if err := p.acts(ctx); err != nil {
		p.demand("to the end", false, "%v", err)
	}
	p.end()
	return p.result
}

// set builds the cell's network and both directors.
func (p *pair) set(prefix, binary string) (err error) {
	if p.net, err = netlab.Pair(prefix, p.cell.IPv6); err != nil {
		return err
	}
	if p.cell.IPv6 {
		for _, h := range []*netlab.Host{p.net.D1, p.net.D2} {
			if err := h.WaitAddress(h.LinkLocal(), startLimit); err != nil {
				return err
			}
		}
	}
	if p.tap, err = observe.Listen(p.net); err != nil {
		return err
	}
	if err := p.tap.Ask(p.cell.asked(), p.cell.Interval()/5, p.stop); err != nil {
		return err
	}
	if p.d1, err = drive.New(p.cell.First, p.net.D1, binary, p.settings(p.net.D1, p.net.D2, priorityFirst)); err != nil {
		return err
	}
	p.d2, err = drive.New(p.cell.Second, p.net.D2, binary, p.settings(p.net.D2, p.net.D1, prioritySecond))
	return err
}

func (p *pair) settings(own, other *netlab.Host, priority int) drive.Settings {
	return drive.Settings{Name: own.Name, Routers: []drive.Router{p.cell.router(own, other, priority)}}
}

// end kills what runs, tells the story, and removes the network.
func (p *pair) end() {
	close(p.stop)
	for _, d := range []*drive.Director{p.d1, p.d2} {
		if d == nil {
			continue
		}
		d.Kill()
		if !p.result.OK() {
			p.result.Logs = append(p.result.Logs, fmt.Sprintf("%s on %s said at last:\n%s", d.Kind, d.Host.Name, tail(d)))
		}
	}
	if p.tap != nil {
		names := map[string]string{p.net.D1.Name: string(p.cell.First), p.net.D2.Name: string(p.cell.Second)}
		p.result.Story = render(Spans(p.adverts(), p.cell.Interval()), p.result.Deeds, p.begin, names)
		p.tap.Close()
	}
	if p.net != nil {
		p.net.Close()
	}
}

// tail returns the last lines of a director's log.
func tail(d *drive.Director) string {
	const most = 20
	lines := strings.Split(strings.TrimSpace(d.Log(0, d.LogSize())), "\n")
	return strings.Join(lines[max(len(lines)-most, 0):], "\n")
}

// adverts is everything heard so far.
func (p *pair) adverts() []observe.Heard { return p.tap.Adverts.Between(p.begin, mono.Now()) }

// did notes a deed and returns when it was done.
func (p *pair) did(what string) mono.Time {
	now := mono.Now()
	p.result.Deeds = append(p.result.Deeds, Deed{now, what})
	return now
}

// demand notes whether something is as it must be.
func (p *pair) demand(what string, ok bool, format string, args ...any) {
	p.result.Findings = append(p.result.Findings, Finding{What: what, OK: ok, Measured: fmt.Sprintf(format, args...)})
}

// errStuck means that what comes next makes no sense.
var errStuck = errors.New("what follows was not played")

// alone waits until d is the one master: it advertises, and the other has been silent for more than two intervals.
func (p *pair) alone(ctx context.Context, what string, d *drive.Director, limit time.Duration) error {
	window := p.cell.Interval() * 5 / 2
	begin := mono.Now()
	for mono.Now() < begin.Add(limit) && ctx.Err() == nil {
		now := mono.Now()
		own, others := 0, 0
		for _, a := range p.tap.Adverts.Between(max(begin, now.Add(-window)), now) {
			switch {
			case a.Priority == 0:
			case a.Host == d.Host.Name:
				own++
			default:
				others++
			}
		}
		if own >= 2 && others == 0 && now > begin.Add(window) {
			p.demand(what, true, "%s is the one master", d.Kind)
			return nil
		}
		time.Sleep(p.cell.Interval() / 10)
	}
	p.demand(what, false, "%s is not the one master after %v", d.Kind, limit)
	return errStuck
}

// holds waits until d alone answers for the virtual address, or the limit has passed.
func (p *pair) holds(ctx context.Context, what string, d *drive.Director, limit time.Duration) {
	window := p.cell.Interval()
	begin := mono.Now()
	who := map[string]int{}
	for mono.Now() < begin.Add(limit) && ctx.Err() == nil {
		now := mono.Now()
		who = map[string]int{}
		for _, a := range p.tap.Answers.Between(now.Add(-window), now) {
			if a.Addr == p.cell.asked() {
				who[a.Host]++
			}
		}
		if len(who) == 1 && who[d.Host.Name] > 0 {
			p.demand(what, true, "%s alone answers for %s", d.Kind, p.cell.asked())
			return
		}
		time.Sleep(p.cell.Interval() / 10)
	}
	p.demand(what, false, "after %v these answer for %s: %v", limit, p.cell.asked(), who)
}

// acts is the play.
func (p *pair) acts(ctx context.Context) error {
	p.did("start")
	if err := errors.Join(p.d1.Start(), p.d2.Start()); err != nil {
		return err
	}
	if err := p.alone(ctx, "election", p.d1, p.down(p.d1)+startLimit); err != nil {
		return err
	}
	p.holds(ctx, "holder", p.d1, time.Second)
	if err := p.kill(ctx); err != nil {
		return err
	}
	if err := p.comesBack(ctx, "preemption after the kill"); err != nil {
		return err
	}
	if err := p.resign(ctx); err != nil {
		return err
	}
	if p.cell.First == drive.LBHA {
		if err := p.comesBack(ctx, "preemption after the resignation"); err != nil {
			return err
		}
		if err := p.handOver(ctx); err != nil {
			return err
		}
	}
	return p.equal(ctx)
}

// down is a director's master-down interval.
func (p *pair) down(d *drive.Director) time.Duration { return d.Settings.Routers[0].MasterDown() }

// pause waits for a random part of an interval: a fault has no phase.
func (p *pair) pause() { time.Sleep(time.Duration(rand.Int64N(int64(p.cell.Interval())))) }

// kill kills the first director, every process of it, and measures how soon the second one follows.
func (p *pair) kill(ctx context.Context) error {
	p.pause()
	at := p.did("kill")
	if err := p.d1.SignalAll(syscall.SIGKILL); err != nil {
		return err
	}
	if err := p.alone(ctx, "takeover after a kill", p.d2, p.down(p.d2)+startLimit); err != nil {
		return err
	}
	heard := p.adverts()
	last := lastBefore(heard, p.d1.Host.Name, p.begin, mono.Now())
	first := firstAfter(heard, p.d2.Host.Name, at, isMaster)
	took, want := first.Sub(last), p.down(p.d2)
	p.result.Kill = took
	p.demand("kill: neither early nor late", took >= 3*p.cell.Interval() && took <= want+p.cell.tardiness()+p.slack(),
		"last advert to first advert %s ms, by the protocol %s", ms(took), ms(want))
	if p.cell.First == drive.LBHA {
		// The others leave the address where it is: what becomes of it is not for this to judge.
		p.holds(ctx, "a killed lbha's address goes by its lease", p.d2, leaseLimit)
	}
	return nil
}

// leaseLimit is until when a killed director's address is gone: two seconds, and what the kernel takes to notice.
const leaseLimit = 3 * time.Second

// comesBack starts the first director again: it has the higher priority.
func (p *pair) comesBack(ctx context.Context, what string) error {
	if err := p.d1.Wait(stopLimit); err != nil {
		return err
	}
	at := p.did("return")
	if err := p.d1.Start(); err != nil {
		return err
	}
	if err := p.alone(ctx, what, p.d1, p.down(p.d1)+startLimit); err != nil {
		return err
	}
	heard := p.adverts()
	first := firstAfter(heard, p.d1.Host.Name, at, isMaster)
	last := lastBefore(heard, p.d2.Host.Name, at, mono.Now())
	p.demand(what+": the other yields at once", last < first.Add(p.cell.Interval()+p.slack()), "its last advert %s ms after the first of %s", ms(last.Sub(first)), p.d1.Kind)
	p.holds(ctx, "holder", p.d1, time.Second)
	return nil
}

// resign stops the first director so that it says priority 0.
func (p *pair) resign(ctx context.Context) error {
	p.pause()
	at := p.did("resign")
	if err := p.d1.Stop(); err != nil {
		return err
	}
	if p.cell.First == drive.LBHA {
		time.Sleep(repeatedStop)
		if err := p.d1.Stop(); err != nil {
			return err
		}
	}
	if err := p.alone(ctx, "takeover after priority 0", p.d2, p.down(p.d2)+startLimit); err != nil {
		return err
	}
	heard := p.adverts()
	said := firstAfter(heard, p.d1.Host.Name, at, resigns)
	p.demand("priority 0 is said", said != 0, "%s ms after the signal", ms(said.Sub(at)))
	took, want := firstAfter(heard, p.d2.Host.Name, at, isMaster).Sub(said), p.d2.Settings.Routers[0].Skew()
	p.result.Resign = took
	p.demand("priority 0: after the skew alone", took > 0 && took <= want+p.cell.tardiness()+p.slack() && took < p.result.Kill,
		"priority 0 to first advert %s ms, by the protocol %s; after the kill %s", ms(took), ms(want), ms(p.result.Kill))
	if p.cell.First != drive.FRR {
		// A vrrpd that ends does not always bring its macvlan down first: zebra may hear of the end before the request.
		p.holds(ctx, "holder", p.d2, 2*time.Second)
	}
	return nil
}

// handOver stops lbha as operators do: it leaves when the other has taken over, and somebody advertises at every moment.
func (p *pair) handOver(ctx context.Context) error {
	p.pause()
	at := p.did("stop")
	if err := p.d1.Stop(); err != nil {
		return err
	}
	if err := p.alone(ctx, "hand-over", p.d2, p.down(p.d2)+startLimit); err != nil {
		return err
	}
	heard := p.adverts()
	first := firstAfter(heard, p.d2.Host.Name, at, isMaster)
	quiet := silence(heard, at.Add(-p.cell.Interval()), first.Add(2*p.cell.Interval()))
	p.result.HandOver = quiet
	zero := firstAfter(heard, p.d1.Host.Name, at, resigns)
	p.demand("hand-over: somebody is master at every moment", zero == 0 && quiet <= p.cell.Interval()+p.slack(), "longest silence %s ms", ms(quiet))
	p.holds(ctx, "holder", p.d2, 2*time.Second)
	return p.d1.Wait(stopLimit)
}

// equal gives both the same priority: there is one master, and when both were masters the higher address stays.
func (p *pair) equal(ctx context.Context) error {
	for _, side := range []struct {
		d     *drive.Director
		other *netlab.Host
	}{{p.d1, p.net.D2}, {p.d2, p.net.D1}} {
		side.d.Kill()
		for _, vip := range p.cell.vips() {
			if err := side.d.Host.Flush(vip); err != nil {
				return err
			}
		}
		if err := errors.Join(side.d.Forget(), side.d.Configure(p.settings(side.d.Host, side.other, priorityEqual))); err != nil {
			return err
		}
	}
	p.did("equal priorities")
	// The lower address first: the higher one finds a master of its own priority, and leaves it be.
	if err := p.d1.Start(); err != nil {
		return err
	}
	if err := p.alone(ctx, "equal: the first is master", p.d1, p.down(p.d1)+startLimit); err != nil {
		return err
	}
	if err := p.d2.Start(); err != nil {
		return err
	}
	time.Sleep(p.down(p.d2) + time.Second) // it has started, and would have taken over
	if err := p.alone(ctx, "equal: the second leaves it be", p.d1, 3*p.cell.Interval()); err != nil {
		return err
	}
	p.did("split")
	if err := p.net.Split(true); err != nil {
		return err
	}
	time.Sleep(p.down(p.d2) + 2*p.cell.Interval())
	at := p.did("heal")
	before := p.tap.Adverts.Between(at.Add(-p.cell.Interval()*5/2), at)
	a, b := sourceOf(before, p.d1.Host.Name), sourceOf(before, p.d2.Host.Name)
	p.demand("equal: cut off from each other both are masters", a.IsValid() && b.IsValid(), "their sources are %v and %v", a, b)
	// Over IPv6 FRR sends from its macvlan: which address is the higher one is for the wire to say.
	higher, lower := p.d2, p.d1
	if b.Less(a) {
		higher, lower = p.d1, p.d2
	}
	if err := p.net.Split(false); err != nil {
		return err
	}
	if err := p.alone(ctx, "equal: the higher address stays", higher, p.down(higher)+startLimit); err != nil {
		return err
	}
	last := lastBefore(p.adverts(), lower.Host.Name, at, mono.Now())
	p.demand("equal: the lower one yields at once", last < at.Add(2*p.cell.Interval()+p.slack()), "its last advert %s ms after the healing", ms(max(0, last.Sub(at))))
	p.holds(ctx, "holder", higher, 2*time.Second)
	return nil
}
