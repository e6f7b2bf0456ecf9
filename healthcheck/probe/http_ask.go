package probe

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/lbha/lbha/healthcheck"
)

// Bounds of what a server may make us read, in bytes.
const (
	maxHeader   = 64 << 10  // status line and header, interim answers included
	maxBody     = 256 << 10 // of the content
	maxRawBody  = 2 * maxBody
	maxContains = 1 << 10 // of the text looked for
)

// An httpAsk is one request, and which answer is that of a healthy server.
//
// The body is read even where only the status matters, up to maxBody: a server
// that stalls in it is not well, and one that gets its answer off its hands does
// not log a broken client.
type httpAsk struct {
	sent      http.Request // the method: what [http.ReadResponse] has to know of the request
	path      string
	text      []byte // the request for it in HTTP/1.1, ready to be sent
	host      string
	header    http.Header
	body      string
	http2     bool
	redirects int
	accept    []healthcheck.StatusRange
	contains  []byte
	matches   *regexp.Regexp // nil: any body
	digest    []byte         // SHA-256 of the body; nil: any
}

func newHTTPAsk(h HTTP, login Login) (*httpAsk, error) {
	looks := 0
	for _, text := range []string{h.Contains, h.Regex, h.Digest} {
		if text != "" {
			looks++
		}
	}
	switch {
	case !isToken(h.Method) || h.Method == "CONNECT":
		return nil, fmt.Errorf("bad http method %.20q", h.Method)
	case !strings.HasPrefix(h.Path, "/") || !isVisible(h.Path):
		return nil, fmt.Errorf("bad http path %.100q: want /… without spaces", h.Path)
	case !isVisible(h.Host) || strings.ContainsAny(h.Host, "/@?#"):
		return nil, fmt.Errorf("bad http host %.100q", h.Host)
	case h.Method == "HEAD" && looks > 0:
		return nil, errors.New("an answer to HEAD has no body to contain a text")
	case looks > 1:
		return nil, errors.New("a body is searched for a text, matched or summed up, not several of them")
	case len(h.Contains) > maxContains || len(h.Regex) > maxContains:
		return nil, fmt.Errorf("the text looked for has %d bytes, at most %d", len(h.Contains+h.Regex), maxContains)
	case h.Body != "" && h.Method != "POST":
		return nil, fmt.Errorf("a request of method %s has no body", h.Method)
	case h.Redirects > 0 && h.Method != "GET" && h.Method != "HEAD":
		return nil, fmt.Errorf("a redirect of method %s is not followed", h.Method)
	}
	a := &httpAsk{
		sent: http.Request{Method: h.Method}, path: h.Path, host: h.Host, body: string(h.Body),
		http2: h.HTTP2, redirects: h.Redirects, accept: h.Status, contains: []byte(h.Contains),
	}
	var err error
	if h.Regex != "" {
		if a.matches, err = regexp.Compile(h.Regex); err != nil {
			return nil, err
		}
	}
	if h.Digest != "" {
		if a.digest, err = hex.DecodeString(h.Digest); err != nil || len(a.digest) != sha256.Size {
			return nil, fmt.Errorf("%.80q is no SHA-256 in hexadecimal", h.Digest)
		}
	}
	if a.header, err = httpHeader(h, login); err != nil {
		return nil, err
	}
	a.text = a.request(a.path)
	return a, nil
}

// httpHeader is the header of a request.
func httpHeader(h HTTP, login Login) (http.Header, error) {
	header := http.Header{"User-Agent": {"lbha"}, "Accept": {"*/*"}}
	for _, field := range h.Headers {
		name := http.CanonicalHeaderKey(field.Name)
		switch {
		case !isToken(name) || strings.ContainsFunc(field.Value, isControl):
			return nil, fmt.Errorf("bad http header %.40q", field.Name)
		case slices.Contains(fixedHeaders, name):
			return nil, fmt.Errorf("http header %s is not for a check to set", name)
		}
		header[name] = []string{field.Value}
	}
	header["Accept-Encoding"] = []string{"identity"} // the answer as it is
	if login != (Login{}) {
		if strings.Contains(login.User, ":") {
			return nil, errors.New("a user name of http basic authentication has no colon")
		}
		header["Authorization"] = []string{"Basic " + base64.StdEncoding.EncodeToString([]byte(login.User+":"+login.Password))}
	}
	return header, nil
}

// fixedHeaders are those that the prober itself answers for.
var fixedHeaders = []string{"Host", "Accept-Encoding", "Connection", "Content-Length", "Transfer-Encoding", "Upgrade"}

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// request is the request for a path in HTTP/1.1: for one answer, on a connection of its
// own.
func (a *httpAsk) request(path string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", a.sent.Method, path, a.host)
	header := a.header.Clone()
	header["Connection"] = []string{"close"}
	if a.sent.Method == "POST" {
		header["Content-Length"] = []string{fmt.Sprint(len(a.body))}
	}
	header.Write(&b) // to memory
	b.WriteString("\r\n")
	b.WriteString(a.body)
	return b.Bytes()
}

// request2 is the same in HTTP/2, with the path as it is written.
func (a *httpAsk) request2(scheme, target, path string) *http.Request {
	r := &http.Request{Method: a.sent.Method, URL: &url.URL{Scheme: scheme, Host: target, Opaque: "//" + a.host + path}, Host: a.host, Header: a.header.Clone()}
	if a.body != "" {
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(a.body)), int64(len(a.body))
	}
	return r
}

// find reads a body up to maxBody or its end, and says what is missing in it.
func (a *httpAsk) find(status int, body io.Reader) error {
	switch {
	case a.digest != nil:
		return a.sum(status, body)
	case a.matches == nil:
		found, err := search(body, a.contains)
		if err == nil && !found {
			err = a.missing(status, fmt.Sprintf("%.40q", a.contains))
		}
		return err
	}
	// RE2 takes time in proportion to the body, whatever is in it, and needs no more
	// of it at a time than a rune.
	text := &failing{r: io.LimitReader(body, maxBody)}
	found := a.matches.MatchReader(bufio.NewReader(text))
	io.Copy(io.Discard, text)
	if text.err == nil && !found {
		return a.missing(status, fmt.Sprintf("a match of %.40q", a.matches.String()))
	}
	return text.err
}

func (a *httpAsk) missing(status int, what string) error {
	return wrongf(healthcheck.FailureBody, "http %d without %s in the first %d KiB of the body", status, what, maxBody>>10)
}

// sum compares the SHA-256 of the body, which must end within the bound.
func (a *httpAsk) sum(status int, body io.Reader) error {
	h := sha256.New()
	n, err := io.Copy(h, io.LimitReader(body, maxBody+1))
	switch got := h.Sum(nil); {
	case n > maxBody:
		return wrongf(healthcheck.FailureBody, "http %d with a body of more than %d KiB: too much to be summed up", status, maxBody>>10)
	case err != nil:
		return err
	case !bytes.Equal(got, a.digest):
		return wrongf(healthcheck.FailureBody, "http %d with a body of %d bytes and SHA-256 %x", status, n, got)
	}
	return nil
}

// accepted reports whether a status is in any of the ranges.
func accepted(ranges []healthcheck.StatusRange, status int) bool {
	return slices.ContainsFunc(ranges, func(r healthcheck.StatusRange) bool { return r.Contains(status) })
}

// ranges writes them for people: "200 or 300-303".
func ranges(accept []healthcheck.StatusRange) string {
	words := make([]string, len(accept))
	for i, r := range accept {
		words[i] = r.String()
	}
	return strings.Join(words, " or ")
}

// A failing reader remembers the error that its reader ended with.
type failing struct {
	r   io.Reader
	err error
}

func (f *failing) Read(b []byte) (int, error) {
	n, err := f.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		f.err = err
	}
	return n, err
}

// search reads a body up to maxBody or its end, and reports whether text is in
// it. It holds one window of it at a time.
func search(body io.Reader, text []byte) (found bool, err error) {
	if len(text) == 0 {
		_, err := io.CopyN(io.Discard, body, maxBody)
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return true, err
	}
	var (
		window = make([]byte, 4096+len(text))
		kept   int // bytes at the start of window that may begin the text
		total  int
	)
	for total < maxBody {
		n, err := body.Read(window[kept:min(len(window), kept+maxBody-total)])
		total += n
		if !found {
			filled := window[:kept+n]
			found = bytes.Contains(filled, text)
			kept = copy(window, filled[max(0, len(filled)-len(text)+1):])
		}
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return found, err
		}
	}
	return found, nil
}

// defaultHost is the Host header for a target: with its port, unless that is the
// one of the scheme.
func defaultHost(t healthcheck.Type, target netip.AddrPort) string {
	addr := target.Addr().WithZone("")
	if t == healthcheck.TypeHTTP && target.Port() == 80 || t == healthcheck.TypeHTTPS && target.Port() == 443 {
		if addr.Is6() {
			return "[" + addr.String() + "]"
		}
		return addr.String()
	}
	return netip.AddrPortFrom(addr, target.Port()).String()
}

// isVisible reports whether s is of visible ASCII only: it can go into a request
// without ending a line of it.
func isVisible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != ""
}

// isToken reports whether s is a token of RFC 9110, section 5.6.2.
func isToken(s string) bool { return isVisible(s) && !strings.ContainsAny(s, `"(),/:;<=>?@[\]{}`) }
