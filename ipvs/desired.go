package ipvs

import "net/netip"

// Intent is all that decides what one virtual service should look like: its
// configuration, what the checks say, and what the operator ordered.
type Intent struct {
	Service Service
	Members []Member
	Policy  Policy
	// QuorumLost is what [Desired] last said of this service. It matters only
	// with Policy.Hysteresis, whose band keeps the former answer.
	QuorumLost bool
}

// Policy is how a virtual service copes with the loss of servers.
type Policy struct {
	// Quorum is the weight of primary servers that must be alive; 0 means 1.
	// Below it the backup servers come in.
	Quorum Weight
	// Hysteresis widens the quorum: lost below Quorum-Hysteresis, back at
	// Quorum+Hysteresis.
	Hysteresis Weight
	// PanicThreshold is the share of primary servers, 0 to 1, below which
	// their checks are no longer believed: all of them stay in, because so
	// many rarely fail at once and checks do. It yields to a backup server
	// that is alive. 0 is off.
	PanicThreshold float64
	OnFail         OnFail
}

// Member is a configured real server.
type Member struct {
	Server  Server // with its configured weight
	Backup  bool   // used when the quorum is lost
	Verdict Verdict
	// Carried says that the kernel had the server when this process found the
	// table, with CarriedWeight. Until its first verdict it is left as it is: a
	// restart neither removes a healthy server nor adds a dead one.
	Carried       bool
	CarriedWeight Weight
	Override      Override
	// Share is the part of the weight that a slow start gives now, above 0 and
	// below 1; 0 and 1 are the whole weight.
	Share float64
}

// Override is an operator's order for one real server. The zero Override is
// none.
type Override struct {
	Mode   OverrideMode `json:"mode"`
	Weight Weight       `json:"weight,omitempty"` // of OverrideWeight
}

// OverrideMode is the kind of an [Override].
type OverrideMode uint8

// The orders.
const (
	NoOverride     OverrideMode = iota
	Drain                       // weight 0: connections go on, no new ones
	Disable                     // out of the table
	OverrideWeight              // another weight than the configured one
)

var overrideModes = names[OverrideMode]{"override", []name[OverrideMode]{
	{NoOverride, "none"}, {Drain, "drain"}, {Disable, "disable"}, {OverrideWeight, "weight"}}}

// String returns the name.
func (m OverrideMode) String() string { return overrideModes.text(m) }

// MarshalText returns the name.
func (m OverrideMode) MarshalText() ([]byte, error) { return overrideModes.marshal(m) }

// UnmarshalText reads a name.
func (m *OverrideMode) UnmarshalText(b []byte) error { return overrideModes.unmarshal(m, b) }

// Placement says where [Desired] put a real server, and why.
type Placement string

// The placements. Those that put a server in end the list.
const (
	OutDown     Placement = "down"     // its checks fail
	OutUnproven Placement = "unproven" // no check has succeeded yet
	OutStandby  Placement = "standby"  // a backup server that is not needed
	OutDisabled Placement = "disabled" // the operator took it out
	InQuiesced  Placement = "quiesced" // its checks fail; weight 0
	InDraining  Placement = "draining" // the operator drains it; weight 0
	InAdopted   Placement = "adopted"  // found in the kernel, not checked yet: left as it is
	InPanic     Placement = "panic"    // its checks fail, but too many do: not believed
	InServing   Placement = "serving"
)

// In reports whether the server is in the table.
func (p Placement) In() bool {
	switch p {
	case InQuiesced, InDraining, InAdopted, InPanic, InServing:
		return true
	}
	return false
}

// Outcome is what [Desired] made of one [Intent], for people and for the next
// call.
type Outcome struct {
	Key        Key
	QuorumLost bool
	Panic      bool
	Alive      Weight // weight of the primary servers that are alive
	Members    []MemberOutcome
}

// MemberOutcome is where a member was put, in the order of Intent.Members.
type MemberOutcome struct {
	Addr      netip.AddrPort
	Placement Placement
	Weight    Weight // in the table; 0 if it is out
}

// Desired returns the table that the intents ask for, and what it decided for
// each of them, in their order.
func Desired(intents []Intent) (Table, []Outcome) {
	outcomes := make([]Outcome, 0, len(intents))
	pools := make([]Pool, 0, len(intents))
	for _, in := range intents {
		out := in.decide()
		pool := Pool{Service: in.Service}
		for i, m := range out.Members {
			if m.Placement.In() {
				if pool.Servers == nil {
					pool.Servers = make([]Server, 0, len(out.Members))
				}
				s := in.Members[i].Server
				s.Weight = m.Weight
				pool.Servers = append(pool.Servers, s)
			}
		}
		pools = append(pools, pool)
		outcomes = append(outcomes, out)
	}
	return NewTable(pools...), outcomes
}
