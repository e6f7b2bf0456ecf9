package probe

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
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
	patience = 10 * time.Second
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

// TestMatrix: what each misbehaviour of a server is reported as.
func TestMatrix(t *testing.T) {
	ca, other := newAuthority(t, "Test CA"), newAuthority(t, "Other CA")
	const hour = time.Hour
	good := says(okHeader(5) + "hello")
	want := func(s ...string) (o Options) {
		o.Type = "http"
		for _, s := range s {
			var r healthcheck.StatusRange
			if err := r.UnmarshalText([]byte(s)); err != nil {
				t.Fatal(err)
			}
			o.HTTP.Status = append(o.HTTP.Status, r)
		}
		return o
	}
	contains := func(s string) Options { return Options{Type: "http", HTTP: HTTP{Contains: s}} }
	regex := func(s string) Options { return Options{Type: "http", HTTP: HTTP{Regex: s}} }
	https := func(tls TLS) Options {
		if tls.Roots == "" {
			tls.Roots = ca.pem
		}
		return Options{Type: "https", TLS: tls}
	}
	for _, test := range []struct {
		name string
		o    Options
		peer peer
		want string
	}{
		{"tcp: healthy", Options{Type: "tcp"}, hangup, "ok: connected in T"},
		{"http: healthy", want(), good, "ok: http 200 in T"},
		{"http: no content", want(), says("HTTP/1.1 204 No Content\r\n\r\n"), "ok: http 204 in T"},
		{"http: body until close", want(), says("HTTP/1.0 200 OK\r\n\r\nhello"), "ok: http 200 in T"},
		{"http: chunked", contains("hello"), says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"), "ok: http 200 in T"},
		{"http: interim answers", want(), says("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + okHeader(0)), "ok: http 200 in T"},
		{"http: HEAD", Options{Type: "http", HTTP: HTTP{Method: "HEAD"}}, says(okHeader(1000)), "ok: http 200 in T"},
		{"http: text found", contains("ell"), good, "ok: http 200 in T"},
		{"http: text found across reads", contains("needle"), func(c net.Conn) {
			request(c)
			io.WriteString(c, okHeader(10006)+strings.Repeat("n", 4090)+"nee")
			time.Sleep(20 * time.Millisecond)
			io.WriteString(c, "dle"+strings.Repeat("n", 10006-4096))
		}, "ok: http 200 in T"},
		{"http: expression matches", regex("h.*o$"), good, "ok: http 200 in T"},
		{"http: expression does not match", regex("^H"), good, `body: http 200 without a match of "^H" in the first 256 KiB of the body`},
		{"http: endless body, hard expression", regex("(x+x+)+y"), drips("HTTP/1.1 200 OK\r\n\r\n", strings.Repeat("x", 10000), 0), `body: http 200 without a match of "(x+x+)+y" in the first 256 KiB of the body`},
		{"http: body dripping, expression matches", regex("x"), drips(okHeader(1000), "x", 50*time.Millisecond), "timeout: timeout in response body after TIMEOUT"},
		{"http: expression, closed in the body", regex("hello"), says(okHeader(9) + "hello"), "body: closed in response body"},
		{"http: text missing", contains("goodbye"), good, `body: http 200 without "goodbye" in the first 256 KiB of the body`},

		{"http: wrong status", want(), says("HTTP/1.1 503 Service Unavailable\r\n\r\n"), "status: http 503 in T, want 200-299"},
		{"http: wrong status, several wanted", want("200", "300-303"), says("HTTP/1.1 404 Not Found\r\n\r\n"), "status: http 404 in T, want 200 or 300-303"},
		{"http: wanted 503", want("503"), says("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"), "ok: http 503 in T"},
		{"http: redirect", want(), says("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n"), "status: http 302 in T, want 200-299 (redirects are not followed)"},

		{"http: silent", want(), hangup, "timeout: timeout in response header after TIMEOUT"},
		{"http: header dripping", want(), drips("HTTP/1.1 200 OK\r\nX: ", "x", 50*time.Millisecond), "timeout: timeout in response header after TIMEOUT"},
		{"http: body dripping", want(), drips(okHeader(1000), "x", 50*time.Millisecond), "timeout: timeout in response body after TIMEOUT"},
		{"http: body dripping, text seen", contains("x"), drips(okHeader(1000), "x", 50*time.Millisecond), "timeout: timeout in response body after TIMEOUT"},
		{"http: body stalls", want(), func(c net.Conn) { request(c); io.WriteString(c, okHeader(9)+"hello"); hangup(c) }, "timeout: timeout in response body after TIMEOUT"},
		{"http: interim answers without end", want(), drips("", "HTTP/1.1 100 Continue\r\n\r\n", 0), "protocol: response header of more than 64 KiB"},

		{"http: endless header line", want(), func(c net.Conn) {
			request(c)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nX: ")
			io.Copy(c, endless('x'))
		}, "protocol: response header of more than 64 KiB"},
		{"http: endless headers", want(), drips("HTTP/1.1 200 OK\r\n", strings.Repeat("X: y\r\n", 1000), 0), "protocol: response header of more than 64 KiB"},
		{"http: endless body", want(), drips("HTTP/1.1 200 OK\r\n\r\n", strings.Repeat("x", 10000), 0), "ok: http 200 in T"},
		{"http: endless body without the text", contains("y"), drips("HTTP/1.1 200 OK\r\n\r\n", strings.Repeat("x", 10000), 0), `body: http 200 without "y" in the first 256 KiB of the body`},
		{"http: endless chunked body", want(), drips("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1000\r\n"+strings.Repeat("x", 4096)+"\r\n", 0), "ok: http 200 in T"},
		{"http: endless chunk extensions", want(), drips("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1;"+strings.Repeat("x", 1000)+"\r\nx\r\n", 0), "protocol: chunked encoding contains too much non-data"},
		{"http: endless trailer", want(), drips("HTTP/1.1 200 OK\r\nTrailer: X\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "X: "+strings.Repeat("x", 1000)+"\r\n", 0), "protocol: http: suspiciously long trailer after chunked body"},
		{"http: gzip bomb", contains("zzzzzzzz"), says("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + bomb()), `body: http 200 without "zzzzzzzz" in the first 256 KiB of the body`},

		{"http: closed without a word", want(), func(c net.Conn) { request(c) }, "reset: closed in response header"},
		{"http: closed in the header", want(), says("HTTP/1.1 200 OK\r\nX: "), "reset: closed in response header"},
		{"http: closed in the body", want(), says(okHeader(9) + "hello"), "body: closed in response body"},
		{"http: reset", want(), func(c net.Conn) { request(c); c.(*net.TCPConn).SetLinger(0) }, "reset: connection reset in response header"},
		{"http: not http", want(), says("SSH-2.0-OpenSSH_9.2\r\n\x1b[2J"), `protocol: malformed HTTP response "SSH-2.0-OpenSSH_9.2"`},
		{"http: bad length", want(), says("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"), `protocol: bad Content-Length "-1"`},
		{"http: two lengths", want(), says("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"), `protocol: http: message cannot contain multiple Content-Length headers; got ["1" "2"]`},
		{"http: an https server", want(), says("\x15\x03\x01\x00\x02\x02\x46"), `protocol: malformed HTTP response "\x15\x03\x01\x00\x02\x02F"`},

		{"https: healthy", https(TLS{}), ca.serves(t, good, -hour, hour, nil), "ok: http 200 in T"},
		{"https: TLS 1.2", https(TLS{}), ca.serves(t, good, -hour, hour, func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }), "ok: http 200 in T"},
		{"https: right name", https(TLS{ServerName: "www.example.net"}), ca.serves(t, good, -hour, hour, nil), "ok: http 200 in T"},
		{"https: wrong name", https(TLS{ServerName: "www.example.org"}), ca.serves(t, good, -hour, hour, nil), "tls: certificate is not for www.example.org but for www.example.net, 127.0.0.1"},
		{"https: expired", https(TLS{}), ca.serves(t, good, -2*hour, -48*hour, nil), "tls: certificate expired on " + day(-48*hour)},
		{"https: not yet valid", https(TLS{}), ca.serves(t, good, 48*hour, 72*hour, nil), "tls: certificate is not valid before " + day(48*hour)},
		{"https: untrusted", https(TLS{}), other.serves(t, good, -hour, hour, nil), "tls: certificate is signed by an authority that is not trusted: CN=Other CA"},
		{"https: expired, wrong and untrusted, but insecure", https(TLS{Insecure: true, ServerName: "x"}), other.serves(t, good, -2*hour, -hour, nil), "ok: http 200 in T"},
		{"https: wrong status", https(TLS{}), ca.serves(t, says("HTTP/1.1 500 Oops\r\n\r\n"), -hour, hour, nil), "status: http 500 in T, want 200-299"},
		{"https: an http server", https(TLS{}), func(c net.Conn) { c.Read(make([]byte, 1)); io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n") }, "tls: the server does not speak TLS"},
		{"https: wants a certificate", https(TLS{}), ca.serves(t, good, -hour, hour, func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert }), "tls: the server refused the handshake: certificate required"},
		{"https: only TLS 1.1", https(TLS{}), ca.serves(t, good, -hour, hour, func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }), "tls: the server refused the handshake: protocol version not supported"},
		{"https: silent in the handshake", https(TLS{}), hangup, "timeout: timeout in tls handshake after TIMEOUT"},
		{"https: dripping in the handshake", https(TLS{}), func(c net.Conn) {
			c.Read(make([]byte, 1))
			_, err := c.Write([]byte{22, 3, 3, 0x40, 0})
			for ; err == nil; time.Sleep(50 * time.Millisecond) {
				_, err = c.Write([]byte{2})
			}
		}, "timeout: timeout in tls handshake after TIMEOUT"},
		{"https: closed in the handshake", https(TLS{}), func(c net.Conn) { c.Read(make([]byte, 1<<16)) }, "reset: closed in tls handshake"},
		{"https: silent afterwards", https(TLS{}), ca.serves(t, hangup, -hour, hour, nil), "timeout: timeout in response header after TIMEOUT"},
		{"https: body dripping", https(TLS{}), ca.serves(t, drips(okHeader(1000), "x", 50*time.Millisecond), -hour, hour, nil), "timeout: timeout in response body after TIMEOUT"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.o.Target = test.peer.listen(t, "127.0.0.1:0")
			limit := patience
			if strings.HasPrefix(test.want, "timeout") {
				limit = timeout
			}
			if got := steady(runFor(t, test.o, limit)); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func day(d time.Duration) string { return time.Now().Add(d).UTC().Format("2006-01-02") }

// bomb is 10 kB that inflate to 10 MB.
func bomb() string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	io.CopyN(z, endless('z'), 10<<20)
	z.Close()
	return b.String()
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

func TestDefaultNames(t *testing.T) {
	var got strings.Builder
	for _, line := range []string{"http 10.0.0.1:80", "http 10.0.0.1:443", "https 10.0.0.1:443", "http [fd00::1%eth0]:80", "https [fe80::1%eth0]:8443", "http [::ffff:10.0.0.1]:8080"} {
		typ, target, _ := strings.Cut(line, " ")
		o := Options{Type: healthcheck.Type(typ), Target: netip.MustParseAddrPort(target)}.normal()
		fmt.Fprintf(&got, "%s: Host: %s, name %s\n", line, o.HTTP.Host, hostOnly(o.HTTP.Host))
	}
	want := `http 10.0.0.1:80: Host: 10.0.0.1, name 10.0.0.1
http 10.0.0.1:443: Host: 10.0.0.1:443, name 10.0.0.1
https 10.0.0.1:443: Host: 10.0.0.1, name 10.0.0.1
http [fd00::1%eth0]:80: Host: [fd00::1], name fd00::1
https [fe80::1%eth0]:8443: Host: [fe80::1]:8443, name fe80::1
http [::ffff:10.0.0.1]:8080: Host: 10.0.0.1:8080, name 10.0.0.1
`
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestBadOptions(t *testing.T) {
	good := Options{Type: "https", Target: netip.MustParseAddrPort("10.0.0.1:80")}
	if _, err := New(good); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Options){
		fmt.Sprintf(`check type "gopher" cannot be run: this build has %v`, Types()): func(o *Options) { o.Type = "gopher" },
		`cannot probe the address invalid IP`:                                        func(o *Options) { o.Target = netip.AddrPort{} },
		`cannot probe the address 0.0.0.0`:                                           func(o *Options) { o.Target = netip.MustParseAddrPort("0.0.0.0:80") },
		`cannot probe 10.0.0.1: no port`:                                             func(o *Options) { o.Target = netip.MustParseAddrPort("10.0.0.1:0") },
		`source fd00::1 and target 10.0.0.1 are of different families`:               func(o *Options) { o.Dial.Source = netip.MustParseAddr("fd00::1") },
		`server fd00::1 and virtual address 10.0.0.1 are of different families`:      func(o *Options) { o.Dial.Through = netip.MustParseAddr("fd00::1") },
		`interface name "an-interface-name" is longer than 15 bytes`:                 func(o *Options) { o.Dial.Interface = "an-interface-name" },
		`bad http method "GET /"`:                                                    func(o *Options) { o.HTTP.Method = "GET /" },
		`bad http method "CONNECT"`:                                                  func(o *Options) { o.HTTP.Method = "CONNECT" },
		`bad http path "healthz": want /… without spaces`:                            func(o *Options) { o.HTTP.Path = "healthz" },
		`bad http path "/ HTTP/1.1\r\nX: y": want /… without spaces`:                 func(o *Options) { o.HTTP.Path = "/ HTTP/1.1\r\nX: y" },
		`bad http host "a\r\nb"`:                                                     func(o *Options) { o.HTTP.Host = "a\r\nb" },
		`bad http host "http://a/"`:                                                  func(o *Options) { o.HTTP.Host = "http://a/" },
		`the text looked for has 1025 bytes, at most 1024`:                           func(o *Options) { o.HTTP.Contains = strings.Repeat("x", 1025) },
		`an answer to HEAD has no body to contain a text`:                            func(o *Options) { o.HTTP = HTTP{Method: "HEAD", Contains: "x"} },
		`a body is searched for a text, matched or summed up, not several of them`:   func(o *Options) { o.HTTP.Contains, o.HTTP.Regex = "x", "y" },
		`"abc" is no SHA-256 in hexadecimal`:                                         func(o *Options) { o.HTTP.Digest = "abc" },
		`a request of method GET has no body`:                                        func(o *Options) { o.HTTP.Body = "x" },
		`a redirect of method POST is not followed`:                                  func(o *Options) { o.HTTP.Method, o.HTTP.Redirects = "POST", 1 },
		`bad http method "A B"`:                                                      func(o *Options) { o.Requests = []HTTP{{}, {Method: "A B"}} },
		"error parsing regexp: missing closing ): `(`":                               func(o *Options) { o.HTTP.Regex = "(" },
		`bad http header "X Y"`:                                                      func(o *Options) { o.HTTP.Headers = []Header{{"X Y", "z"}} },
		`bad http header "X"`:                                                        func(o *Options) { o.HTTP.Headers = []Header{{"X", "a\r\nb"}} },
		`http header Host is not for a check to set`:                                 func(o *Options) { o.HTTP.Headers = []Header{{"host", "z"}} },
		`a user name of http basic authentication has no colon`:                      func(o *Options) { o.Login.User = "a:b" },
		`client certificate: tls: failed to find any PEM data in certificate input`:  func(o *Options) { o.TLS.Key = "x" },
		`unknown dns type "X"`:                                                       func(o *Options) { o.Type, o.DNS = "dns", DNS{Name: "x", Type: "X"} },
		`unknown dns rcode "X"`:                                                      func(o *Options) { o.Type, o.DNS = "dns", DNS{Name: "x", RCode: "X"} },
		`packing Question: Name: segment length too long`:                            func(o *Options) { o.Type, o.DNS.Name = "dns", strings.Repeat("x", 64) },
		`a reply cannot be expected and not be required`:                             func(o *Options) { o.Type, o.Exchange = "udp", Exchange{Expect: "x", NoReply: true} },
		`the name for ehlo has characters that a name has not`:                       func(o *Options) { o.Type, o.SMTP.Hello = "smtp", "a\r\nb" },
		`a user name, password or database has no NUL and at most 1024 bytes`:        func(o *Options) { o.Type, o.Login.User = "postgresql", "a\x00b" },
		`a user name or password has characters that cannot be said in the protocol`: func(o *Options) { o.Type, o.Login = "imap", Login{User: "x", Password: "y\r\nz"} },
		`bad sip host "a;b"`:                                                         func(o *Options) { o.Type, o.SIP.Host = "sip", "a;b" },
		`radius needs the secret that is shared with the server`:                     func(o *Options) { o.Type = "radius" },
		`a secret, name or password of radius has more than 128 bytes`:               func(o *Options) { o.Type, o.RADIUS.Secret = "radius", strings.Repeat("x", 129) },
		`a password without a name`:                                                  func(o *Options) { o.Type, o.RADIUS.Secret, o.Login.Password = "radius", "x", "y" },
		`a name or password of ldap has more than 1024 bytes`:                        func(o *Options) { o.Type, o.LDAP.Base = "ldap", strings.Repeat("x", 1025) },
		`a bind with a name and no password proves nothing`:                          func(o *Options) { o.Type, o.Login.User = "ldap", "cn=x" },
		`bad host "a b"`: func(o *Options) { o.Type, o.HTTP.Host = "grpc", "a b" },
		`the name of the grpc service has 128 bytes, at most 127`: func(o *Options) { o.Type, o.GRPC.Service = "grpc", strings.Repeat("x", 128) },
		`script ["true"]: want an absolute path and arguments`:    func(o *Options) { o.Type, o.Script.Command = "script", []string{"true"} },
		`user: unknown user no-such-user`: func(o *Options) {
			o.Type, o.Script = "script", Script{Command: []string{"/bin/true"}, User: "no-such-user"}
		},
		`file "state" is not an absolute path`:              func(o *Options) { o.Type, o.File = "file", "state" },
		`no certificate in the PEM text of the authorities`: func(o *Options) { o.TLS.Roots = "x" },
	} {
		o := good
		change(&o)
		if _, err := New(o); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

// TestKey: options that mean the same share a probe, others do not.
func TestKey(t *testing.T) {
	base := Options{Type: "http", Target: netip.MustParseAddrPort("10.0.0.1:80")}
	equal := []func(*Options){
		func(o *Options) { o.HTTP.Path = "/" },
		func(o *Options) { o.HTTP.Method = "GET" },
		func(o *Options) { o.HTTP.Host = "10.0.0.1" },
		func(o *Options) { o.HTTP.Status = []healthcheck.StatusRange{{First: 200, Last: 299}} },
		func(o *Options) { o.TLS.Insecure = true },
		func(o *Options) { o.DNS.Name, o.File, o.StartTLS, o.Exchange.Send = "x", "/x", true, "x" },
		func(o *Options) { o.Target = netip.MustParseAddrPort("[::ffff:10.0.0.1]:80") },
	}
	other := []func(*Options){
		func(o *Options) { o.Type = "tcp" },
		func(o *Options) { o.Type = "https" },
		func(o *Options) { o.Type, o.TLS.Insecure = "https", true },
		func(o *Options) { o.Type, o.TLS.Roots = "https", "a" },
		func(o *Options) { o.Type, o.TLS.Roots = "https", "b" },
		func(o *Options) { o.Type, o.TLS.ServerName = "https", "b" },
		func(o *Options) { o.Target = netip.MustParseAddrPort("10.0.0.1:81") },
		func(o *Options) { o.HTTP.Path = "/x" },
		func(o *Options) { o.HTTP.Host = "x" },
		func(o *Options) { o.HTTP.Method = "HEAD" },
		func(o *Options) { o.HTTP.Contains = "x" },
		func(o *Options) { o.HTTP.Status = []healthcheck.StatusRange{{First: 200, Last: 399}} },
		func(o *Options) { o.HTTP.Regex = "x" },
		func(o *Options) { o.HTTP.Digest = "x" },
		func(o *Options) { o.HTTP.Body = "x" },
		func(o *Options) { o.HTTP.HTTP2 = true },
		func(o *Options) { o.HTTP.Redirects = 1 },
		func(o *Options) { o.Requests = []HTTP{{Path: "/a"}} },
		func(o *Options) { o.Requests = []HTTP{{Path: "/a"}, {Path: "/b"}} },
		func(o *Options) { o.Type, o.Script = "script", Script{Command: []string{"/x"}, Dynamic: true} },
		func(o *Options) { o.HTTP.Headers = []Header{{"X", "y"}} },
		func(o *Options) { o.HTTP.Headers = []Header{{"X", "z"}} },
		func(o *Options) { o.Login.Password = "x" },
		func(o *Options) { o.Login.Password = "y" },
		func(o *Options) { o.Type, o.TLS.Key = "https", "x" },
		func(o *Options) { o.Type, o.TLS.MinDays = "https", 1 },
		func(o *Options) { o.Type = "smtp" },
		func(o *Options) { o.Type, o.TLS.Enabled = "smtp", true },
		func(o *Options) { o.Type, o.StartTLS = "smtp", true },
		func(o *Options) { o.Type, o.DNS.Name = "dns", "x" },
		func(o *Options) { o.Type, o.DNS.Name, o.DNS.TCP = "dns", "x", true },
		func(o *Options) { o.Type, o.Exchange.Send = "udp", "x" },
		func(o *Options) { o.Type, o.Exchange = "udp", Exchange{Send: "x", NoReply: true} },
		func(o *Options) { o.Type, o.Script.Command = "script", []string{"/x"} },
		func(o *Options) { o.Type, o.File = "file", "/x" },
		func(o *Options) { o.Type = "imap" },
		func(o *Options) { o.Type, o.StartTLS = "imap", true },
		func(o *Options) { o.Type, o.LDAP.Base = "ldap", "x" },
		func(o *Options) { o.Type, o.SIP.TCP = "sip", true },
		func(o *Options) { o.Type, o.SIP.Host = "sip", "x" },
		func(o *Options) { o.Type, o.RADIUS.Secret = "radius", "x" },
		func(o *Options) { o.Type, o.RADIUS.Secret = "radius", "y" },
		func(o *Options) { o.Type, o.GRPC.Service = "grpc", "x" },
		func(o *Options) { o.Dial.Mark = 1 },
		func(o *Options) { o.Dial.Through = netip.MustParseAddr("10.0.0.9") },
		func(o *Options) { o.Dial.Interface = "x" },
		func(o *Options) { o.Dial.Source = netip.MustParseAddr("10.0.0.9") },
	}
	for i, change := range equal {
		o := base
		change(&o)
		if o.Key() != base.Key() {
			t.Errorf("equal %d: %s and %s", i, o.Key(), base.Key())
		}
	}
	seen := map[string]int{base.Key(): -1}
	for i, change := range other {
		o := base
		change(&o)
		if k, double := seen[o.Key()]; double {
			t.Errorf("other %d and %d: %s", i, k, o.Key())
		}
		seen[o.Key()] = i
	}
}
