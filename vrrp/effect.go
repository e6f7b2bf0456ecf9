package vrrp

import (
	"net/netip"
	"time"
)

// Effect is what the driver has to do or to report. It is one of the types
// below, always as a value, never as a pointer.
type Effect interface{ effect() }

// Send sends one advert now. Its outcome is AdvertSent.
type Send struct {
	VRID      VRID
	Version   Version
	Priority  Priority
	Interval  time.Duration
	Source    netip.Addr
	Addresses []netip.Addr // must not be changed
}

// Claim puts every address of the virtual router on the interface, with the
// lease as its kernel lifetime (0: for ever), and removes those that are no
// longer configured. It is the whole set and idempotent: an address that is held
// is not touched but for its lifetime. Its outcome is Claimed.
type Claim struct {
	Lease time.Duration
}

// Renew gives every held address a new lifetime. Its outcome is Renewed.
type Renew struct {
	Lease time.Duration
}

// Release removes every address of the virtual router and cancels announcements
// that are queued. Not to hold one is not an error. Its outcome is Released.
type Release struct{}

// Announce sends one gratuitous ARP or unsolicited neighbour advertisement for
// each address that is held. Round counts from 0 after a claim or after a sign
// of two masters. Its outcome is Announced.
type Announce struct {
	Round int
}

// SetSyncRole sets the direction of the connection synchronisation of IPVS.
type SetSyncRole struct {
	Master bool
}

// Transition reports a change of state, or, with From and To both Fault, that the
// reason of a fault is another one now. It needs no action.
type Transition struct {
	From   State      `json:"from"`
	To     State      `json:"to"`
	Reason Reason     `json:"reason"`
	Peer   netip.Addr `json:"peer,omitzero"`    // the router that caused it, if one did
	Detail string     `json:"detail,omitempty"` // the error, the tracked thing, the time
}

// Reject reports that the event of this Step, an advert or a command, was valid
// but changed neither state nor deadline, and why. It needs no action.
type Reject struct {
	Reason Reason `json:"reason"`
}

// Finding reports something that an operator should know. It is emitted when it
// begins, with Cleared when a lasting one ends, and at most once an interval when
// it repeats. It needs no action.
type Finding struct {
	Reason  Reason     `json:"reason"`
	Peer    netip.Addr `json:"peer,omitzero"`    // zero: not about a peer
	Ours    string     `json:"ours,omitempty"`   // what we have, of a mismatch
	Theirs  string     `json:"theirs,omitempty"` // what the peer has, of a mismatch
	Detail  string     `json:"detail,omitempty"` // otherwise: the error, the address, the time
	Since   Instant    `json:"since,omitzero"`   // of one that lasts: when it began
	Cleared bool       `json:"cleared,omitempty"`
}

// Finished is the last effect after Stopped: the machine is in Initialize.
type Finished struct{}

func (Send) effect()        {}
func (Claim) effect()       {}
func (Renew) effect()       {}
func (Release) effect()     {}
func (Announce) effect()    {}
func (SetSyncRole) effect() {}
func (Transition) effect()  {}
func (Reject) effect()      {}
func (Finding) effect()     {}
func (Finished) effect()    {}
