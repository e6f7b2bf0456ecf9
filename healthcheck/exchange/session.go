package exchange

import "time"

// MaxDelay is how old the newest that a datagram returns may be. A peer that is well
// returns what it was sent half a second ago at most.
const MaxDelay = 5 * time.Second

// A Session is what one director knows of the freshness of another: what it has sent,
// and what it has heard. The zero Session is not to be used. A session has a run of its
// own: one process has another with each peer, and a new one when it begins anew.
type Session struct {
	self  Stamp // the newest that was sent
	zero  time.Time
	peer  Stamp     // the newest that was accepted
	proof uint64    // of our numbers, the highest that it returned
	last  time.Time // when that was; zero: never
	echo  Stamp     // what is returned
}

// NewSession returns a session that begins now. Its run is a random number, not 0.
func NewSession(run uint64, now time.Time) *Session {
	return &Session{self: Stamp{Run: run}, zero: now}
}

// Next returns the stamp of the next datagram, and what it returns. The sequence number
// is the time, in nanoseconds since the session began: our own business.
func (s *Session) Next(now time.Time) (stamp, echo Stamp) {
	s.self.Seq = max(s.self.Seq+1, uint64(max(0, now.Sub(s.zero))))
	return s.self, s.echo
}

// Accept judges a datagram that the key has proved to be a peer's. If there is no reason
// to drop it, it was made at most delay ago.
func (s *Session) Accept(h *Header, now time.Time) (delay time.Duration, why Drop) {
	switch {
	case h.Stamp.Run == s.self.Run:
		return 0, DropOwn
	case h.Stamp.Run == s.peer.Run && h.Stamp.Seq <= s.peer.Seq:
		return 0, DropReplayed
	case h.Stamp.Run != s.peer.Run && h.Echo.Run == s.self.Run && h.Echo.Seq <= s.proof:
		return 0, DropReplayed // of a run that is over: the one that follows has heard more of us
	}
	delay = now.Sub(s.zero) - time.Duration(h.Echo.Seq)
	if h.Echo.Run != s.self.Run || h.Echo.Seq > s.self.Seq || delay > MaxDelay {
		// It may be the first word of one who has not heard us yet: to return it lets him
		// prove himself. But nothing old may take the place of one who has.
		if !s.Live(now) {
			s.echo = h.Stamp
		}
		return 0, DropStale
	}
	s.peer, s.proof, s.echo, s.last = h.Stamp, max(s.proof, h.Echo.Seq), h.Stamp, now
	return max(0, delay), ""
}

// Live reports whether the peer was heard of late.
func (s *Session) Live(now time.Time) bool {
	return !s.last.IsZero() && now.Sub(s.last) <= MaxDelay
}

// Heard is when the peer was heard last; zero: never.
func (s *Session) Heard() time.Time { return s.last }
