package vrrp

import (
	"net/netip"
	"time"
)

// Event is what happened to a virtual router. It is one of the types below.
type Event interface{ event() }

// Started starts a machine in Initialize. Link, source and tracked state may be
// reported before it.
type Started struct {
	// Resume is the state that a process which crashed left behind, or nil. The
	// driver passes it only if it is of this boot (Instants of another boot mean
	// nothing) and of this virtual router.
	Resume *Saved
	// Held says that addresses of the virtual router are on the interface now,
	// all or some. They are adopted or released by role.
	Held bool
}

// Stopped asks the machine to leave. A master hands over first if Wait is set
// (make before break, at most a master-down interval of the lowest priority), or
// drops at once. The last effect is Finished.
type Stopped struct {
	Wait bool
}

// TimerFired says that the deadline has passed and that every advert which was
// received until now has been delivered.
type TimerFired struct{}

// AdvertReceived is an advert of this VRID that passed the decoder.
type AdvertReceived struct {
	Source   netip.Addr
	Version  Version
	Priority Priority // 0: the sender resigns
	Interval time.Duration
	// Addresses is read during the Step only: the decoder may reuse it.
	Addresses []netip.Addr
	// ReceivedAt is when the kernel received the packet. Deadlines count from
	// it, not from when the process got round to it.
	ReceivedAt Instant
}

// LinkChanged is the state of the interface: whether it can carry packets, and
// its primary address (the zero Addr: none). A driver reports every change, and
// may report the same state again.
type LinkChanged struct {
	Up     bool
	Source netip.Addr
}

// TrackChanged is the state of all that is tracked: the sum of the weights that
// apply now, added to the priority, and the name of a failed thing without a
// weight ("": none), which is a fault.
type TrackChanged struct {
	Adjust int
	Fault  string
}

// Reconfigured replaces the configuration. What did not change is not
// disturbed. VRID, Version and family must be the same. An invalid Source keeps
// the one known from the link.
type Reconfigured struct {
	Config Config
	// AddressesChanged says that what has to be held changed where the machine
	// cannot see it: a prefix length, a label, an address that is not advertised.
	AddressesChanged bool
}

// HandOver is the operator's command to give mastership to a backup. The
// priority stays lowered until HandOverLifted, so that the router does not
// preempt its successor, unless nobody takes over.
type HandOver struct{}

// HandOverLifted ends the lowered priority that HandOver began.
type HandOverLifted struct{}

// AddressLost says that an address of ours was removed by somebody else, or by
// the end of its lease.
type AddressLost struct {
	Address netip.Addr
}

// AnnouncementHeard says that another host announced one of our addresses. A driver
// reports it in every state: to a master it is a stranger's, to one that was master
// until now the proof that the clients know its successor.
type AnnouncementHeard struct {
	Address netip.Addr
	By      string // its link-layer address, the evidence; empty: it did not say
	Kind    string // of the packet, in words: "gratuitous ARP request"; empty: not known
}

// AddressesMoved says that the interface of our addresses has another link-layer address
// than it had: clients that know the addresses send to the old one.
type AddressesMoved struct{}

// AdvertSent is the outcome of a Send.
type AdvertSent struct{ Err error }

// Claimed is the outcome of a Claim: nil only if every address is held.
type Claimed struct{ Err error }

// Renewed is the outcome of a Renew.
type Renewed struct{ Err error }

// Released is the outcome of a Release: nil only if no address is held.
type Released struct{ Err error }

// Announced is the outcome of an Announce.
type Announced struct{ Err error }

func (Started) event()           {}
func (Stopped) event()           {}
func (TimerFired) event()        {}
func (AdvertReceived) event()    {}
func (LinkChanged) event()       {}
func (TrackChanged) event()      {}
func (Reconfigured) event()      {}
func (HandOver) event()          {}
func (HandOverLifted) event()    {}
func (AddressLost) event()       {}
func (AnnouncementHeard) event() {}
func (AddressesMoved) event()    {}
func (AdvertSent) event()        {}
func (Claimed) event()           {}
func (Renewed) event()           {}
func (Released) event()          {}
func (Announced) event()         {}
