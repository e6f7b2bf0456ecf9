package vrrp

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// Status is a copy of what an observer may want to know.
type Status struct {
	Name     string        `json:"name"`
	VRID     VRID          `json:"vrid"`
	Version  Version       `json:"version"`
	State    State         `json:"state"`
	Since    Instant       `json:"since"`            // of the last transition
	Reason   Reason        `json:"reason"`           // of the last transition
	Detail   string        `json:"detail,omitempty"` // of the last transition
	Priority Priority      `json:"priority"`         // effective: configured, tracked and handed over
	Interval time.Duration `json:"interval"`         // in force: the master's in version 3
	Source   netip.Addr    `json:"source"`

	Master     Peer          `json:"master,omitzero"` // the current master, if it is another
	MasterDown time.Duration `json:"master_down"`     // the master-down interval in force
	HandOver   bool          `json:"hand_over"`       // the priority is lowered by command or by a stop
	Holds      bool          `json:"holds"`           // the addresses are held: a master's claim is confirmed, another's release is not
	LastAdvert Instant       `json:"last_advert"`     // the last that really left us

	Peers    []Peer    `json:"peers,omitempty"`    // who was heard, latest last
	Findings []Finding `json:"findings,omitempty"` // that last
	Counters Counters  `json:"counters"`
}

// Peer is another router of the same VRID, as it was last heard.
type Peer struct {
	Address  netip.Addr    `json:"address"`
	Priority Priority      `json:"priority,omitzero"`
	Version  Version       `json:"version"`
	Interval time.Duration `json:"interval"`
	Heard    Instant       `json:"heard"`
}

// Counters count since the machine was made.
type Counters struct {
	Sent          uint64 `json:"sent"`        // adverts that left
	SendErrors    uint64 `json:"send_errors"` // adverts that did not
	Received      uint64 `json:"received"`    // adverts delivered
	Rejected      uint64 `json:"rejected"`    // of these, ignored
	Announcements uint64 `json:"announcements"`
	Transitions   uint64 `json:"transitions"`
	BecameMaster  uint64 `json:"became_master"`
}

// Saved is what survives a crash of the process. It is meaningful only within
// one boot: Instants count from it.
type Saved struct {
	State      State         `json:"state"`
	LastAdvert Instant       `json:"last_advert"` // Master: the last advert that really left
	Heard      Instant       `json:"heard"`       // Backup: from when the silence counts
	Master     netip.Addr    `json:"master"`      // Backup: whose adverts were accepted last
	Interval   time.Duration `json:"interval"`    // Backup: its interval; 0: none was heard
	HandOver   bool          `json:"hand_over"`   // the priority is lowered by command

	AnnounceFrom Instant `json:"announce_from,omitzero"` // Master: from when its announcements are scheduled
	Announced    int     `json:"announced,omitzero"`     // Master: how many rounds of them were made
}

// State returns the state.
func (m *Machine) State() State { return m.state }

// Status returns a copy of the state for observers.
func (m *Machine) Status() Status {
	s := Status{
		Name: m.cfg.Name, VRID: m.cfg.VRID, Version: m.cfg.Version,
		State: m.state, Since: m.since, Reason: m.reason, Detail: m.detail,
		Priority: m.Priority(), Interval: m.interval(), Source: m.source,
		MasterDown: MasterDown(m.cfg.Version, m.Priority(), m.interval(), m.cfg.DownAdverts),
		HandOver:   m.lowered,
		Holds:      m.mayHold,
		LastAdvert: m.lastAdvert,
		Counters:   m.counters,
	}
	if m.state == Master {
		s.Holds = m.master.holds
	}
	for i := range m.peers {
		p := &m.peers[i]
		s.Peers = append(s.Peers, p.Peer)
		if p.Address == m.backup.peer {
			s.Master = p.Peer
		}
		for _, f := range p.found {
			if f.Reason != "" {
				s.Findings = append(s.Findings, f)
			}
		}
	}
	slices.SortFunc(s.Peers, func(a, b Peer) int { return cmp.Compare(a.Heard, b.Heard) })
	for _, r := range []*rival{&m.master.rival, &m.second} {
		if r.reported {
			s.Findings = append(s.Findings, r.finding(s.Priority))
		}
		if r.oneWay {
			s.Findings = append(s.Findings, Finding{Reason: FindingOneWay, Peer: r.address, Since: r.since})
		}
	}
	for i := range m.master.strangers {
		s.Findings = append(s.Findings, m.master.strangers[i].finding())
	}
	return s
}

// Saved returns what a successor of this process needs to resume. It is cheap:
// save it after each Step that may have changed it.
func (m *Machine) Saved() Saved {
	s := Saved{
		State:      m.state,
		LastAdvert: m.lastAdvert,
		Heard:      m.backup.from,
		Master:     m.backup.peer,
		Interval:   m.backup.interval,
		HandOver:   m.commanded,
	}
	if m.state == Master {
		s.AnnounceFrom, s.Announced = m.announcing()
	}
	return s
}
