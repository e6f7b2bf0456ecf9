package probe

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
)

// A Step is one thing that happens in a probe, for people who want to see for
// themselves.
type Step struct {
	After time.Duration // since the probe began
	Kind  StepKind
	Text  string // of those that are no bytes of the conversation
	Data  []byte // what was sent or heard, as it was; within TLS in the clear
}

// StepKind is a kind of [Step].
type StepKind string

// The kinds.
const (
	StepConnected StepKind = "connected" // a connection stands, or a socket for datagrams
	StepSecured   StepKind = "secured"   // a TLS handshake has succeeded
	StepSent      StepKind = "sent"
	StepHeard     StepKind = "heard"
	StepRan       StepKind = "ran" // a script; its output
	StepClosed    StepKind = "closed"
)

// WithTrace returns a context in which probes tell hear each of their steps, in their
// order. It may be called from several goroutines, one at a time.
func WithTrace(ctx context.Context, hear func(Step)) context.Context {
	return context.WithValue(ctx, traceKey{}, &tracer{begin: time.Now(), hear: hear})
}

type traceKey struct{}

// A tracer tells of one probe. A nil one tells nobody.
type tracer struct {
	begin time.Time
	hear  func(Step)

	mu     sync.Mutex
	silent bool // what goes over the socket is not for people: TLS, HTTP/2
}

func tracerIn(ctx context.Context) *tracer {
	t, _ := ctx.Value(traceKey{}).(*tracer)
	return t
}

// tracerOf returns the tracer of a connection, or of what it runs on.
func tracerOf(c net.Conn) *tracer {
	switch c := c.(type) {
	case *conn:
		return c.tracer
	case *boundedConn:
		return tracerOf(c.Conn)
	case *tls.Conn:
		return tracerOf(c.NetConn())
	}
	return nil
}

func (t *tracer) note(kind StepKind, format string, args ...any) {
	if t != nil {
		t.tell(Step{Kind: kind, Text: fmt.Sprintf(format, args...)})
	}
}

func (t *tracer) tell(s Step) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s.After = time.Since(t.begin)
	t.hear(s)
}

// bytes tells of what went over a socket.
func (t *tracer) bytes(kind StepKind, b []byte) {
	if t == nil || len(b) == 0 {
		return
	}
	t.mu.Lock()
	silent := t.silent
	t.mu.Unlock()
	if !silent {
		t.tell(Step{Kind: kind, Data: append([]byte(nil), b...)})
	}
}

// hush leaves out from now on what goes over the socket.
func (t *tracer) hush() {
	if t != nil {
		t.mu.Lock()
		t.silent = true
		t.mu.Unlock()
	}
}

// secured tells of a handshake.
func (t *tracer) secured(c *tls.Conn) {
	if t == nil {
		return
	}
	s := c.ConnectionState()
	leaf := s.PeerCertificates[0]
	text := fmt.Sprintf("%s, %s, for %s, issued by %s", describeSession(c), tls.CipherSuiteName(s.CipherSuite), certificateNames(leaf), leaf.Issuer)
	if s.NegotiatedProtocol != "" {
		text += ", protocol " + s.NegotiatedProtocol
	}
	t.tell(Step{Kind: StepSecured, Text: strings.TrimSpace(text)})
}

// overheard is a TLS connection of which the tracer, if there is one, hears what is
// said in it.
func overheard(c *tls.Conn) net.Conn {
	if t := tracerOf(c); t != nil {
		return &heardConn{c, t}
	}
	return c
}

type heardConn struct {
	*tls.Conn
	tracer *tracer
}

func (c *heardConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.tracer.tell(Step{Kind: StepHeard, Data: append([]byte(nil), b[:n]...)})
	}
	return n, err
}

func (c *heardConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if n > 0 {
		c.tracer.tell(Step{Kind: StepSent, Data: append([]byte(nil), b[:n]...)})
	}
	return n, err
}

// ran tells of a script.
func (t *tracer) ran(command []string, output *head) {
	if t != nil {
		t.tell(Step{Kind: StepRan, Text: strings.Join(command, " "), Data: append([]byte(nil), output.kept.Bytes()...)})
	}
}
