package probe

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/lbha/lbha/healthcheck"
)

// Bounds of what a server may make us read.
const (
	maxHeader   = 64 << 10  // status line and header, interim answers included
	maxBody     = 256 << 10 // of the content
	maxRawBody  = 2 * maxBody
	maxContains = 1 << 10 // of the text looked for
)

// An httpProber sends one HTTP/1.1 request on a connection of its own, and reads
// the answer. It follows no redirect, uses no proxy, keeps no connection.
//
// The body is read even where only the status matters, up to maxBody: a server
// that stalls in it is not well, and one that gets its answer off its hands does
// not log a broken client.
type httpProber struct {
	dialer   dialer
	request  []byte
	method   *http.Request // what [http.ReadResponse] has to know of the request
	accept   []healthcheck.StatusRange
	contains []byte
	matches  *regexp.Regexp // nil: any body
}

func newHTTP(d dialer, o Options) (*httpProber, error) {
	h := o.HTTP
	switch {
	case !isToken(h.Method) || h.Method == "CONNECT":
		return nil, fmt.Errorf("bad http method %.20q", h.Method)
	case !strings.HasPrefix(h.Path, "/") || !isVisible(h.Path):
		return nil, fmt.Errorf("bad http path %.100q: want /… without spaces", h.Path)
	case !isVisible(h.Host) || strings.ContainsAny(h.Host, "/@?#"):
		return nil, fmt.Errorf("bad http host %.100q", h.Host)
	case h.Method == "HEAD" && h.Contains+h.Regex != "":
		return nil, errors.New("an answer to HEAD has no body to contain a text")
	case h.Contains != "" && h.Regex != "":
		return nil, errors.New("a body is searched for a text or for an expression, not for both")
	case len(h.Contains) > maxContains || len(h.Regex) > maxContains:
		return nil, fmt.Errorf("the text looked for has %d bytes, at most %d", len(h.Contains+h.Regex), maxContains)
	}
	p := &httpProber{
		dialer:   d,
		method:   &http.Request{Method: h.Method},
		accept:   h.Status,
		contains: []byte(h.Contains),
	}
	var err error
	if h.Regex != "" {
		if p.matches, err = regexp.Compile(h.Regex); err != nil {
			return nil, err
		}
	}
	p.request, err = httpRequest(h, o.Login)
	return p, err
}

// httpRequest is the request, ready to be sent.
func httpRequest(h HTTP, login Login) ([]byte, error) {
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
	// What a check cannot change: one answer, as it is, on a connection of its own.
	header["Accept-Encoding"], header["Connection"] = []string{"identity"}, []string{"close"}
	if login != (Login{}) {
		if strings.Contains(login.User, ":") {
			return nil, errors.New("a user name of http basic authentication has no colon")
		}
		header["Authorization"] = []string{"Basic " + base64.StdEncoding.EncodeToString([]byte(login.User+":"+login.Password))}
	}
	if h.Method == "POST" {
		header["Content-Length"] = []string{"0"}
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", h.Method, h.Path, h.Host)
	if err := header.Write(&b); err != nil {
		return nil, err
	}
	b.WriteString("\r\n")
	return b.Bytes(), nil
}

// fixedHeaders are those that the prober itself answers for.
var fixedHeaders = []string{"Host", "Accept-Encoding", "Connection", "Content-Length", "Transfer-Encoding", "Upgrade"}

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

func (p *httpProber) Probe(ctx context.Context) healthcheck.Result {
	start := time.Now()
	c, err := p.dialer.dial(ctx)
	if err != nil {
		return failed(ctx, start, phaseConnect, err)
	}
	defer c.Close()
	return p.ask(ctx, start, c)
}

// ask sends the request on a connection and judges the answer.
func (p *httpProber) ask(ctx context.Context, start time.Time, c io.ReadWriter) healthcheck.Result {
	if _, err := c.Write(p.request); err != nil {
		return failed(ctx, start, phaseRequest, err)
	}
	return p.read(ctx, start, c)
}

// read judges the answer that comes from r, and reads no more of it than the
// bounds allow.
func (p *httpProber) read(ctx context.Context, start time.Time, r io.Reader) healthcheck.Result {
	bounded := &io.LimitedReader{R: r, N: maxHeader}
	buffered := bufio.NewReader(bounded)
	response, err := p.readHeader(buffered)
	if err != nil {
		if bounded.N <= 0 {
			return healthcheck.Failed(healthcheck.FailureProtocol, fmt.Sprintf("response header of more than %d KiB", maxHeader>>10))
		}
		return failed(ctx, start, phaseHeader, err)
	}
	// The body is not closed: Close would read an endless one to its end.
	if !accepted(p.accept, response.StatusCode) {
		return healthcheck.Failed(healthcheck.FailureStatus, p.unwanted(response.StatusCode, start))
	}
	bounded.N = maxRawBody
	found, err := p.find(response.Body)
	switch {
	case err != nil && bounded.N > 0: // that the raw bound is reached is no failure
		return failed(ctx, start, phaseBody, err)
	case !found:
		return healthcheck.Failed(healthcheck.FailureBody, fmt.Sprintf("http %d without %s in the first %d KiB of the body",
			response.StatusCode, p.wanted(), maxBody>>10))
	}
	return healthcheck.Passed(fmt.Sprintf("http %d in %v", response.StatusCode, rounded(time.Since(start))))
}

// readHeader reads the header of the final answer; interim ones (100, 103) may
// come before it.
func (p *httpProber) readHeader(r *bufio.Reader) (*http.Response, error) {
	for {
		response, err := http.ReadResponse(r, p.method)
		if err != nil || response.StatusCode >= 200 || response.StatusCode == http.StatusSwitchingProtocols {
			return response, err
		}
	}
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

// unwanted says what is wrong with a status: "http 503 in 12ms, want 200-299".
func (p *httpProber) unwanted(status int, start time.Time) string {
	text := fmt.Sprintf("http %d in %v, want %s", status, rounded(time.Since(start)), ranges(p.accept))
	if status >= 300 && status <= 399 && status != http.StatusNotModified {
		text += " (redirects are not followed)"
	}
	return text
}

// find reads a body up to maxBody or its end, and reports whether it has in it
// what is looked for.
func (p *httpProber) find(body io.Reader) (bool, error) {
	if p.matches == nil {
		return search(body, p.contains)
	}
	// RE2 takes time in proportion to the body, whatever is in it, and needs no more
	// of it at a time than a rune.
	text := &failing{r: io.LimitReader(body, maxBody)}
	found := p.matches.MatchReader(bufio.NewReader(text))
	io.Copy(io.Discard, text)
	return found, text.err
}

// wanted is what is looked for, for people.
func (p *httpProber) wanted() string {
	if p.matches != nil {
		return fmt.Sprintf("a match of %.40q", p.matches.String())
	}
	return fmt.Sprintf("%.40q", p.contains)
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
