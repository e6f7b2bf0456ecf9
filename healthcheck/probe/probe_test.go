package probe

import (
	"context"
	"io"
	"net"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/healthcheck"
)

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		os.Exit(withoutDescriptors())
	}
	goleak.VerifyTestMain(m)
}

// timeout is the one of the tests' probes, slack what a busy machine may add, and
// patience the timeout of those that must not run into it.
const (
	timeout  = 500 * time.Millisecond
	slack    = 20 * time.Second
	patience = 30 * time.Second
)

// run makes a prober and runs it once, as a Checker would.
func run(t testing.TB, o Options) healthcheck.Result {
	t.Helper()
	return runFor(t, o, timeout)
}

// runFor runs it by a Poller as well, if that can: nobody may see a difference.
func runFor(t testing.TB, o Options, timeout time.Duration) healthcheck.Result {
	t.Helper()
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	r := probeFor(t, p, timeout)
	if again, ok := poll(t, p, timeout); ok && steady(again) != steady(r) {
		t.Errorf("by a Poller: %s, else %s", steady(again), steady(r))
	}
	return r
}

func probeFor(t testing.TB, p healthcheck.Prober, timeout time.Duration) healthcheck.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	start := time.Now()
	r := p.Probe(ctx)
	if took := time.Since(start); took > timeout+slack {
		t.Errorf("the probe took %v with a timeout of %v", took, timeout)
	}
	return r
}

var durations = regexp.MustCompile(`\b[0-9.]+(µs|ms|s)\b`)

// steady writes T for the durations in a result, and TIMEOUT where a timeout is about
// as long as it was to be.
func steady(r healthcheck.Result) string {
	text := r.String()
	if !r.Weight.IsZero() {
		text += " (weight " + r.Weight.String() + ")"
	}
	return durations.ReplaceAllStringFunc(text, func(s string) string {
		if d, err := time.ParseDuration(s); err == nil && r.Failure == healthcheck.FailureTimeout && d >= timeout*2/3 && d < timeout+slack {
			return "TIMEOUT"
		}
		return "T"
	})
}

func TestRefused(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		target := l.Addr().(*net.TCPAddr).AddrPort()
		l.Close()
		for _, typ := range Types() {
			o := sample(typ)
			if o.Target = target; o.socketKind() == unix.SOCK_RAW || typ == "script" || typ == "file" {
				continue // no port
			}
			if got := run(t, o).String(); got != "refused: connection refused" {
				t.Errorf("%s %v: %s", typ, target, got)
			}
		}
	}
}

// TestFullBacklog: a server that accepts no more. The kernel drops the SYN.
func TestFullBacklog(t *testing.T) {
	target := blackHole(t)
	for _, typ := range []healthcheck.Type{"tcp", "http", "https"} { // TestSituations has the others
		o := sample(typ)
		o.Target = target
		if got := steady(run(t, o)); got != "timeout: timeout in connect after TIMEOUT" {
			t.Errorf("%s: %s", typ, got)
		}
	}
}

// TestCanceled: a probe that is given up returns at once, in each phase.
func TestCanceled(t *testing.T) {
	target := peer(hangup).listen(t, "127.0.0.1:0")
	for typ, want := range map[healthcheck.Type]string{
		"http":  "canceled: canceled in response header",
		"https": "canceled: canceled in tls handshake",
	} {
		p, err := New(Options{Type: typ, Target: target})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		time.AfterFunc(50*time.Millisecond, cancel)
		start := time.Now()
		if got := p.Probe(ctx).String(); got != want {
			t.Errorf("%s: %s, want %s", typ, got, want)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s: returned after %v", typ, took)
		}
	}
}

// TestRequest shows what a server gets to see.
func TestRequest(t *testing.T) {
	seen := make(chan string, 1)
	target := peer(func(c net.Conn) {
		seen <- request(c)
		io.WriteString(c, okHeader(0))
	}).listen(t, "127.0.0.1:0")
	for want, o := range map[string]Options{
		`GET /healthz?deep=1 HTTP/1.1
Host: www.example.net
Accept: */*
Accept-Encoding: identity
Connection: close
User-Agent: lbha

`: {HTTP: HTTP{Path: "/healthz?deep=1", Host: "www.example.net"}},
		`POST / HTTP/1.1
Host: www.example.net
Accept: */*
Accept-Encoding: identity
Authorization: Basic YWxpY2U6c2VjcmV0
Connection: close
Content-Length: 0
User-Agent: other
X-Check: a b

`: {
			HTTP:  HTTP{Method: "POST", Host: "www.example.net", Headers: []Header{{"x-check", "a b"}, {"User-Agent", "other"}}},
			Login: Login{User: "alice", Password: "secret"},
		},
	} {
		o.Type, o.Target = "http", target
		p, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		probeFor(t, p, timeout)
		if diff := cmp.Diff(want, strings.ReplaceAll(<-seen, "\r\n", "\n")); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
}
