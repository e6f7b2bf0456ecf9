package config

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"net/url"
	"strings"

	"github.com/lbha/lbha/healthcheck"
)

// maxContains bounds the text that a body is searched for.
const maxContains = 1024

// place returns the node of a table that may be absent.
func (t *rawTLS) place() *node {
	if t == nil {
		return nil
	}
	return t.Node
}

// http fills in an HTTP or HTTPS check.
func (b *builder) http(raw *rawCheck, c *Check) {
	c.Method = b.choice(raw.Method, "GET", "GET", "HEAD", "OPTIONS", "POST")
	c.Path = raw.Path.or("/")
	c.Host = raw.Host.or("")
	c.Contains = raw.Contains.or("")
	c.Status = values(raw.Status)
	if u, err := url.ParseRequestURI(c.Path); err != nil || !strings.HasPrefix(c.Path, "/") || u.Fragment != "" ||
		strings.ContainsFunc(c.Path, func(r rune) bool { return r <= ' ' || r == '#' || r == 0x7f }) {
		b.errorHint(raw.Path.Node, `such as "/healthz"`, "path: %.80q is not a path with an optional query", c.Path)
	}
	if strings.ContainsFunc(c.Host, func(r rune) bool { return r <= ' ' || r == '/' || r >= 0x7f }) {
		b.error(raw.Host.Node, "host: %.80q is not a host name", c.Host)
	}
	if len(c.Contains) > maxContains {
		b.error(raw.Contains.Node, "contains: must have at most %d bytes", maxContains)
	}
	if c.Contains != "" && c.Method == "HEAD" {
		b.error(raw.Contains.Node, "contains: the answer to HEAD has no body")
	}
	switch {
	case !raw.Status.set():
		c.Status = []healthcheck.StatusRange{{First: 200, Last: 299}}
	case len(c.Status) == 0:
		b.error(raw.Status.Node, "status: must accept at least one code")
	}
	if c.Type != healthcheck.TypeHTTPS {
		return
	}
	c.TLS = &TLS{Verify: true}
	if t := raw.TLS; t != nil {
		c.TLS = &TLS{Verify: t.Verify.or(true), ServerName: t.ServerName.or("")}
		if strings.ContainsFunc(c.TLS.ServerName, func(r rune) bool { return r <= ' ' || r == '/' || r >= 0x7f }) {
			b.error(t.ServerName.Node, "server_name: %.80q is not a host name", c.TLS.ServerName)
		}
		if t.CAFile.set() {
			b.authorities(t.CAFile, c.TLS)
		}
	}
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
