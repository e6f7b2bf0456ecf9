package probe

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync"

	"github.com/lbha/lbha/healthcheck"
)

// http2 makes one call on a connection that stands, by the transport of net/http, and
// hands its answer to judge.
func http2(ctx context.Context, on net.Conn, request *http.Request, judge func(*http.Response) (phase, error)) (phase, error) {
	tracer := tracerOf(on)
	tracer.hush()
	tracer.note(StepSent, "%s %s of %s by http/2, whose frames are not shown", request.Method, request.URL.RequestURI(), request.Host)
	use := func(context.Context, string, string) (net.Conn, error) { return on, nil }
	transport := &http.Transport{
		DialContext: use, DialTLSContext: use, TLSClientConfig: new(tls.Config), Protocols: new(http.Protocols),
		DisableCompression: true, MaxResponseHeaderBytes: maxHeader,
		// What a server may send before we have read it.
		HTTP2: &http.HTTP2Config{MaxReceiveBufferPerConnection: maxBody, MaxReceiveBufferPerStream: maxBody},
	}
	transport.Protocols.SetHTTP2(true)
	transport.Protocols.SetUnencryptedHTTP2(true)
	defer transport.CloseIdleConnections()
	response, err := transport.RoundTrip(request.WithContext(ctx))
	if err != nil {
		return phaseHeader, err
	}
	tracer.note(StepHeard, "%s %s, %v", response.Proto, response.Status, response.Header)
	defer response.Body.Close() // resets the stream: it does not read to the end
	return judge(response)
}

// errNotHTTP2 is the one of a server that shakes hands for something else.
var errNotHTTP2 = wrongf(healthcheck.FailureTLS, "the server does not speak http/2")

// A boundedConn is a connection on which a server may say so much and no more. The
// transport reads it in a goroutine of its own.
type boundedConn struct {
	net.Conn
	most  int // bytes
	mu    sync.Mutex
	heard int
	err   error // what reading ended with
}

func (c *boundedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.heard += n; c.heard > c.most {
		n, err = 0, wrongf(healthcheck.FailureProtocol, "the server says more than %d KiB", c.most>>10)
	}
	if err != nil && c.err == nil {
		c.err = err
	}
	return n, err
}

// cause finds the error behind the one of a call: whether the transport names what
// ended the connection, or what it was at then, is a matter of luck.
func (c *boundedConn) cause(ctx context.Context, err error) error {
	if isWrong(err) {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	err = cmp.Or(ctx.Err(), c.err, err)
	if f, _ := classify(phaseHeader, err); f == healthcheck.FailureProtocol && !isWrong(err) {
		return wrongf(healthcheck.FailureProtocol, "the server does not speak http/2")
	}
	return err
}

// isWrong reports whether an error says all by itself.
func isWrong(err error) bool {
	_, ok := errors.AsType[*wrong](err)
	return ok
}
