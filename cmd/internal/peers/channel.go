package peers

import (
	"context"
	"net/netip"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lbha/lbha/cmd/internal/observe"
	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/healthcheck"
	"github.com/lbha/lbha/healthcheck/exchange"
)

const (
	// beat is between two words to a peer, whether there is something to tell or not.
	beat = 250 * time.Millisecond
	// round is how many beats it takes to tell everything.
	round = 20
	// few checks are told with every beat: they fit into the one datagram that is sent anyway.
	few = 16
	// portion bounds what is told at one time: more than a round of 10,000 checks needs. Of
	// more checks a round takes longer.
	portion = 512
	// gather is how long changes wait for others to be told with.
	gather = 20 * time.Millisecond
)

// Options of a [Channel].
type Options struct {
	// Status is what our checks find. It is called from the channel's goroutine.
	Status func(id string) (healthcheck.Status, bool)
	// Record is told of what a person should know. It must not call the channel.
	Record func(observe.Event)
	// Listen opens a socket; nil: UDP.
	Listen func(netip.AddrPort) (Conn, error)
}

// A Conn is a socket for datagrams.
type Conn interface {
	// Send sends a datagram, or fails: it does not wait for long.
	Send(datagram []byte, to netip.AddrPort) error
	// Receive waits for a datagram. One that is longer than buf is cut. An error is final.
	Receive(buf []byte) (n int, from netip.AddrPort, err error)
	// Close ends a Receive that waits.
	Close() error
}

// A Channel is the actor. Its methods may be called from any goroutine, but for the steps
// of a configuration, of which one is under way at a time.
type Channel struct {
	options Options
	calls   chan func()
	changed chan []string
	inbox   chan datagram
	stopped chan struct{}
	readers sync.WaitGroup
	overrun atomic.Uint64 // datagrams that did not fit into inbox
	taken   atomic.Uint64 // verdicts of others that we took over
	picture atomic.Pointer[observe.Exchange]

	// Of who configures.
	inForce *config.Peers
	known   *register

	// Of the loop.
	line  *line // nil: there is no channel
	beats *time.Ticker
}

// datagram is what a reader has read.
type datagram struct {
	conn Conn
	from netip.AddrPort
	text []byte
}

// New returns a channel that tells nobody anything, to be driven by [Channel.Run].
func New(o Options) *Channel {
	if o.Listen == nil {
		o.Listen = listen
	}
	return &Channel{
		options: o,
		calls:   make(chan func()),
		changed: make(chan []string, 64),
		inbox:   make(chan datagram, 256),
		stopped: make(chan struct{}),
	}
}

// Run runs the channel until ctx ends.
func (c *Channel) Run(ctx context.Context) error {
	defer close(c.stopped)
	c.beats = time.NewTicker(time.Hour)
	c.beats.Stop()
	defer c.beats.Stop()
	var soon <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			c.hangUp(nil)
			c.readers.Wait()
			return nil
		case f := <-c.calls:
			f()
		case d := <-c.inbox:
			if c.line != nil && c.line.conn == d.conn {
				c.line.receive(d.from, d.text, time.Now())
				soon = c.gathering(soon)
			}
		case ids := <-c.changed:
			if c.line == nil {
				continue
			}
			c.line.mark(ids)
			soon = c.gathering(soon)
		case <-soon:
			if c.line != nil {
				c.line.tellChanges(time.Now())
			}
			soon = c.gathering(nil) // there may be more
		case <-c.beats.C:
			if c.line != nil {
				c.line.beat(time.Now())
				c.picture.Store(c.line.picture(time.Now()))
			}
		}
	}
}

// gathering is when changes that wait are to be told: as soon says, if it does.
func (c *Channel) gathering(soon <-chan time.Time) <-chan time.Time {
	if soon == nil && c.line != nil && len(c.line.dirty) > 0 {
		return time.After(gather)
	}
	return soon
}

// do runs f on the loop and waits for it.
func (c *Channel) do(ctx context.Context, f func()) bool {
	done := make(chan struct{})
	select {
	case c.calls <- func() { f(); close(done) }:
	case <-c.stopped:
		return false
	case <-ctx.Done():
		return false
	}
	<-done // the loop never stays in a call
	return true
}

// A Change is a configuration that is ready to be put in force.
type Change struct {
	channel *Channel
	peers   *config.Peers
	conn    Conn // nil: none, or the one that there is
}

// Prepare makes ready what a configuration needs: a socket, if it is to be another one.
// p may be nil: no channel. The Change is to be committed or abandoned.
func (c *Channel) Prepare(p *config.Peers) (*Change, error) {
	change := &Change{channel: c, peers: p}
	if p == nil || c.inForce != nil && c.inForce.Listen == p.Listen {
		return change, nil
	}
	var err error
	change.conn, err = c.options.Listen(p.Listen)
	return change, err
}

// Abandon gives the change up.
func (ch *Change) Abandon() {
	if ch.conn != nil {
		ch.conn.Close()
	}
}

// Commit puts the change in force: from now on we are name, and these are our checks. What
// peers told of checks that stay as they are is kept, unless the key is another one. Where
// Run has ended, it abandons the change.
func (ch *Change) Commit(ctx context.Context, name string, checks []healthcheck.Check) {
	c := ch.channel
	var known *register
	if ch.peers != nil {
		known = newRegister(exchange.NewKey(ch.peers.KeyBytes()), checks, c.knownUnder(ch.peers))
	}
	if !c.do(ctx, func() { c.install(ch, name, known) }) {
		ch.Abandon()
		return
	}
	c.inForce, c.known = ch.peers, known
}

// knownUnder is the register in force, if its digests are of the same key.
func (c *Channel) knownUnder(p *config.Peers) *register {
	if c.inForce == nil || c.inForce.Key != p.Key {
		return nil
	}
	return c.known
}

// install puts a change in force on the loop.
func (c *Channel) install(ch *Change, name string, known *register) {
	if ch.peers == nil {
		c.hangUp(nil)
		return
	}
	now := time.Now()
	conn := ch.conn
	if conn == nil {
		conn = c.line.conn
	}
	former := c.line
	if former != nil && !reflect.DeepEqual(former.settings.Key, ch.peers.Key) {
		former = nil
	}
	c.hangUp(conn)
	if ch.conn != nil {
		c.readers.Go(func() { c.read(conn) })
	}
	c.line = newLine(c, ch.peers, name, known, conn, former, now)
	c.beats.Reset(beat)
	c.picture.Store(c.line.picture(now))
}

// hangUp ends the line, and its socket unless that is to be kept.
func (c *Channel) hangUp(keep Conn) {
	if c.line != nil && c.line.conn != keep {
		c.line.conn.Close()
	}
	c.line = nil
	c.beats.Stop()
	c.picture.Store(nil)
}

// read hands in what a socket receives.
func (c *Channel) read(conn Conn) {
	buf := make([]byte, exchange.MaxDatagram+1)
	for {
		n, from, err := conn.Receive(buf)
		if err != nil {
			return
		}
		select {
		case c.inbox <- datagram{conn, from, append([]byte(nil), buf[:n]...)}:
		default:
			c.overrun.Add(1)
		}
	}
}

// Changed says that the verdicts of checks have changed. It does not wait: what is not told
// at once is told in its turn.
func (c *Channel) Changed(ids []string) {
	select {
	case c.changed <- ids:
	default:
	}
}

// Told returns what peers have told of the checks, of each the freshest, and nothing if
// the channel does not answer within ctx.
func (c *Channel) Told(ctx context.Context, ids []string) map[string]healthcheck.PeerVerdict {
	told := make(map[string]healthcheck.PeerVerdict)
	if !c.do(ctx, func() {
		if c.line != nil {
			c.line.freshest(ids, told)
		}
	}) {
		return nil
	}
	return told
}

// Took counts verdicts that were taken over.
func (c *Channel) Took(n int) { c.taken.Add(uint64(n)) }

// Status is a picture of the channel; nil if there is none.
func (c *Channel) Status() *observe.Exchange {
	p := c.picture.Load()
	if p == nil {
		return nil
	}
	e := *p
	e.Taken, e.Overrun = c.taken.Load(), c.overrun.Load()
	return &e
}

// String returns the name of the task.
func (c *Channel) String() string { return "exchange of verdicts" }
