package config

import (
	"net/netip"
	"time"

	"github.com/lbha/lbha/ipvs"
	"github.com/lbha/lbha/vrrp"
)

// Instance is one virtual router: a table [[vrrp]].
//
// An Instance can be sent as JSON and read back without loss, its secret included: the
// director sends instances to the elector, which never opens a configuration file.
type Instance struct {
	Name      string        `json:"name"`
	Interface string        `json:"interface"` // where adverts are sent and heard
	VRID      vrrp.VRID     `json:"id"`
	Version   vrrp.Version  `json:"version"`
	Family    ipvs.Family   `json:"family"` // that of Addresses
	Priority  vrrp.Priority `json:"priority"`
	Interval  time.Duration `json:"interval"` // between two adverts

	Preempt      bool          `json:"preempt"`       // take over from a master of lower priority
	PreemptDelay time.Duration `json:"preempt_delay"` // wait so long before doing so
	StartupDelay time.Duration `json:"startup_delay"` // wait so long before taking part at all
	DownAdverts  int           `json:"down_adverts"`  // adverts missed before the master counts as down

	Addresses      []Address    `json:"addresses"`                 // advertised, 1-255 of one family
	ExtraAddresses []Address    `json:"extra_addresses,omitempty"` // held by the master, not advertised
	AddressLease   AddressLease `json:"address_lease"`

	VirtualMAC bool     `json:"virtual_mac"`       // hold the addresses on a macvlan with the protocol's MAC
	Unicast    *Unicast `json:"unicast,omitempty"` // nil: multicast
	Auth       Auth     `json:"auth"`
	Announce   Announce `json:"announce"`
	Notify     *Notify  `json:"notify,omitempty"` // nil: none
	Tracks     []Track  `json:"tracks,omitempty"`
}

// Address is one virtual IP address.
type Address struct {
	Prefix    netip.Prefix `json:"prefix"`          // the address itself and its prefix length, host bits kept
	Interface string       `json:"interface"`       // where it is added; default: the instance's interface
	Label     string       `json:"label,omitempty"` // IPv4 only: "eth0:vip", what old tools show
}

// String returns the address as the ip command takes it.
func (a Address) String() string {
	s := a.Prefix.String() + " dev " + a.Interface
	if a.Label != "" {
		s += " label " + a.Label
	}
	return s
}

// Unicast replaces multicast by one packet for each peer.
type Unicast struct {
	Source netip.Addr   `json:"source"` // the invalid Addr: the interface's first address
	Peers  []netip.Addr `json:"peers"`  // at least one
}

// AuthType names a way to authenticate adverts.
type AuthType string

// The authentication types.
const (
	AuthNone AuthType = "none"
	AuthPass AuthType = "pass" // RFC 2338 plain-text password, version 2 only
	AuthHMAC AuthType = "hmac" // keepalived's auth_hmac trailer
)

// Auth authenticates adverts.
type Auth struct {
	Type AuthType `json:"type"`
	Key  Secret   `json:"key,omitzero"` // pass: 1-8 bytes; hmac: 32-64 bytes
}

// Announce is the schedule of gratuitous ARP and unsolicited neighbour advertisements.
type Announce struct {
	Count       int           `json:"count"`        // repeats in a burst
	RepeatAfter time.Duration `json:"repeat_after"` // a second burst so long after the first; 0: none
	Refresh     time.Duration `json:"refresh"`      // one announcement each so often while master; 0: none
	Gap         time.Duration `json:"gap"`          // least time between two packets; 0: none
}

// Notify starts a command at every transition of the instance.
type Notify struct {
	Command []string `json:"command"` // absolute path and arguments; no shell
}

// TrackKind names what a Track watches.
type TrackKind string

// The kinds of tracks, spelled as the key that selects them.
const (
	TrackInterface TrackKind = "interface"
	TrackService   TrackKind = "service"
	TrackScript    TrackKind = "script"
	TrackFile      TrackKind = "file"
	TrackProcess   TrackKind = "process"
)

// Track ties an instance's priority, or its eligibility, to something else.
type Track struct {
	Kind TrackKind `json:"kind"`
	// Target is the interface, the service, the path of the file or script, or the name of
	// the process.
	Target string `json:"target"`
	// Args follow Target on the command line of a script.
	Args []string `json:"args,omitempty"`
	// Weight is added to the priority: a negative one while Target is bad, a positive one
	// while it is good. 0 means that a bad Target puts the instance into FAULT. A tracked
	// file has none: its content is the weight.
	Weight int `json:"weight"`
	// Interval, Rise and Fall are the schedule of a script; 0 for every other kind.
	Interval time.Duration `json:"interval,omitempty"`
	Rise     int           `json:"rise,omitempty"`
	Fall     int           `json:"fall,omitempty"`
}

// Group is a sync group: instances that are master, backup or in fault together.
type Group struct {
	Name    string   `json:"name"`
	Members []string `json:"members"` // names of instances
}
