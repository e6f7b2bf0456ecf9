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

// collectExchange shows the channel as metrics.
func collectExchange(gauge func(string, float64, ...string), counter func(string, uint64, ...string), e *Exchange) {
	if e == nil {
		return
	}
	counter("peer_verdicts_taken_total", e.Taken)
	counter("peer_datagrams_dropped_total", e.Unknown, "unknown", "unknown-sender")
	counter("peer_datagrams_dropped_total", e.Overrun, "any", "overrun")
	for _, p := range e.Peers {
		gauge("peer_live", one(p.State == "live"), p.Address)
		gauge("peer_verdicts", float64(p.Verdicts), p.Address)
		gauge("peer_checks_otherwise", float64(p.Otherwise), p.Address)
		counter("peer_datagrams_sent_total", p.Sent, p.Address)
		counter("peer_send_errors_total", p.SendErrors, p.Address)
		counter("peer_datagrams_received_total", p.Received, p.Address)
		for reason, n := range p.Dropped {
			counter("peer_datagrams_dropped_total", n, p.Address, reason)
		}
	}
}
