package link

import (
	"time"

	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/vrrp"
)

// Version is that of the messages. Both processes are of one binary; but one that was started before an upgrade may
// speak to one that was started after.
const Version = 1

// Message is the envelope: exactly one of its pointers is set.
type Message struct {
	Version int `json:"version"`

	// Director to elector.
	Prepare  *Prepare  `json:"prepare,omitempty"`
	Commit   *Commit   `json:"commit,omitempty"`
	Tracks   *Tracks   `json:"tracks,omitempty"`
	HandOver *HandOver `json:"hand_over,omitempty"`
	Query    *Query    `json:"query,omitempty"`

	// Elector to director.
	Prepared  *Outcome  `json:"prepared,omitempty"`
	Committed *Outcome  `json:"committed,omitempty"`
	State     *State    `json:"state,omitempty"`
	Happened  *Happened `json:"happened,omitempty"`
}

// Prepare gives the elector a configuration to hold ready. A later Prepare replaces an earlier one that was not
// committed.
type Prepare struct {
	Generation uint64            `json:"generation"`
	Hash       string            `json:"hash"`
	Instances  []config.Instance `json:"instances"`
	Groups     []config.Group    `json:"groups,omitempty"` // their members are among Instances
}

// Commit puts the prepared configuration of that generation in force.
type Commit struct {
	Generation uint64 `json:"generation"`
}

// Outcome answers Prepare and Commit. An Error means that nothing was changed.
type Outcome struct {
	Generation uint64 `json:"generation"`
	Error      string `json:"error,omitempty"`
}

const (
	// TracksPeriod is how often the director repeats Tracks that have not changed.
	TracksPeriod = 5 * time.Second
	// TracksHold is how long the elector goes by what it was told last of an instance when it is told no more, because
	// the director is away or does not know: long enough for any restart of the director, short enough that nobody is
	// kept out of his role for ever by a failure that nobody looks at any more. Then the trackers of that instance
	// contribute nothing, as those that have no result yet. It counts anew when the elector itself is restarted.
	TracksHold = time.Minute
)

// Tracks is what the trackers that the director runs (scripts, files, processes, services) add up to, by the name of
// the instance. It is the whole state: sent at every change, and every TracksPeriod without one. The director leaves
// out an instance while one of its trackers has no result yet: then the elector goes by what it knows, for TracksHold.
// Interfaces and other instances are the elector's own to look at.
type Tracks struct {
	Instances map[string]Tracked `json:"instances"`
}

// Tracked is what the trackers of one instance add up to.
type Tracked struct {
	// Adjust is the sum of the weights that apply now: it is added to the priority.
	Adjust int `json:"adjust,omitempty"`
	// Fault names the failed thing that makes the instance ineligible, for people ("script /usr/bin/ask failed: exit
	// status 1"). Empty: none.
	Fault string `json:"fault,omitempty"`
	// Detail names the things that Adjust is made of, for people ("file /run/weight −20"). Empty: none.
	Detail string `json:"detail,omitempty"`
}

// HandOver asks an instance, or all with an empty name, to hand over to a backup, or to take part again.
type HandOver struct {
	Instance string `json:"instance"`
	Lift     bool   `json:"lift"`
}

// Query asks for a State at once.
type Query struct{}

// State is everything about the elector. It is sent at its start, after each transition and once a second.
type State struct {
	PID      int          `json:"pid"`
	At       vrrp.Instant `json:"at"`
	Hash     string       `json:"hash"` // of the committed configuration; empty: none yet
	RealTime bool         `json:"real_time"`
	Locked   bool         `json:"locked"` // its memory cannot be swapped out
	Lost     uint64       `json:"lost"`   // Happened messages that could not be sent
	// Goroutines is how many the process has.
	Goroutines int `json:"goroutines"`
	// Interfaces counts packets that were for no instance of ours, by interface and reason.
	Interfaces map[string]map[string]uint64 `json:"interfaces,omitempty"`
	Instances  []InstanceState              `json:"instances"`
}

// InstanceState is one virtual router.
type InstanceState struct {
	Name          string            `json:"name"`
	Interface     string            `json:"interface"`
	VRID          vrrp.VRID         `json:"vrid"`
	Group         string            `json:"group,omitempty"` // the sync group that it moves with, once that is formed
	State         vrrp.State        `json:"state"`
	Since         vrrp.Instant      `json:"since"`
	Reason        vrrp.Reason       `json:"reason"`
	Detail        string            `json:"detail,omitempty"`
	Priority      int               `json:"priority"`
	Tracked       string            `json:"tracked,omitempty"` // the tracked things that change the priority now
	Master        string            `json:"master,omitempty"`  // primary address of the current master, if known
	HandOver      bool              `json:"hand_over,omitempty"`
	Held          []string          `json:"held"`
	Sent          uint64            `json:"sent"`
	Received      uint64            `json:"received"`
	PlainChecksum uint64            `json:"plain_checksum,omitempty"` // of Received, with a checksum without the pseudo header
	Dropped       map[string]uint64 `json:"dropped,omitempty"`
	Late          uint64            `json:"late"`
	MaxLate       time.Duration     `json:"max_late"`
	Announcements uint64            `json:"announcements"`
	Transitions   uint64            `json:"transitions"`
	Findings      []vrrp.Finding    `json:"findings,omitempty"` // that last
	Peers         []vrrp.Peer       `json:"peers,omitempty"`    // whose adverts were accepted, latest last
	// Seen are the tracked interfaces and instances, in the order of the configuration.
	Seen []Seen `json:"seen,omitempty"`
}

// Seen is a tracked thing that the elector looks at itself.
type Seen struct {
	Kind   config.TrackKind `json:"kind"`
	Target string           `json:"target"`
	Weight int              `json:"weight"`
	Good   bool             `json:"good"`
	Text   string           `json:"text"` // "interface eth1 is down"
}

// Happened is one event of an instance, for the log and the journal. Repeated events of one kind are limited by the
// elector to one a second, with the number that were left out in Repeated.
type Happened struct {
	At       vrrp.Instant `json:"at"`
	Instance string       `json:"instance"`
	Kind     string       `json:"kind"` // transition, drop, finding, address, fault, …
	Reason   string       `json:"reason"`
	Message  string       `json:"message"`
	Warn     bool         `json:"warn,omitempty"`
	Repeated uint64       `json:"repeated,omitempty"`
	// Transition is set on one of Kind transition, for whoever is to be told of it.
	Transition *Transition `json:"transition,omitempty"`
}

// Transition is a change of state. It is an event: whoever must not miss one compares with the State that follows it.
type Transition struct {
	From     vrrp.State `json:"from"`
	To       vrrp.State `json:"to"`
	Priority int        `json:"priority"` // that is, or would be, advertised
	Detail   string     `json:"detail,omitempty"`
}

// Describe is a finding in a line, without its end.
func Describe(f vrrp.Finding) string {
	text := string(f.Reason)
	if f.Peer.IsValid() {
		text += " with " + f.Peer.String()
	}
	if f.Ours != "" || f.Theirs != "" {
		text += ": ours " + f.Ours + ", theirs " + f.Theirs
	}
	if f.Detail != "" {
		text += ": " + f.Detail
	}
	return text
}
