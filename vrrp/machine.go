package vrrp

import (
	"net/netip"
	"time"
)

// Machine is one virtual router. The zero Machine is not usable: see [New].
type Machine struct {
	cfg     Config
	now     Instant  // of the Step in progress
	effects []Effect // of the Step in progress; reused

	state  State
	since  Instant // of the last transition, as are reason and detail
	reason Reason
	detail string

	// Circumstances, known in every state.
	linkUp     bool
	source     netip.Addr
	adjust     int    // added to the configured priority
	trackFault string // the tracked thing that failed, or ""
	mayHold    bool   // an address was claimed and not yet seen released

	// The wish to leave.
	lowered   bool    // advertise priority 1: commanded or stopping
	commanded bool    // by HandOver, until HandOverLifted
	stopping  bool    // Stopped was received
	lingerAt  Instant // the relieved master gives the addresses up

	backup    backup
	master    master
	conceding conceding
	fault     fault
	group     membership

	lastAdvert  Instant // the last that really left
	releaseAt   Instant // a Release failed: try again
	peers       []peer
	second      rival // of the current master, as a backup hears it
	resignation resignation
	counters    Counters

	// Effects that are the same again and again are boxed once.
	advert         Effect // a Send of advertPriority
	advertPriority Priority
	renewal        Effect
}

// releaseRetry is how soon a Release that failed is tried again. It is the one
// thing a router that is not master must not give up on.
const releaseRetry = time.Second

// New returns a machine in Initialize. It panics if the configuration is not
// valid: see [Config.Validate].
func New(cfg Config) *Machine {
	m := &Machine{linkUp: true, effects: make([]Effect, 0, 8)}
	m.configure(cfg)
	m.sourceIs(cfg.Source)
	m.lingerAt, m.releaseAt = never, never
	m.backup.reset()
	m.master.reset()
	return m
}

// configure installs a configuration. A mistake here is the driver's: the files
// of users are validated long before.
func (m *Machine) configure(cfg Config) {
	if err := cfg.Validate(); err != nil {
		panic("vrrp: invalid configuration: " + err.Error())
	}
	m.cfg = cfg.withDefaults()
	m.advert = nil
	m.renewal = Renew{Lease: m.cfg.Lease}
}

// Step tells the machine what happened at now, and returns what has to be done
// about it, in this order. The slice is valid until the next Step. Step panics on
// what only a mistake in the driver can cause: an event that is not one of this
// package, or Started in a machine that runs.
func (m *Machine) Step(now Instant, ev Event) []Effect {
	m.now = max(m.now, now)
	m.effects = m.effects[:0]
	// First of all: whatever the event is, it may be the first to be seen after
	// a pause, and must not be judged by a master that is none any more.
	m.noticeStall()

	switch ev := ev.(type) {
	case AdvertReceived:
		m.hear(&ev)
	case AdvertSent:
		m.advertSent(ev.Err)
	case TimerFired:
		m.timer()
	case Renewed:
		m.renewed(ev.Err)
	case Announced:
		m.announced(ev.Err)
	case Claimed:
		m.claimed(ev.Err)
	case Released:
		m.released(ev.Err)
	case AddressLost:
		m.addressLost(ev.Address)
	case AnnouncementHeard:
		m.announcementHeard(&ev)
	case AddressesMoved:
		if m.state == Master {
			m.assert()
		}
	case LinkChanged:
		m.linkChanged(ev)
	case TrackChanged:
		m.trackChanged(ev)
	case Reconfigured:
		m.reconfigure(ev)
	case HandOver:
		m.handOver()
	case HandOverLifted:
		m.liftHandOver()
	case Started:
		m.start(ev, true)
	case Stopped:
		m.stop(ev.Wait)
	default:
		// Its type is not named: to format an event would put every event on the heap.
		panic("vrrp: an event that is none of this package")
	}

	if m.left() && !m.group.bound {
		m.finish(ReasonStopped)
	}
	return m.effects
}

// Deadline returns when TimerFired is due, or false if no timer is armed.
func (m *Machine) Deadline() (Instant, bool) {
	at := min(m.lingerAt, m.releaseAt)
	switch m.state {
	case Backup:
		at = min(at, m.takeoverAt())
	case Master:
		at = min(at, m.master.deadline())
	case Fault:
		at = min(at, m.faultOver())
	}
	return at, at != never
}

// timer does all that is due.
func (m *Machine) timer() {
	if m.lingerAt <= m.now {
		m.release()
	}
	switch m.state {
	case Backup:
		m.backupTimer()
	case Master:
		m.masterTimer()
	case Fault:
		m.judge()
	}
	if m.releaseAt <= m.now {
		m.release()
	}
}

// Priority returns the priority in force: 1 while a hand-over is wished,
// else the configured one with what is tracked, kept within 1–254. The owner's
// 255 is a statement about the addresses, not about health: it is not adjusted.
// In a [Group] it is the lowest of the members'.
func (m *Machine) Priority() Priority {
	switch own := m.ownPriority(); {
	case m.lowered:
		return PriorityLowest
	case m.group.ceiling != 0:
		return min(own, m.group.ceiling)
	default:
		return own
	}
}

// ownPriority is the priority without a hand-over and without the group.
func (m *Machine) ownPriority() Priority {
	if m.cfg.Priority == PriorityOwner {
		return PriorityOwner
	}
	p := int(m.cfg.Priority) + m.adjust
	return Priority(min(max(p, int(PriorityLowest)), int(PriorityHighest)))
}

// emit appends an effect.
func (m *Machine) emit(e Effect) { m.effects = append(m.effects, e) }

// reject says why the event changed nothing.
func (m *Machine) reject(r Reason) { m.emit(Reject{Reason: r}) }

// transit changes the state and reports it.
func (m *Machine) transit(to State, reason Reason, by netip.Addr, detail string) {
	from := m.state
	m.state, m.since, m.reason, m.detail = to, m.now, reason, detail
	m.counters.Transitions++
	m.emit(Transition{From: from, To: to, Reason: reason, Peer: by, Detail: detail})
}

// send emits an advert.
func (m *Machine) send(p Priority) {
	if m.advert == nil || m.advertPriority != p {
		m.advertPriority = p
		m.advert = Send{
			VRID: m.cfg.VRID, Version: m.cfg.Version, Priority: p, Interval: m.cfg.Interval,
			Source: m.source, Addresses: m.cfg.Addresses,
		}
	}
	m.emit(m.advert)
}

// release emits the removal of the addresses.
func (m *Machine) release() {
	m.lingerAt, m.releaseAt = never, never
	m.emit(Release{})
}

// released takes the outcome of a Release.
func (m *Machine) released(err error) {
	switch {
	case m.state == Master: // claimed again meanwhile
	case err == nil:
		m.mayHold = false
	default:
		m.releaseAt = m.now.Add(releaseRetry)
		m.emit(Finding{Reason: FindingReleaseFailed, Detail: err.Error()})
	}
}
