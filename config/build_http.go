package config

import (
	"net/url"
	"regexp"
	"strings"

	"github.com/lbha/lbha/healthcheck"
)

// Limits of a check.
const (
	maxContains    = 1024 // bytes of a text or expression that a body is searched for
	maxServiceName = 127  // bytes of the name of a gRPC service
)

// http fills in an HTTP or HTTPS check.
func (b *builder) http(raw *rawCheck, c *Check) {
	c.Method = b.choice(raw.Method, "GET", "GET", "HEAD", "OPTIONS", "POST")
	c.Path = raw.Path.or("/")
	c.Host = b.hostName(raw.Host)
	c.Status = values(raw.Status)
	if u, err := url.ParseRequestURI(c.Path); err != nil || !strings.HasPrefix(c.Path, "/") || u.Fragment != "" ||
		strings.ContainsFunc(c.Path, func(r rune) bool { return r <= ' ' || r == '#' || r >= 0x7f }) {
		b.errorHint(raw.Path.Node, `such as "/healthz"`, "path: %.80q is not a path with an optional query", c.Path)
	}
	switch {
	case !raw.Status.set():
		c.Status = []healthcheck.StatusRange{{First: 200, Last: 299}}
	case len(c.Status) == 0:
		b.error(raw.Status.Node, "status: must accept at least one code")
	}
	b.content(raw, c)
	b.headers(raw, c)
	b.login(raw, c)
	if strings.Contains(c.Username, ":") {
		b.error(raw.Username.Node, "username: has no colon in basic authentication")
	}
}

// content settles what the body is searched for.
func (b *builder) content(raw *rawCheck, c *Check) {
	for _, o := range []opt[string]{raw.Contains, raw.Regex} {
		switch {
		case !o.set():
		case len(o.Value) > maxContains:
			b.error(o.Node, "%s: must have at most %d bytes", o.Node.label(), maxContains)
		case c.Method == "HEAD" && o.Value != "":
			b.error(o.Node, "%s: the answer to HEAD has no body", o.Node.label())
		}
	}
	c.Contains, c.Regex = raw.Contains.or(""), raw.Regex.or("")
	if c.Contains != "" && c.Regex != "" {
		b.error(raw.Regex.Node, "regex: the body is searched for contains already")
	}
	if _, err := regexp.Compile(c.Regex); err != nil {
		b.errorHint(raw.Regex.Node, "in single quotes TOML leaves backslashes alone", "regex: %v", err)
	}
}

// headers fills in the header fields of the request.
func (b *builder) headers(raw *rawCheck, c *Check) {
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
		c.Headers = append(c.Headers, Header{h.Name, h.Value.Value})
	}
}

// headerName reports whether s is a token of RFC 9110, section 5.6.2.
func headerName(s string) bool {
	return s != "" && len(s) <= 100 && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}
