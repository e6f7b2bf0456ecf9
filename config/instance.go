package config

import (
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"
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

	VirtualMAC bool     `json:"virtual_mac"`        // hold the addresses on a macvlan with the protocol's MAC
	Unicast    *Unicast `json:"unicast,omitempty"`  // nil: multicast
	Checksum   Checksum `json:"checksum,omitempty"` // of version 3 on IPv4; "" for everything else
	Auth       Auth     `json:"auth"`
	Announce   Announce `json:"announce"`
	Notify     *Notify  `json:"notify,omitempty"` // nil: none
	Tracks     []Track  `json:"tracks,omitempty"`
	Routes     []Route  `json:"routes,omitempty"` // there while master
	Rules      []Rule   `json:"rules,omitempty"`  // there while master
}

// Address is one virtual IP address.
type Address struct {
	Prefix    netip.Prefix `json:"prefix"`          // the address itself and its prefix length, host bits kept
	Interface string       `json:"interface"`       // where it is added; default: the instance's interface
	Label     string       `json:"label,omitempty"` // IPv4 only: "eth0:vip", what old tools show
	Scope     Scope        `json:"scope,omitempty"` // IPv4 only; "": global
}

// Scope is how far an IPv4 address is valid, as ip-address(8) names it. The scope of an
// IPv6 address follows from the address.
type Scope string

// The scopes. The empty Scope is global.
const (
	ScopeGlobal Scope = "global"
	ScopeSite   Scope = "site"
	ScopeLink   Scope = "link"
	ScopeHost   Scope = "host"
)

// String returns the address as the ip command takes it.
func (a Address) String() string {
	s := a.Prefix.String() + " dev " + a.Interface
	if a.Label != "" {
		s += " label " + a.Label
	}
	if a.Scope != "" {
		s += " scope " + string(a.Scope)
	}
	return s
}

// Unicast replaces multicast by one packet for each peer.
type Unicast struct {
	Source netip.Addr   `json:"source"` // the invalid Addr: the interface's first address
	Peers  []netip.Addr `json:"peers"`  // at least one
	// MinTTL and MaxTTL bound the TTL, or hop limit, that an advert may arrive with, 1-255;
	// 0: no bound. What is sent has 255, so 255 as the least accepts no router on the way.
	MinTTL uint8 `json:"min_ttl,omitempty"`
	MaxTTL uint8 `json:"max_ttl,omitempty"`
}

// Checksum says what the checksum of an advert of version 3 on IPv4 covers when we send.
// Either is accepted.
type Checksum string

// The checksums.
const (
	ChecksumPseudoHeader Checksum = "pseudo-header" // keepalived and FRR
	ChecksumMessage      Checksum = "message"       // RFC 9568, section 5.2.8
)

// AuthType names a way to authenticate adverts.
type AuthType string

// The authentication types.
const (
	AuthNone AuthType = "none"
	AuthPass AuthType = "pass" // RFC 2338 plain-text password, version 2 only
	AuthHMAC AuthType = "hmac" // keepalived's auth_hmac trailer
)

// Auth authenticates adverts. What its type has no setting for is zero.
type Auth struct {
	Type AuthType `json:"type"`
	Key  Secret   `json:"key,omitzero"` // pass: 1-8 bytes

	// HMAC.
	Keys   []AuthKey     `json:"keys,omitempty"`   // at least one, each ID once
	Active uint8         `json:"active,omitempty"` // the ID of the key that signs; every key verifies
	Mode   AuthMode      `json:"mode,omitempty"`
	Replay AuthReplay    `json:"replay,omitempty"`
	Window time.Duration `json:"window,omitempty"` // how far clocks may differ, in whole seconds; only of ReplayTime
}

// AuthKey is one key of hmac.
type AuthKey struct {
	ID  uint8  `json:"id"`  // 1-255
	Key Secret `json:"key"` // as written: text, or "hex:" and digits; 32-64 bytes
}

// Bytes returns the key itself.
func (k AuthKey) Bytes() []byte {
	return keyBytes(k.Key)
}

// keyBytes are the bytes of a key as it is written.
func keyBytes(key Secret) []byte {
	if digits, isHex := strings.CutPrefix(key.Reveal(), "hex:"); isHex {
		b, _ := hex.DecodeString(digits) // Load saw that they are digits
		return b
	}
	return []byte(key.Reveal())
}

// AuthMode is how strict hmac is. In every mode an advert that is signed wrongly is
// refused. To introduce hmac without an outage, every director goes through the modes in
// the order of their constants.
type AuthMode string

// The modes.
const (
	AuthReceiveOnly AuthMode = "receive-only" // sign nothing, accept what is not signed
	AuthPermissive  AuthMode = "permissive"   // sign, accept what is not signed
	AuthEnforce     AuthMode = "enforce"      // sign, refuse what is not signed
)

// AuthReplay is how hmac recognises an advert that somebody recorded.
type AuthReplay string

// The protections against replays.
const (
	ReplayTime      AuthReplay = "time"      // by the time in it, within a window: clocks must agree
	ReplayMonotonic AuthReplay = "monotonic" // by its sequence alone, for clocks that do not
)

// Announce is the schedule of gratuitous ARP and unsolicited neighbour advertisements.
type Announce struct {
	Count       int           `json:"count"`        // repeats in a burst
	RepeatAfter time.Duration `json:"repeat_after"` // a second burst so long after the first; 0: none
	Refresh     time.Duration `json:"refresh"`      // one announcement each so often while master; 0: none
	Gap         time.Duration `json:"gap"`          // between two addresses on one interface; 0: 64 at once, then one each 250 µs
}

// Notify tells of every transition of the instance: it starts a command, writes a line to
// a stream, or both.
type Notify struct {
	Command []string      `json:"command,omitempty"` // absolute path and arguments; no shell
	User    string        `json:"user,omitempty"`    // whom it runs as
	Timeout time.Duration `json:"timeout,omitempty"` // then it is killed
	Stream  string        `json:"stream,omitempty"`  // path of a FIFO or of a unix stream socket
}

// Route is a route that the master has.
type Route struct {
	Destination netip.Prefix `json:"destination"`      // 0.0.0.0/0 and ::/0 are the default
	Via         netip.Addr   `json:"via,omitzero"`     // the next hop; invalid: on the link
	Device      string       `json:"device"`           // default: the instance's interface
	Source      netip.Addr   `json:"source,omitzero"`  // preferred source; invalid: the kernel's choice
	Table       int          `json:"table"`            // default: 254, main
	Metric      int          `json:"metric,omitempty"` // 0: the kernel's default
}

// String returns the route as the ip command takes it.
func (r Route) String() string {
	s := r.Destination.String()
	if r.Via.IsValid() {
		s += " via " + r.Via.String()
	}
	s += " dev " + r.Device
	if r.Source.IsValid() {
		s += " src " + r.Source.String()
	}
	if r.Table != MainTable {
		s += " table " + strconv.Itoa(r.Table)
	}
	if r.Metric != 0 {
		s += " metric " + strconv.Itoa(r.Metric)
	}
	return s
}

// MainTable is the kernel's main routing table.
const MainTable = 254

// Rule is a routing rule that the master has. At least one of From and To is valid.
type Rule struct {
	From     netip.Prefix `json:"from,omitzero"` // invalid: all
	To       netip.Prefix `json:"to,omitzero"`   // invalid: all
	Table    int          `json:"table"`
	Priority int          `json:"priority"` // 1-32765; lower ones are asked first
}

// String returns the rule as the ip command takes it.
func (r Rule) String() string {
	s := "from all"
	if r.From.IsValid() {
		s = "from " + r.From.String()
	}
	if r.To.IsValid() {
		s += " to " + r.To.String()
	}
	return s + " table " + strconv.Itoa(r.Table) + " priority " + strconv.Itoa(r.Priority)
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
	TrackInstance  TrackKind = "instance"
)

// Track ties an instance's priority, or its eligibility, to something else.
type Track struct {
	Kind TrackKind `json:"kind"`
	// Target is the interface, the service, the other instance, the path of the file or
	// script, or the name of the process.
	Target string `json:"target"`
	// Args follow Target on the command line of a script.
	Args []string `json:"args,omitempty"`
	// Weight is added to the priority: a negative one while Target is bad, a positive one
	// while it is good; of a service, in proportion to its healthy share. 0 means that a bad
	// Target puts the instance into FAULT, and a bad service its priority to the least there
	// is: what both directors see is no reason to serve nowhere. A tracked file has none: its
	// content is the weight. Another instance is bad while it is not master here, or, with
	// weight 0, while it is in FAULT here.
	Weight int `json:"weight"`
	// Interval, Rise and Fall are the schedule of a script, Timeout and User how it runs;
	// zero for every other kind.
	Interval time.Duration `json:"interval,omitempty"`
	Timeout  time.Duration `json:"timeout,omitempty"`
	Rise     int           `json:"rise,omitempty"`
	Fall     int           `json:"fall,omitempty"`
	User     string        `json:"user,omitempty"`
}

// Group is a sync group: instances that are master, backup or in fault together.
type Group struct {
	Name    string   `json:"name"`
	Members []string `json:"members"` // names of instances
}
