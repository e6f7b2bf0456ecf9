package config

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"regexp"
	"strings"

	"github.com/lbha/lbha/healthcheck"
)

// Limits of a check.
const (
	maxContains    = 1024 // bytes of a text or expression that a body is searched for
	maxServiceName = 127  // bytes of the name of a gRPC service
	maxRedirects   = 10
	maxRequests    = 20 // of one check
)

// http fills in an HTTP or HTTPS check.
func (b *builder) http(raw *rawCheck, c *Check) {
	if c.HTTPVersion = b.choice(raw.HTTPVersion, "", "1.1", "2"); c.HTTPVersion == "1.1" {
		c.HTTPVersion = ""
	}
	c.Redirects = b.number(raw.Redirects, 0, 0, maxRedirects)
	own := rawRequest{
		Node: raw.Node, Method: raw.Method, Path: raw.Path, Host: raw.Host, Headers: raw.Headers, Body: raw.Body,
		Status: raw.Status, Contains: raw.Contains, Regex: raw.Regex, Digest: raw.Digest,
	}
	if !raw.Requests.set() {
		c.Request = b.request(&own, c.Redirects)
	}
	for i := range raw.Requests.Items {
		c.Requests = append(c.Requests, b.request(raw.Requests.Items[i].over(own), c.Redirects))
	}
	if n := len(c.Requests); n == 0 && raw.Requests.set() || n > maxRequests {
		b.error(raw.Requests.Node, "requests: want 1 to %d", maxRequests)
	}
	b.login(raw, c)
	if strings.Contains(c.Username, ":") {
		b.error(raw.Username.Node, "username: has no colon in basic authentication")
	}
}

// over returns q with what it leaves out filled in from the check. It looks for one thing
// in the body: its own, if it has one.
func (q rawRequest) over(check rawRequest) *rawRequest {
	if q.Contains.set() || q.Regex.set() || q.Digest.set() {
		check.Contains, check.Regex, check.Digest = opt[string]{}, opt[string]{}, opt[string]{}
	}
	inherit(&q, &check)
	return &q
}

// request reads one request.
func (b *builder) request(raw *rawRequest, redirects int) Request {
	q := Request{
		Method:  b.choice(raw.Method, "GET", "GET", "HEAD", "OPTIONS", "POST"),
		Path:    raw.Path.or("/"),
		Host:    b.hostName(raw.Host),
		Body:    raw.Body.Value,
		Status:  values(raw.Status),
		Headers: b.headers(raw),
	}
	if u, err := url.ParseRequestURI(q.Path); err != nil || !strings.HasPrefix(q.Path, "/") || u.Fragment != "" ||
		strings.ContainsFunc(q.Path, func(r rune) bool { return r <= ' ' || r == '#' || r >= 0x7f }) {
		b.errorHint(raw.Path.Node, `such as "/healthz"`, "path: %.80q is not a path with an optional query", q.Path)
	}
	switch {
	case !raw.Status.set():
		q.Status = []healthcheck.StatusRange{{First: 200, Last: 299}}
	case len(q.Status) == 0:
		b.error(raw.Status.Node, "status: must accept at least one code")
	}
	if q.Body != "" && q.Method != "POST" {
		b.error(raw.Body.Node, "body: only a request of method POST has one")
	}
	if redirects > 0 && q.Method != "GET" && q.Method != "HEAD" {
		b.error(raw.Method.Node, "method: follow_redirects goes with GET and HEAD only")
	}
	b.content(raw, &q)
	return q
}

// content settles what the body is searched for.
func (b *builder) content(raw *rawRequest, q *Request) {
	looks := 0
	for _, o := range []opt[string]{raw.Contains, raw.Regex, raw.Digest} {
		if o.Value != "" {
			looks++
		}
		switch {
		case !o.set():
		case len(o.Value) > maxContains:
			b.error(o.Node, "%s: must have at most %d bytes", o.Node.label(), maxContains)
		case q.Method == "HEAD" && o.Value != "":
			b.error(o.Node, "%s: the answer to HEAD has no body", o.Node.label())
		case looks > 1 && o.Value != "":
			b.error(o.Node, "%s: one of contains, regex and digest says what the body must be", o.Node.label())
		}
	}
	q.Contains, q.Regex = raw.Contains.or(""), raw.Regex.or("")
	if _, err := regexp.Compile(q.Regex); err != nil {
		b.errorHint(raw.Regex.Node, "in single quotes TOML leaves backslashes alone", "regex: %v", err)
	}
	q.Digest = strings.ToLower(strings.TrimPrefix(raw.Digest.Value, "sha256:"))
	if sum, err := hex.DecodeString(q.Digest); q.Digest != "" && (err != nil || len(sum) != sha256.Size) {
		b.errorHint(raw.Digest.Node, `as "sha256sum" prints it`, "digest: %.80q is not a SHA-256 in hexadecimal", raw.Digest.Value)
	}
}

// headers reads the header fields of the request.
func (b *builder) headers(raw *rawRequest) (fields []Header) {
	for _, h := range raw.Headers.Items {
		if !h.Value.set() {
			continue
		}
		switch value := h.Value.Value.Reveal(); {
		case !headerName(h.Name):
			b.error(h.Value.Node, "%.40q is not the name of a header field", h.Name)
		case strings.EqualFold(h.Name, "Host"):
			b.errorHint(h.Value.Node, "it is the key host of the check", "%s: is not for headers to set", h.Name)
		case strings.EqualFold(h.Name, "Connection"), strings.EqualFold(h.Name, "Accept-Encoding"), strings.EqualFold(h.Name, "Content-Length"),
			strings.EqualFold(h.Name, "Transfer-Encoding"), strings.EqualFold(h.Name, "Upgrade"):
			b.error(h.Value.Node, "%s: is not for a check to set", h.Name)
		case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
			b.error(h.Value.Node, "%s: has characters that a header field has not", h.Name)
		}
		fields = append(fields, Header{h.Name, h.Value.Value})
	}
	return fields
}

// headerName reports whether s is a token of RFC 9110, section 5.6.2.
func headerName(s string) bool {
	return s != "" && len(s) <= 100 && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}
