package observe

import "time"

// Exchange is the channel on which directors tell each other the verdicts of their checks.
type Exchange struct {
	Listen   string         `json:"listen"`
	Peers    []ExchangePeer `json:"peers"`
	Taken    uint64         `json:"verdicts_taken"`    // over from a peer, on becoming master
	Unknown  uint64         `json:"datagrams_unknown"` // dropped, of nobody who is configured
	Overrun  uint64         `json:"datagrams_overrun"` // dropped, because they came faster than they could be read
	Findings []Finding      `json:"-"`                 // among those of the Status
}

// ExchangePeer is one of the other directors.
type ExchangePeer struct {
	Address    string            `json:"address"`
	Name       string            `json:"name,omitempty"` // as it calls itself
	State      string            `json:"state"`          // live, waiting, or why it is not: silent, deaf, bad-auth, version
	Heard      time.Time         `json:"heard,omitzero"`
	Verdicts   int               `json:"verdicts"`                   // that we know of it
	Otherwise  int               `json:"checks_otherwise,omitempty"` // checks of ours that it asks otherwise
	Sent       uint64            `json:"datagrams_sent"`
	SendErrors uint64            `json:"send_errors"`
	Received   uint64            `json:"datagrams_received"`          // and used
	Dropped    map[string]uint64 `json:"datagrams_dropped,omitempty"` // by reason
}
