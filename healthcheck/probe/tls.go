package probe

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/lbha/lbha/healthcheck"
)

// A tlsClient shakes hands as the options say. Each probe does so anew, without
// session tickets: what a new client would meet is what is checked.
type tlsClient struct {
	config  *tls.Config
	minDays int
}

// newTLSClient returns the client that the options describe. name is what the
// certificate must be for, unless the options say; protocols are offered by ALPN.
func newTLSClient(o TLS, name string, protocols ...string) (*tlsClient, error) {
	config := &tls.Config{
		ServerName:         o.ServerName,
		InsecureSkipVerify: o.Insecure,
		NextProtos:         protocols,
		MinVersion:         tls.VersionTLS12,
	}
	if config.ServerName == "" {
		config.ServerName = name
	}
	if o.Roots != "" {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM([]byte(o.Roots)) {
			return nil, errors.New("no certificate in the PEM text of the authorities")
		}
	}
	if o.Cert != "" || o.Key != "" {
		pair, err := tls.X509KeyPair([]byte(o.Cert), []byte(o.Key))
		if err != nil {
			return nil, fmt.Errorf("client certificate: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return &tlsClient{config: config, minDays: o.MinDays}, nil
}

// handshake secures a connection, which has the deadline of the probe.
func (t *tlsClient) handshake(c net.Conn) (*tls.Conn, error) {
	tracer := tracerOf(c)
	tracer.hush()
	secure := tls.Client(c, t.config)
	if err := secure.Handshake(); err != nil {
		return nil, err
	}
	tracer.secured(secure)
	if t.minDays > 0 {
		end := secure.ConnectionState().PeerCertificates[0].NotAfter
		if left := time.Until(end); left < time.Duration(t.minDays)*24*time.Hour {
			return nil, wrongf(healthcheck.FailureTLS, "certificate expires on %s, in %d days, want %d",
				end.UTC().Format("2006-01-02"), int(left/(24*time.Hour)), t.minDays)
		}
	}
	return secure, nil
}

// describeSession says what a handshake led to: "TLS 1.3, certificate until 2026-07-01".
func describeSession(c *tls.Conn) string {
	s := c.ConnectionState()
	return fmt.Sprintf("%s, certificate until %s", tls.VersionName(s.Version), s.PeerCertificates[0].NotAfter.UTC().Format("2006-01-02"))
}
