package probe

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/lbha/lbha/healthcheck"
)

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
