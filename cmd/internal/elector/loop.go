package elector

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/cmd/internal/keep"
	"github.com/lbha/lbha/cmd/internal/link"
	"github.com/lbha/lbha/cmd/internal/observe"
	"github.com/lbha/lbha/vrrp"
	"github.com/lbha/lbha/vrrp/address"
	"github.com/lbha/lbha/vrrp/segment"
	"github.com/lbha/lbha/vrrp/wire"
)

const (
	// tickPeriod is that of the work which is not urgent: state for the director, watchdog, audit, verification.
	tickPeriod = time.Second
	// drainLimit bounds the packets of one interface that are read before timers are looked at again: 4,096 take some
	// 10 ms. The socket filter leaves only floods of well-formed packets to reach it.
	drainLimit = 4096
	// glance is how long what epoll said of a socket is true: for less than any deadline is.
	glance = time.Millisecond
	// nudgePeriod is how often the collector of garbage is asked to look.
	nudgePeriod = time.Second
)

// elector is the process: its loop and all that it owns. Only the loop's thread touches it.
type elector struct {
	epoll, timer, stopFD int
	ready                map[int]func() // by descriptor
	events               [64]unix.EpollEvent

	link   *link.Conn
	notify *observe.Notifier
	region *keep.Region
	rtnl   *address.Conn // for what a change of role asks for
	aside  *aside        // for what is asked for all the time
	asked  uint64        // counts changes of addresses that the loop has asked for
	watch  *address.Watch

	links    *links // nil: there was none to take down or away yet
	retiring []linkJob
	closing  chan io.Closer
	gc       *collector

	ifaces    map[string]*iface
	instances []*instance // in the order of the configuration
	byName    map[string]*instance
	schedule  schedule // their groups
	due       []*group // in this turn of the loop
	renewals  []renewal
	turn      uint64  // counts those in which something was due
	unions    []union // the groups that are to be
	outcomes  []outcome
	pacing    []*iface  // on which announcements wait
	failures  []outcome // of announcements that waited

	prepared      *link.Prepare // waits for its Commit
	committed     link.Prepare  // in force
	committedText []byte        // the same as JSON
	active        bool          // something is committed

	traffic traffic
	polled  vrrp.Instant // when epoll returned last
	more    bool         // it did not tell of every socket
	armed   vrrp.Instant // what the timer is set to
	nudged  vrrp.Instant

	stops    int // stop signals seen
	nextTick vrrp.Instant
	moved    bool // an instance has changed its state
	dirty    bool // a State is due
	unsaved  bool // the region is behind
	unseen   bool // a look at the kernel's addresses is due

	routed     uint64       // counts routes that the loop has added
	routesNext vrrp.Instant // when a look at the kernel's is due

	saving, reporting bulk

	realTime, locked bool
	lost             uint64 // messages that the director did not take
	limits           map[limitKey]*limit

	packets [64]segment.Packet
	advert  wire.Advert
	out     []byte
	addrs   []netip.Addr
	one     [1]netip.Addr
	changes address.Changes
}

// listen adds a descriptor to the loop.
func (e *elector) listen(fd int, ready func()) error { return e.listenFor(fd, unix.EPOLLIN, ready) }

func (e *elector) listenFor(fd int, events uint32, ready func()) error {
	if e.ready == nil {
		e.ready = make(map[int]func())
	}
	if err := unix.EpollCtl(e.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)}); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	e.ready[fd] = ready
	return nil
}

// forget takes a descriptor out of the loop, before it is closed.
func (e *elector) forget(fd int) {
	_ = unix.EpollCtl(e.epoll, unix.EPOLL_CTL_DEL, fd, nil)
	delete(e.ready, fd)
}

// run is the loop. It returns when every instance has finished after a stop.
func (e *elector) run() error {
	e.gc = newCollector()
	e.nextTick = now()
	if err := e.restore(); err != nil {
		e.happened(nil, "process", "state-lost", "what the former process saved cannot be read: "+err.Error(), true)
	}
	for !e.finished() {
		e.gather(e.arm())
		n, err := unix.EpollWait(e.epoll, e.events[:], -1)
		if err != nil && err != unix.EINTR {
			return fmt.Errorf("epoll: %w", err)
		}
		e.polled, e.more = now(), n == len(e.events) || err != nil
		for _, ev := range e.events[:max(n, 0)] {
			if ready := e.ready[int(ev.Fd)]; ready != nil { // nil: closed by an event before it
				ready()
			}
		}
		e.fire()
		e.keepPace()
		t := now()
		e.renew(t)
		e.verify()
		e.lookAtRoutes(t)
		if t >= e.nextTick {
			e.tick(t)
		}
		e.flush()
	}
	e.dropVMACs()
	e.save()
	e.report()
	return nil
}

func (e *elector) finished() bool {
	if e.stops == 0 {
		return false
	}
	for _, in := range e.instances {
		if !in.finished {
			return false
		}
	}
	return true
}

// arm sets the one timer to the earliest deadline. One that is set for an earlier time still is left: a backup moves its
// deadline with each advert, and to wake once too often costs less than to set the timer each time. It returns that
// deadline.
func (e *elector) arm() (at vrrp.Instant) {
	at = min(e.nextTick, e.schedule.wake(), e.pacedAt(), e.flushAt())
	if e.armed <= at && e.armed > e.polled {
		return at
	}
	e.armed = at
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(max(int64(at), 1))} // 0 would disarm
	_ = unix.TimerfdSettime(e.timer, unix.TFD_TIMER_ABSTIME, &spec, nil)
	return at
}

// onTimer has nothing to do: the timer is edge-triggered, and the next setting makes it ready to be one again.
func (e *elector) onTimer() {}

// fire delivers the timers that are due. Whoever slept hears first what was said meanwhile: the sockets of a group are
// empty before its silence is judged. They are if epoll has just said so, and nobody slept since, nor before it; else
// they are drained.
func (e *elector) fire() {
	e.due = e.schedule.due(e.due[:0], now())
	if len(e.due) == 0 {
		return
	}
	t := now()
	if e.more || t.Sub(min(e.polled, e.schedule.first())) > glance {
		e.drain()
		t = now()
	}
	for _, g := range e.due {
		if g.at > t {
			continue // what was said has moved it
		}
		g.due = g.at
		e.stepAll(g, vrrp.TimerFired{})
		g.due = 0
	}
	clear(e.due)
	if t.Sub(e.nudged) > nudgePeriod {
		e.nudged = t
		e.gc.nudge()
	}
}

// drain reads the sockets of what is due.
func (e *elector) drain() {
	e.turn++
	for _, g := range e.due {
		for _, in := range g.members {
			if c := in.channel; c.turn != e.turn {
				c.turn = e.turn
				e.receive(c)
			}
		}
	}
}

// tick does what is due once a second.
func (e *elector) tick(t vrrp.Instant) {
	e.nextTick = t.Add(tickPeriod)
	e.notify.Pet()
	if t.Sub(e.nudged) > 2*nudgePeriod { // a backup has no adverts to do it after
		e.nudged = t
		e.gc.nudge()
	}
	e.retryInterfaces()
	e.keepVMACs()
	e.keepRoutes()
	e.audit()
	e.unseen = true
	e.expireTracks(t)
	e.expireRefusals(t)
	e.form()
	e.dirty = true
}

// flush saves, and then tells the outside, what this turn of the loop changed: what was told is what a successor knows.
func (e *elector) flush() {
	e.retireLinks()
	for e.moved {
		e.moved = false
		e.lookAtInstances()
		e.form()
	}
	if e.unsaved {
		e.saving.do(e.save)
	}
	if e.dirty && !e.unsaved {
		e.reporting.do(e.report)
	}
}

// flushAt is when flush has something to do that it put off; never: it has nothing.
func (e *elector) flushAt() vrrp.Instant {
	at := never
	switch {
	case e.unsaved:
		at = e.saving.next
	case e.dirty:
		at = e.reporting.next
	}
	return at
}

// bulk is work that grows with the number of instances, and is asked for by each of them: when a thousand become master
// it is done some times, not a thousand times. With few instances it is done at once.
type bulk struct{ next vrrp.Instant }

// Bulk work may take one part in bulkShare of the time, and is put off by bulkLimit at most: whatever took its time was
// not the work then, but a processor that others had.
const (
	bulkShare = 20
	bulkLimit = 250 * time.Millisecond
)

func (b *bulk) do(work func()) {
	start := now()
	if start < b.next {
		return
	}
	work()
	end := now()
	b.next = end.Add(min(bulkShare*end.Sub(start), bulkLimit))
}

func (e *elector) onStop() {
	var buf [8]byte
	if _, err := unix.Read(e.stopFD, buf[:]); err != nil {
		return
	}
	e.stops += int(binary.NativeEndian.Uint64(buf[:])) // two at once are two
	for _, g := range slices.Clone(e.schedule) {       // a step reorders it
		if !g.finished() {
			e.stepAll(g, vrrp.Stopped{Wait: e.stops == 1})
		}
	}
}
