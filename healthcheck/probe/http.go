package probe

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lbha/lbha/healthcheck"
)

// An httpProber sends requests, each on a connection of its own, and judges the
// answers, until one is not that of a healthy server. It uses no proxy and keeps no
// connection.
type httpProber struct {
	dialer dialer
	tls    *tlsClient // nil: in the clear
	asks   []*httpAsk
}

func newHTTP(d dialer, o Options) (*httpProber, error) {
	p := &httpProber{dialer: d}
	for _, h := range o.requests() {
		ask, err := newHTTPAsk(h, o.Login)
		if err != nil {
			return nil, err
		}
		p.asks = append(p.asks, ask)
	}
	first := o.requests()[0]
	if first.HTTP2 {
		p.dialer.noDelay = true
	}
	if o.TLS.Enabled {
		// Without, the request waits for the acknowledgement of the handshake's end.
		p.dialer.noDelay = true
		protocol := "http/1.1"
		if first.HTTP2 {
			protocol = "h2"
		}
		var err error
		p.tls, err = newTLSClient(o.TLS, hostOnly(first.Host), protocol)
		return p, err
	}
	return p, nil
}

func (p *httpProber) Probe(ctx context.Context) healthcheck.Result {
	start := time.Now()
	status := 0
	for _, ask := range p.asks {
		var at phase
		var err error
		if status, at, err = p.follow(ctx, ask); err != nil {
			r := failed(ctx, start, at, err)
			if len(p.asks) > 1 {
				r = healthcheck.Failed(r.Failure, fmt.Sprintf("%.60s: %s", ask.path, r.Detail))
			}
			return r
		}
	}
	if n := len(p.asks); n > 1 {
		return healthcheck.Passed(fmt.Sprintf("%d requests, the last http %d, in %v", n, status, rounded(time.Since(start))))
	}
	return healthcheck.Passed(fmt.Sprintf("http %d in %v", status, rounded(time.Since(start))))
}

// follow asks once, and again where the server redirects to itself, as often as the
// check allows.
func (p *httpProber) follow(ctx context.Context, ask *httpAsk) (status int, at phase, err error) {
	path := ask.path
	for left := ask.redirects; ; left-- {
		answer := httpAnswer{ask: ask, start: time.Now(), follow: left > 0}
		if at, err = p.ask(ctx, &answer, path); err != nil || answer.location == "" {
			return answer.status, at, err
		}
		if path, err = p.redirected(ask.host, path, answer); err != nil {
			return answer.status, at, err
		}
	}
}

// redirected returns the path to which an answer redirects. It must be of this server:
// another one is not what is checked.
func (p *httpProber) redirected(host, path string, a httpAnswer) (string, error) {
	base := &url.URL{Scheme: "http", Host: host}
	if p.tls != nil {
		base.Scheme = "https"
	}
	from, err := base.Parse(path)
	if err == nil {
		from, err = from.Parse(a.location)
	}
	if err != nil || from.Scheme != base.Scheme || !strings.EqualFold(from.Host, host) || !isVisible(from.RequestURI()) || len(a.location) > maxContains {
		return "", wrongf(healthcheck.FailureStatus, "http %d to elsewhere: %.80q", a.status, a.location)
	}
	return from.RequestURI(), nil
}

// ask sends a request on a connection of its own and judges the answer.
func (p *httpProber) ask(ctx context.Context, a *httpAnswer, path string) (phase, error) {
	c, err := p.dialer.dial(ctx)
	if err != nil {
		return phaseConnect, err
	}
	defer c.Close() // c, not the TLS connection on it: no farewell to wait for
	var on net.Conn = c
	var bound *boundedConn
	if a.ask.http2 {
		bound = &boundedConn{Conn: c, most: maxHeader + maxRawBody}
		on = bound
	}
	if p.tls != nil {
		secure, err := p.tls.handshake(on)
		if err != nil {
			return phaseTLS, err
		}
		if bound != nil && secure.ConnectionState().NegotiatedProtocol != "h2" {
			return phaseTLS, errNotHTTP2
		}
		on = secure
	}
	if bound == nil {
		if secure, ok := on.(*tls.Conn); ok {
			on = overheard(secure)
		}
		request := a.ask.text
		if path != a.ask.path {
			request = a.ask.request(path)
		}
		if _, err := on.Write(request); err != nil {
			return phaseRequest, err
		}
		return a.read(on)
	}
	scheme := "http"
	if p.tls != nil {
		scheme = "https"
	}
	request := a.ask.request2(scheme, p.dialer.target.String(), path)
	at, err := http2(ctx, on, request, a.judge)
	if err != nil {
		err = bound.cause(ctx, err)
	}
	return at, err
}

// An httpAnswer is an answer on its way.
type httpAnswer struct {
	ask      *httpAsk
	start    time.Time
	follow   bool // a redirect is to be followed
	status   int
	location string // where to, if it is one
}

// read judges the answer that comes from r by HTTP/1, and reads no more of it than the
// bounds allow.
func (a *httpAnswer) read(r io.Reader) (phase, error) { return a.readBy(bufio.NewReader(nil), r) }

// readBy is read with a buffer to be used for it.
func (a *httpAnswer) readBy(buffered *bufio.Reader, r io.Reader) (phase, error) {
	source := &failing{r: r}
	bounded := &io.LimitedReader{R: source, N: maxHeader}
	buffered.Reset(bounded)
	response, err := a.readHeader(buffered)
	switch {
	case err == nil:
	case bounded.N <= 0:
		return phaseHeader, wrongf(healthcheck.FailureProtocol, "response header of more than %d KiB", maxHeader>>10)
	case source.err != nil: // which is forgotten over a line that has begun
		return phaseHeader, source.err
	default:
		return phaseHeader, err
	}
	// The body is not closed: Close would read an endless one to its end.
	bounded.N = maxRawBody
	response.Body = &cut{response.Body, bounded}
	return a.judge(response)
}

// A cut body ends where the raw bound is reached: that is no failure.
type cut struct {
	io.ReadCloser
	raw *io.LimitedReader
}

func (c *cut) Read(b []byte) (int, error) {
	n, err := c.ReadCloser.Read(b)
	if err != nil && c.raw.N <= 0 {
		err = io.EOF
	}
	return n, err
}

// readHeader reads the header of the final answer; interim ones (100, 103) may
// come before it.
func (a *httpAnswer) readHeader(r *bufio.Reader) (*http.Response, error) {
	for {
		response, err := http.ReadResponse(r, &a.ask.sent)
		if err != nil || response.StatusCode >= 200 || response.StatusCode == http.StatusSwitchingProtocols {
			return response, err
		}
	}
}

// judge judges an answer whose header has been read.
func (a *httpAnswer) judge(response *http.Response) (phase, error) {
	a.status = response.StatusCode
	if a.follow && isRedirect(a.status) {
		if a.location = response.Header.Get("Location"); a.location != "" {
			return phaseHeader, nil
		}
	}
	if !accepted(a.ask.accept, a.status) {
		return phaseHeader, wrongf(healthcheck.FailureStatus, "%s", a.unwanted())
	}
	return phaseBody, a.ask.find(a.status, response.Body)
}

func isRedirect(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// unwanted says what is wrong with a status: "http 503 in 12ms, want 200-299".
func (a *httpAnswer) unwanted() string {
	text := fmt.Sprintf("http %d in %v, want %s", a.status, rounded(time.Since(a.start)), ranges(a.ask.accept))
	switch {
	case !isRedirect(a.status):
	case a.ask.redirects > 0:
		text += fmt.Sprintf(" (more than %d redirects)", a.ask.redirects)
	default:
		text += " (redirects are not followed)"
	}
	return text
}

// hostOnly cuts the port off a Host header, and the brackets and zone off an
// address.
func hostOnly(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	host, _, _ = strings.Cut(host, "%")
	return host
}
