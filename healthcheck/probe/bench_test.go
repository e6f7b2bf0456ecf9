package probe

import (
	"context"
	"crypto/tls"
	"net"
	"testing"
	"time"
)

// benchmark runs one prober again and again, each time with a deadline of its own.
// The server is in the same process: its share is in the figures, too.
func benchmark(b *testing.B, o Options, p peer) {
	o.Target = p.listen(b, "127.0.0.1:0")
	prober, err := New(o)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		if r := prober.Probe(ctx); !r.OK() {
			b.Fatal(r)
		}
		cancel()
	}
}

// answers is a quick server: it allocates nothing for a request.
func answers(b *testing.B) peer {
	answer := []byte(okHeader(5) + "hello")
	return func(c net.Conn) {
		var buf [1024]byte
		c.Read(buf[:])
		c.Write(answer)
	}
}

func BenchmarkTCP(b *testing.B) { benchmark(b, Options{Type: "tcp"}, func(net.Conn) {}) }

func BenchmarkHTTP(b *testing.B) { benchmark(b, Options{Type: "http"}, answers(b)) }

func BenchmarkHTTPS(b *testing.B) {
	ca := newAuthority(b, "Test CA")
	config := func(c *tls.Config) { c.SessionTicketsDisabled = true }
	benchmark(b, Options{Type: "https", TLS: TLS{Roots: ca.pem}}, ca.serves(b, answers(b), -time.Hour, time.Hour, config))
}

// BenchmarkNetDialer is what BenchmarkTCP would be with the standard library.
func BenchmarkNetDialer(b *testing.B) {
	target := peer(func(net.Conn) {}).listen(b, "127.0.0.1:0").String()
	b.ReportAllocs()
	for b.Loop() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		d := net.Dialer{KeepAlive: -1}
		c, err := d.DialContext(ctx, "tcp", target)
		if err != nil {
			b.Fatal(err)
		}
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
		cancel()
	}
}
