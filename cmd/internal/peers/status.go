package peers

import (
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/lbha/lbha/cmd/internal/observe"
	"github.com/lbha/lbha/healthcheck/exchange"
)

const (
	// sayAgain is between two lines of the journal about one thing.
	sayAgain = time.Minute
	// lately is how long what was dropped explains why a peer is not heard.
	lately = 10 * time.Second
)

// The states of a peer: why its verdicts are, or are not, at hand.
const (
	stateLive    = "live"
	stateWaiting = "waiting" // nothing can be said yet
	stateSilent  = "silent"
	stateDeaf    = "deaf" // it does not hear us: what it says may be of any time
	stateAuth    = "bad-auth"
	stateVersion = "version"
)

// newRun makes the number of a session.
func newRun() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return max(1, binary.BigEndian.Uint64(b[:]))
}

// state says how it is with a peer.
func (p *peer) state(now time.Time) string {
	switch {
	case p.session.Live(now):
		return stateLive
	case now.Sub(p.began) <= exchange.MaxDelay:
		return stateWaiting
	case p.latelyDropped(exchange.DropAuth, now):
		return stateAuth
	case p.latelyDropped(exchange.DropVersion, now):
		return stateVersion
	case p.latelyDropped(exchange.DropStale, now):
		return stateDeaf
	}
	return stateSilent
}

func (p *peer) latelyDropped(why exchange.Drop, now time.Time) bool {
	d := p.dropped[why]
	return d != nil && now.Sub(d.at) < lately
}

// trouble says in a line why a peer's verdicts are not at hand; empty: they are.
func (l *line) trouble(p *peer, now time.Time) (reason, message string) {
	const ours = "at a failover our own verdicts alone count"
	switch state := p.state(now); state {
	case stateLive, stateWaiting:
		return "", ""
	case stateAuth:
		return "peer-" + state, fmt.Sprintf("what %s sends is not under our key, global.peers.key: %s", p.addr, ours)
	case stateVersion:
		return "peer-" + state, fmt.Sprintf("%s speaks another version of the exchange: %s", p.addr, ours)
	case stateDeaf:
		return "peer-" + state, fmt.Sprintf("%s does not hear us, so that nobody knows how old its words are: %s; is UDP to it let through?", p.addr, ours)
	}
	message = fmt.Sprintf("%s tells no verdicts: %s", p.addr, ours)
	if p.trouble != "" && p.sent == 0 {
		message += "; nothing can be sent to it: " + p.trouble
	}
	return "peer-" + stateSilent, message
}

// watch tells the journal of a peer that comes and goes, or does not come.
func (l *line) watch(p *peer, now time.Time) {
	e := observe.Event{Kind: "peer", Object: p.addr.String(), Reason: "peer-heard", Message: fmt.Sprintf("%s tells us its verdicts", cmp.Or(p.name, p.addr.String()))}
	is := stateLive
	if reason, message := l.trouble(p, now); reason != "" {
		is, e.Reason, e.Message, e.Warn = "missing", reason, message, true
	} else if !p.session.Live(now) {
		return
	}
	if is != p.said {
		p.said = is
		l.channel.options.Record(e)
	}
}

// drop counts a datagram of a peer that is not used.
func (l *line) drop(p *peer, why exchange.Drop, now time.Time) {
	d := p.dropped[why]
	if d == nil {
		d = &dropped{}
		p.dropped[why] = d
	}
	d.count++
	d.at = now
	// Each peer that begins anew is stale once or twice, and networks repeat and reorder.
	if why == exchange.DropStale || why == exchange.DropReplayed || !d.said.IsZero() && now.Sub(d.said) < sayAgain {
		return
	}
	d.said = now
	l.channel.options.Record(observe.Event{Kind: "peer", Object: p.addr.String(), Reason: "peer-" + string(why), Warn: true,
		Message: fmt.Sprintf("a datagram from %s was dropped, %s; %d so far", p.addr, why, d.count)})
}

// strange counts a datagram of nobody that we know.
func (l *line) strange(from netip.AddrPort, now time.Time) {
	s := &l.stranger
	s.from, s.at = from, now
	s.count++
	if s.said.IsZero() || now.Sub(s.said) >= sayAgain {
		s.said = now
		l.channel.options.Record(observe.Event{Kind: "peer", Object: from.String(), Reason: string(exchange.DropUnknown), Warn: true, Message: l.stranger.line()})
	}
}

func (s *stranger) line() string {
	return fmt.Sprintf("%s sends us verdicts and is not among global.peers.directors; %d datagrams dropped so far", s.from, s.count)
}

// picture is the status of the line.
func (l *line) picture(now time.Time) *observe.Exchange {
	e := &observe.Exchange{Listen: l.settings.Listen.String(), Unknown: l.stranger.count, Peers: []observe.ExchangePeer{}}
	find := func(object, reason, message string) {
		e.Findings = append(e.Findings, observe.Finding{Object: object, Reason: reason, Message: message})
	}
	for _, p := range l.peers {
		v := observe.ExchangePeer{Address: p.addr.String(), Name: p.name, State: p.state(now), Heard: p.session.Heard(), Verdicts: len(p.told),
			Otherwise: len(p.otherwise), Sent: p.sent, SendErrors: p.failed, Received: p.received, Dropped: make(map[string]uint64, len(p.dropped))}
		for why, d := range p.dropped {
			v.Dropped[string(why)] = d.count
		}
		e.Peers = append(e.Peers, v)
		if reason, message := l.trouble(p, now); reason != "" {
			find(v.Address, reason, message)
		}
		if n := len(p.otherwise); n > 0 {
			ids := make([]string, 0, n)
			for id := range p.otherwise {
				ids = append(ids, id)
			}
			find(v.Address, "peer-checks-differ", fmt.Sprintf("%d checks of %s ask otherwise than ours of the same name, such as %s: what it says of them is not used", n, cmp.Or(p.name, v.Address), slices.Min(ids)))
		}
	}
	if s := &l.stranger; s.count > 0 && now.Sub(s.at) < sayAgain {
		find(s.from.String(), string(exchange.DropUnknown), s.line())
	}
	return e
}
