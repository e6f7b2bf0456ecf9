package probe

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/lbha/lbha/healthcheck"
)

// counted counts the bytes that are read from it, in pieces of any size.
type counted struct {
	r     *bytes.Reader
	piece int
	n     int
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.r.Read(b[:min(len(b), c.piece)])
	c.n += n
	return n, err
}

// readFrom judges an answer as a probe does.
func readFrom(p *httpProber, from io.Reader) healthcheck.Result {
	a := httpAnswer{ask: p.asks[0], start: time.Now()}
	if at, err := a.read(from); err != nil {
		return failed(context.Background(), a.start, at, err)
	}
	return healthcheck.Passed(fmt.Sprintf("http %d", a.status))
}

// FuzzResponse: whatever a server answers, the prober ends with a bounded line of
// printable text, reads no more than its bounds, and calls nothing healthy that
// has the wrong status or lacks the text.
func FuzzResponse(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nneedle",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nnee\r\n3\r\ndle\r\n0\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nneedle",
		"HTTP/1.0 200 OK\n\nneedle",
		"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTrailer: X\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n",
		"HTTP/1.1 200 \x1b[2J\r\n\r\n",
		"HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", 20000),
		"\x16\x03\x03\x00\x02\x02\x28",
		"",
	} {
		f.Add([]byte(s), uint16(1000))
		f.Add([]byte(s), uint16(1))
	}
	p, err := New(Options{
		Type: "http", Target: netip.MustParseAddrPort("192.0.2.1:80"),
		HTTP: HTTP{Status: []healthcheck.StatusRange{{First: 200, Last: 299}}, Contains: "needle"},
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, answer []byte, piece uint16) {
		from := &counted{r: bytes.NewReader(answer), piece: int(piece) + 1}
		r := readFrom(p.(*httpProber), from)
		if from.n > maxHeader+maxRawBody {
			t.Errorf("%d bytes read", from.n)
		}
		if len(r.Detail) > 160 || strings.IndexFunc(r.Detail, func(r rune) bool { return !unicode.IsPrint(r) }) >= 0 {
			t.Errorf("detail %q", r.Detail)
		}
		switch r.Failure {
		case "":
			if !bytes.Contains(answer, []byte(" 2")) {
				t.Errorf("healthy without a status of 2xx: %q", answer)
			}
			if !bytes.Contains(answer, []byte("needle")) && !bytes.Contains(bytes.ToLower(answer), []byte("chunked")) {
				t.Errorf("healthy without the text: %q", answer)
			}
		case healthcheck.FailureStatus, healthcheck.FailureBody, healthcheck.FailureProtocol, healthcheck.FailureReset:
		default:
			t.Errorf("%v", r)
		}
	})
}

// TestRawBound: a body of tiny chunks is six times its content; what is read is
// bounded all the same.
func TestRawBound(t *testing.T) {
	answer := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1\r\nx\r\n", maxBody)
	for text, want := range map[string]healthcheck.Failure{"": "", "xx": "", "y": healthcheck.FailureBody} {
		p, err := New(Options{Type: "http", Target: netip.MustParseAddrPort("192.0.2.1:80"), HTTP: HTTP{Contains: text}})
		if err != nil {
			t.Fatal(err)
		}
		from := &counted{r: bytes.NewReader([]byte(answer)), piece: 4096}
		r := readFrom(p.(*httpProber), from)
		if r.Failure != want || from.n > maxHeader+maxRawBody {
			t.Errorf("text %q: %v, %d bytes read", text, r, from.n)
		}
	}
}

// FuzzSearch: the text is found wherever it stands, however the body is cut.
func FuzzSearch(f *testing.F) {
	f.Add([]byte("haystack with a needle"), []byte("needle"), uint16(3))
	f.Add(append(bytes.Repeat([]byte("n"), 5000), "eedle"...), []byte("needle"), uint16(4096))
	f.Add([]byte{}, []byte{}, uint16(0))
	f.Add(bytes.Repeat([]byte("ab"), maxBody), []byte("ba"), uint16(9999))
	f.Fuzz(func(t *testing.T, body, text []byte, piece uint16) {
		if len(text) > maxContains {
			return
		}
		from := &counted{r: bytes.NewReader(body), piece: int(piece) + 1}
		found, err := search(from, text)
		want := bytes.Contains(body[:min(len(body), maxBody)], text)
		if err != nil || found != want || from.n > maxBody {
			t.Errorf("found %v, want %v, error %v, %d of %d bytes read", found, want, err, from.n, len(body))
		}
	})
}

// FuzzRedirect: wherever a server redirects to, it is refused or a path of the server
// itself, which cannot end the line of a request.
func FuzzRedirect(f *testing.F) {
	for _, s := range []string{"/new?a=b", "../x", "http://www.example.net/y", "https://www.example.net/", "//other/", "http:opaque", "?q", "#f", "/a b", "/%0d%0a", "/\r\nX: y", "http://u:p@www.example.net/", "mailto:x", "\x00", ""} {
		f.Add(s)
	}
	p, err := New(Options{Type: "http", Target: netip.MustParseAddrPort("192.0.2.1:80"), HTTP: HTTP{Host: "www.example.net", Redirects: 1}})
	if err != nil {
		f.Fatal(err)
	}
	h := p.(*httpProber)
	f.Fuzz(func(t *testing.T, location string) {
		path, err := h.redirected("www.example.net", "/a/b?c", httpAnswer{ask: h.asks[0], status: 302, location: location})
		if err != nil {
			printable(t, failed(context.Background(), time.Now(), phaseHeader, err))
			return
		}
		if !strings.HasPrefix(path, "/") || !isVisible(path) {
			t.Errorf("%q leads to %q", location, path)
		}
		lines := strings.Split(string(h.asks[0].request(path)), "\r\n")
		if lines[0] != "GET "+path+" HTTP/1.1" || lines[1] != "Host: www.example.net" {
			t.Errorf("%q leads to %q", location, lines)
		}
	})
}
