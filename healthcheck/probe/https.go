package probe

import (
	"context"
	"net"
	"strings"
	"time"

	"github.com/lbha/lbha/healthcheck"
)

// An httpsProber is an [httpProber] within TLS.
type httpsProber struct {
	http *httpProber
	tls  *tlsClient
}

func newHTTPS(d dialer, o Options) (*httpsProber, error) {
	// Without, the request waits for the acknowledgement of the handshake's end.
	d.noDelay = true
	h, err := newHTTP(d, o)
	if err != nil {
		return nil, err
	}
	t, err := newTLSClient(o.TLS, hostOnly(o.HTTP.Host), "http/1.1")
	if err != nil {
		return nil, err
	}
	return &httpsProber{http: h, tls: t}, nil
}

func (p *httpsProber) Probe(ctx context.Context) healthcheck.Result {
	start := time.Now()
	c, err := p.http.dialer.dial(ctx)
	if err != nil {
		return failed(ctx, start, phaseConnect, err)
	}
	defer c.Close() // c, not the TLS connection on it: no farewell to wait for
	secure, err := p.tls.handshake(c)
	if err != nil {
		return failed(ctx, start, phaseTLS, err)
	}
	return p.http.ask(ctx, start, secure)
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
