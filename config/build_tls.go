package config

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"

	"github.com/lbha/lbha/healthcheck"
)

// place returns the node of a table that may be absent.
func (t *rawTLS) place() *node {
	if t == nil {
		return nil
	}
	return t.Node
}

// clientTLS fills in the client side of a check that speaks TLS: by its type, or because
// it says how.
func (b *builder) clientTLS(raw *rawCheck, c *Check) {
	always := c.Type == healthcheck.TypeHTTPS || c.Type == healthcheck.TypeTLS || raw.StartTLS.or(false)
	t := raw.TLS
	if t == nil {
		if always {
			c.TLS = &TLS{Verify: true}
		}
		return
	}
	c.TLS = &TLS{
		Verify:     t.Verify.or(true),
		ServerName: b.hostName(t.ServerName),
		MinDays:    b.number(t.MinDays, 0, 0, 10_000),
	}
	if t.CAFile.set() {
		b.authorities(t.CAFile, c.TLS)
	}
	b.clientCertificate(t, c.TLS)
}

// authorities reads a file of certificates now, to refuse one that would fail every probe.
func (b *builder) authorities(o opt[string], t *TLS) {
	if !t.Verify {
		b.error(o.Node, "ca_file: is of no use with verify = false")
		return
	}
	pem, path, _ := b.open(o, maxFileSize)
	if pem == nil {
		return
	}
	t.CAFile = path
	if !x509.NewCertPool().AppendCertsFromPEM(pem) {
		b.error(o.Node, "ca_file: %s holds no PEM certificate", o.Value)
		return
	}
	sum := sha256.Sum256(pem)
	t.CASum = hex.EncodeToString(sum[:])
}

// clientCertificate reads the certificate that the check shows to the server, and its key.
func (b *builder) clientCertificate(raw *rawTLS, t *TLS) {
	switch cert, key := raw.CertFile, raw.KeyFile; {
	case !cert.set() && !key.set():
	case !key.set():
		b.need(raw.Node, nil, "key_file", "the key of cert_file")
	case !cert.set():
		b.need(raw.Node, nil, "cert_file", "the certificate of key_file")
	default:
		certPEM, certPath, _ := b.open(cert, maxFileSize)
		keyPEM, keyPath, mode := b.open(key, maxFileSize)
		if certPEM == nil || keyPEM == nil {
			return
		}
		if _, err := tls.X509KeyPair(certPEM, keyPEM); err != nil {
			b.error(key.Node, "key_file: %s and %s are no certificate and key: %v", cert.Value, key.Value, err)
			return
		}
		b.guard(key, mode)
		sum := sha256.Sum256(append(certPEM, keyPEM...))
		t.CertFile, t.KeyFile, t.CertSum = certPath, keyPath, hex.EncodeToString(sum[:])
	}
}
