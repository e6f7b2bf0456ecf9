package lvs

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/lbha/lbha/integration/internal/mono"
	"github.com/lbha/lbha/integration/internal/netlab"
)

// serveTalk echoes what it is told.
func serveTalk(h *netlab.Host) error {
	return serve(h, talkPort, func(c net.Conn) {
		var b [8]byte
		for {
			if _, err := io.ReadFull(c, b[:]); err != nil {
				return
			}
			if _, err := c.Write(b[:]); err != nil {
				return
			}
		}
	})
}

const (
	// talkPeriod is the time between two requests on a connection, where there are at most talkCrowd.
	talkPeriod = time.Second
	talkCrowd  = 1000
	// talkPatience is how long an answer may take: all of the outage of a crash, and the longest pause of TCP's repetitions.
	talkPatience = 20 * time.Second
)

// talkEach is the time between two requests on a connection: many together talk no more than a crowd does.
func (s *session) talkEach() time.Duration {
	return talkPeriod * time.Duration((max(s.talkers, 1)+talkCrowd-1)/talkCrowd)
}

// crowd reports whether there are so many connections that they talk more rarely.
func (s *session) crowd() bool { return s.talkers > talkCrowd }

// talkExtra is by how much that is longer than with few connections.
func (s *session) talkExtra() time.Duration { return s.talkEach() - talkPeriod }

// said is one request on a connection that stays open.
type said struct {
	begin, end mono.Time
}

// talk is one connection that stays open, with a request each period.
type talk struct {
	conn   net.Conn
	period time.Duration
	mu     sync.Mutex
	said   []said
	err    error // why it ended
}

// talks are the connections of a client to one service.
type talks struct {
	name string
	all  []*talk
	stop context.CancelFunc
	wait sync.WaitGroup
}

// converse opens n connections to a service and begins to talk on each, at times that are spread over the period.
func (s *session) converse(ctx context.Context, v service, n int) (*talks, error) {
	ctx, cancel := context.WithCancel(ctx)
	t := &talks{name: v.name, stop: cancel}
	err := s.net.client.Do(func() error {
		for range n {
			c, err := net.DialTimeout("tcp", netip.AddrPortFrom(v.addr, talkPort).String(), 3*time.Second)
			if err != nil {
				return fmt.Errorf("connection %d of %s: %w", len(t.all)+1, v.name, err)
			}
			t.all = append(t.all, &talk{conn: c, period: s.talkEach()})
		}
		return nil
	})
	if err != nil {
		t.end()
		return nil, err
	}
	begin := mono.Now()
	for i, c := range t.all {
		t.wait.Go(func() { c.run(ctx, begin.Add(c.period*time.Duration(i)/time.Duration(n))) })
	}
	return t, nil
}

// end closes the connections.
func (t *talks) end() {
	t.stop()
	for _, c := range t.all {
		c.conn.Close()
	}
	t.wait.Wait()
}

// run makes a request each period, until ctx ends or the connection breaks. A late answer delays what follows, but not its schedule.
func (t *talk) run(ctx context.Context, next mono.Time) {
	timer := time.NewTimer(next.Until())
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		r := said{begin: mono.Now()}
		err := t.exchange()
		r.end = mono.Now()
		if ctx.Err() != nil {
			return
		}
		t.mu.Lock()
		if t.err = err; err == nil {
			t.said = append(t.said, r)
		}
		t.mu.Unlock()
		if err != nil {
			return
		}
		for next = next.Add(t.period); next < r.end; next = next.Add(t.period) {
		}
		timer.Reset(next.Until())
	}
}

func (t *talk) exchange() error {
	if err := t.conn.SetDeadline(time.Now().Add(talkPatience)); err != nil {
		return err
	}
	b := [8]byte{1}
	if _, err := t.conn.Write(b[:]); err != nil {
		return err
	}
	_, err := io.ReadFull(t.conn, b[:])
	return err
}

// window is what became of the connections of one service in a time.
type window struct {
	Connections int
	Broken      int           // connections that ended
	Silent      int           // connections without an answer in the last two periods of the window
	Answers     int           // that came in the window
	Latest      time.Duration // the longest that an answer took
	Why         string        // the first connection that ended did so for this reason
}

// between sums up the answers that came in [from, to).
func (t *talks) between(from, to mono.Time) window {
	w := window{Connections: len(t.all)}
	for _, c := range t.all {
		c.mu.Lock()
		last := mono.Time(0)
		for _, r := range c.said {
			if r.end < from || r.end >= to {
				continue
			}
			w.Answers++
			last = r.end
			w.Latest = max(w.Latest, r.end.Sub(r.begin))
		}
		if c.err != nil {
			w.Broken++
			if w.Why == "" {
				w.Why = ": " + c.err.Error()
			}
		} else if last < to.Add(-2*c.period) {
			w.Silent++
		}
		c.mu.Unlock()
	}
	return w
}

// survived demands that every connection goes on.
func (w window) survived() (bool, string) {
	return w.Broken+w.Silent == 0 && w.Connections > 0 && w.Answers > 0, fmt.Sprintf("%d of %d go on (%d broken, %d silent%s), %d answers, the latest after %s",
		w.Connections-w.Broken-w.Silent, w.Connections, w.Broken, w.Silent, w.Why, w.Answers, ms(w.Latest))
}

// asQuiet demands that, besides, no answer is later than in a quiet run by more than lateTolerance.
func (w window) asQuiet(quiet window) (bool, string) {
	ok, measured := w.survived()
	return ok && quiet.Answers > 0 && w.Latest <= quiet.Latest+lateTolerance, measured + " (quiet " + ms(quiet.Latest) + ")"
}

const lateTolerance = 100 * time.Millisecond

// ms renders a duration in milliseconds.
func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond)) }
