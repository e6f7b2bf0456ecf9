package vrrp

import "time"

// Who was master may have told clients of it where its successor did not hear: behind
// a cut of one direction, or through loss. They go on sending to it until the successor
// announces itself again, and nothing but our word can make it do so, which may be lost
// as well. So the word is repeated until its effect is seen: an announcement by another.
//
// A backup that speaks must not be taken for a master. Its word is an answer to an
// advert, so that it outlives no master; it wins no election; and but for the first few
// it is rarer than any router's master-down interval, so that nobody waits for the next.

// concedeFor is how long a router that was master repeats its word: by then the
// refresh of its successor has told the clients.
const concedeFor = DefaultRefresh

// quickWords is how many repetitions follow one another closely.
const quickWords = 2

// conceding is what is known, after mastership, about the clients.
type conceding struct {
	audible bool    // an announcement of another was heard, ever: to wait for one makes sense here
	owed    bool    // none was heard since we were master
	since   Instant // mastership ended
	word    Instant // the last word, at first the farewell
	words   int     // repetitions
}

// begin is the end of mastership.
func (c *conceding) begin(now Instant) { c.owed, c.since, c.word, c.words = true, now, now, 0 }

// concedeGap is the time until the next word. No successor needs more than a second to
// announce what it has claimed.
func (m *Machine) concedeGap() time.Duration {
	if m.conceding.words < quickWords {
		return max(m.interval(), assertGap)
	}
	return max(MasterDown(m.cfg.Version, PriorityLowest, m.interval(), m.cfg.DownAdverts)+m.interval(), assertGap)
}

// concede answers the advert of a successor that has not been heard to announce
// itself. It says the least that there is, and to a master that this would beat,
// nothing.
func (m *Machine) concede(ad *AdvertReceived) {
	c := &m.conceding
	if !c.audible || !c.owed {
		return
	}
	loses := ad.Priority > PriorityLowest || ad.Source.Compare(m.source) > 0
	fresh := m.now.Sub(ad.ReceivedAt) < ad.Interval                        // not what waited while we were asleep
	rested := m.now.Sub(max(c.word, m.backup.peerSince)) >= m.concedeGap() // and it has had the time to announce itself
	if loses && fresh && rested && m.now.Sub(c.since) < concedeFor {
		c.word = m.now
		c.words++
		m.send(PriorityLowest)
	}
}
