package peers

import (
	"net/netip"
	"slices"
	"time"

	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/healthcheck"
	"github.com/lbha/lbha/healthcheck/exchange"
)

// line is the channel under one configuration. It belongs to the loop.
type line struct {
	channel  *Channel
	settings *config.Peers
	name     string
	key      *exchange.Key
	conn     Conn
	known    *register
	peers    []*peer
	next     int             // place in known.ids of what is told next
	dirty    map[string]bool // what has changed since it was told
	began    time.Time
	stranger stranger
}

// stranger is who sent last and is not one of the peers.
type stranger struct {
	from  netip.AddrPort
	at    time.Time
	count uint64
	said  time.Time // when the journal was told
}

// peer is one of the other directors.
type peer struct {
	addr      netip.AddrPort
	name      string // as it calls itself; empty until it is heard
	session   *exchange.Session
	run       uint64                             // of it that was heard last
	told      map[string]healthcheck.PeerVerdict // by ID of a check of ours
	otherwise map[string]bool                    // checks of ours that it asks otherwise
	began     time.Time
	said      string // what the journal was told last: live or missing
	dropped   map[exchange.Drop]*dropped
	sent      uint64
	received  uint64
	failed    uint64
	trouble   string // why it failed last
}

// dropped is what was dropped of a peer for one reason.
type dropped struct {
	count uint64
	at    time.Time // the last
	said  time.Time // when the journal was told
}

// newLine makes the line of a configuration. Peers of the former one, of the same key, go on.
func newLine(c *Channel, settings *config.Peers, name string, known *register, conn Conn, former *line, now time.Time) *line {
	l := &line{channel: c, settings: settings, name: name, key: known.key, conn: conn, known: known, dirty: make(map[string]bool), began: now}
	for _, addr := range settings.Directors {
		p := &peer{addr: addr, session: exchange.NewSession(newRun(), now), told: make(map[string]healthcheck.PeerVerdict),
			otherwise: make(map[string]bool), began: now, dropped: make(map[exchange.Drop]*dropped)}
		if former != nil {
			if old := former.peerAt(addr); old != nil {
				p = old
				p.forget(former.known, known)
			}
		}
		l.peers = append(l.peers, p)
	}
	if former != nil {
		l.stranger = former.stranger
	}
	return l
}

// forget drops what is of checks that are no longer as they were.
func (p *peer) forget(was, is *register) {
	for id := range p.told {
		if was.entry[id].asks != is.entry[id].asks {
			delete(p.told, id)
		}
	}
	clear(p.otherwise) // it will tell again
}

func (l *line) peerAt(addr netip.AddrPort) *peer {
	i := slices.IndexFunc(l.peers, func(p *peer) bool { return p.addr == addr })
	if i < 0 {
		return nil
	}
	return l.peers[i]
}

// mark takes note of changes, to be told soon.
func (l *line) mark(ids []string) {
	for _, id := range ids {
		if _, ours := l.known.entry[id]; ours {
			l.dirty[id] = true
		}
	}
}

// tellChanges tells what has changed, a portion of it.
func (l *line) tellChanges(now time.Time) {
	ids := make([]string, 0, min(len(l.dirty), portion))
	for id := range l.dirty {
		if len(ids) == portion {
			break
		}
		ids = append(ids, id)
		delete(l.dirty, id)
	}
	if told := l.verdicts(ids, now); len(told) > 0 {
		l.tell(told, now)
	}
}

// beat tells the next share of all that we know, if only that it is nothing.
func (l *line) beat(now time.Time) {
	ids := l.known.ids
	n := min(max((len(ids)+round-1)/round, few), len(ids), portion)
	share := make([]string, 0, n)
	for range n {
		l.next %= len(ids)
		share = append(share, ids[l.next])
		l.next++
	}
	l.tell(l.verdicts(share, now), now)
	for _, p := range l.peers {
		l.watch(p, now)
	}
}

// verdicts are those of our checks that rest on what we have seen ourselves.
func (l *line) verdicts(ids []string, now time.Time) []exchange.Verdict {
	told := make([]exchange.Verdict, 0, len(ids))
	for _, id := range ids {
		st, ok := l.channel.options.Status(id)
		if !ok || !st.Witnessed() {
			continue
		}
		v := exchange.Verdict{ID: id, Asks: l.known.entry[id].asks, Verdict: st.Verdict, Age: now.Sub(st.Probed()), For: now.Sub(st.Since), Weight: st.Weight}
		if st.Verdict == healthcheck.Down {
			cause := st.Cause
			if cause.OK() {
				cause = st.Last // of a verdict from before a restart
			}
			v.Failure, v.Detail = cause.Failure, cause.Detail
		}
		told = append(told, v)
	}
	return told
}

// tell sends verdicts to each peer; none: that we are here.
func (l *line) tell(verdicts []exchange.Verdict, now time.Time) {
	for _, p := range l.peers {
		rest, first := verdicts, true
		for first || len(rest) > 0 {
			h := exchange.Header{Name: l.name}
			h.Stamp, h.Echo = p.session.Next(now)
			var datagram []byte
			datagram, rest = l.key.Seal(h, rest)
			if err := l.conn.Send(datagram, p.addr); err != nil {
				p.failed++
				p.trouble = err.Error()
			} else {
				p.sent++
			}
			first = false
		}
	}
}

// receive takes in a datagram.
func (l *line) receive(from netip.AddrPort, text []byte, now time.Time) {
	p := l.peerAt(from)
	if p == nil {
		l.strange(from, now)
		return
	}
	m, why := l.key.Open(text)
	if why != "" {
		l.drop(p, why, now)
		return
	}
	delay, why := p.session.Accept(&m.Header, now)
	if why != "" {
		l.drop(p, why, now)
		return
	}
	if p.run != m.Stamp.Run {
		p.run = m.Stamp.Run
		l.mark(l.known.ids) // it knows nothing yet
	}
	p.received++
	p.name = m.Name
	l.watch(p, now)
	made := now.Add(-delay) // or later
	for i := range m.Verdicts {
		l.hear(p, &m.Verdicts[i], made)
	}
}

// hear keeps a verdict that a peer held when it made a datagram.
func (l *line) hear(p *peer, v *exchange.Verdict, made time.Time) {
	e, ours := l.known.entry[v.ID]
	switch {
	case !ours:
		return // a configuration that is not the same yet, or on purpose
	case e.asks != v.Asks:
		p.otherwise[e.id] = true
		delete(p.told, e.id)
		return
	}
	delete(p.otherwise, e.id)
	p.told[e.id] = healthcheck.PeerVerdict{By: p.name, Verdict: v.Verdict, Since: made.Add(-v.For), Probed: made.Add(-v.Age), Weight: v.Weight, Failure: v.Failure, Detail: v.Detail}
}

// freshest adds what the peers have told of checks to all, of each the freshest.
func (l *line) freshest(ids []string, all map[string]healthcheck.PeerVerdict) {
	for _, p := range l.peers {
		for _, id := range ids {
			if v, ok := p.told[id]; ok && v.Probed.After(all[id].Probed) {
				all[id] = v
			}
		}
	}
}
