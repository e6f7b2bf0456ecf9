package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/lbha/lbha/healthcheck"
)

// An httpsProber is an [httpProber] within TLS. Each probe shakes hands anew,
// without session tickets: what a new client would meet is what is checked.
type httpsProber struct {
	http   *httpProber
	config *tls.Config
}

func newHTTPS(d dialer, o Options) (*httpsProber, error) {
	// Without, the request waits for the acknowledgement of the handshake's end.
	d.noDelay = true
	h, err := newHTTP(d, o)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{
		ServerName:         o.TLS.ServerName,
		InsecureSkipVerify: o.TLS.Insecure,
		NextProtos:         []string{"http/1.1"},
		MinVersion:         tls.VersionTLS12,
	}
	if config.ServerName == "" {
		config.ServerName = hostOnly(o.HTTP.Host)
	}
	if o.TLS.Roots != "" {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM([]byte(o.TLS.Roots)) {
			return nil, errors.New("no certificate in the PEM text of the authorities")
		}
	}
	return &httpsProber{http: h, config: config}, nil
}

func (p *httpsProber) Probe(ctx context.Context) healthcheck.Result {
	start := time.Now()
	c, err := p.http.dialer.dial(ctx)
	if err != nil {
		return failed(ctx, start, phaseConnect, err)
	}
	defer c.Close() // c, not the TLS connection on it: no farewell to wait for
	secure := tls.Client(c, p.config)
	if err := secure.Handshake(); err != nil { // c has the deadline
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
