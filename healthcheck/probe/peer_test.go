package probe

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	mrand "math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/healthcheck"
)

// sample are the least options that a probe of the type needs, its target apart.
func sample(typ healthcheck.Type) Options {
	o := Options{Type: typ}
	switch typ {
	case "dns":
		o.DNS.Name = "www.example.net"
	case "radius":
		o.RADIUS.Secret = radiusSecret
	case "script":
		o.Script.Command = []string{"/bin/true"}
	case "file":
		o.File = "/"
	}
	return o
}

// A peer is what a server does with a connection that it accepted.
type peer func(c net.Conn)

// listen serves each connection with the peer until the test ends, and then ends
// the connections too.
func (p peer) listen(t testing.TB, address string) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	open := make(chan net.Conn, 100)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			open <- c
			go func() { defer func() { c.Close(); <-open }(); p(c) }()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
		for deadline := time.Now().Add(5 * time.Second); len(open) > 0; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Errorf("%d connections of the server still open", len(open))
				return
			}
		}
	})
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// request reads a request up to the empty line that ends it.
func request(c net.Conn) string {
	var got []byte
	one := make([]byte, 1)
	for !strings.HasSuffix(string(got), "\r\n\r\n") {
		if _, err := c.Read(one); err != nil {
			return ""
		}
		got = append(got, one[0])
	}
	return string(got)
}

// hangup waits until the prober goes away.
func hangup(c net.Conn) { io.Copy(io.Discard, c) }

// says answers a request with a text and closes.
func says(answer string) peer {
	return func(c net.Conn) { request(c); io.WriteString(c, answer) }
}

// drips answers with a text, then the drop again and again.
func drips(first, drop string, every time.Duration) peer {
	return func(c net.Conn) {
		request(c)
		_, err := io.WriteString(c, first)
		for err == nil {
			time.Sleep(every)
			_, err = io.WriteString(c, drop)
		}
	}
}

// An authority signs certificates for tests.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  string
}

func newAuthority(t testing.TB, name string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert, key, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))}
}

// sign makes a certificate for www.example.net and 127.0.0.1 that is valid in the
// given span around now.
func (a *authority) sign(t testing.TB, from, to time.Duration) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: []string{"www.example.net"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(from), NotAfter: time.Now().Add(to),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// serves wraps a peer in TLS.
func (a *authority) serves(t testing.TB, p peer, from, to time.Duration, change func(*tls.Config)) peer {
	t.Helper()
	config := &tls.Config{Certificates: []tls.Certificate{a.sign(t, from, to)}}
	if change != nil {
		change(config)
	}
	return func(c net.Conn) {
		secure := tls.Server(c, config)
		if secure.Handshake() == nil {
			p(secure)
		}
		hangup(c)
	}
}

// config is that of a server which speaks the protocols.
func (a *authority) config(t testing.TB, protocols ...string) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{a.sign(t, -time.Hour, time.Hour)}, NextProtos: protocols}
}

// client makes a certificate for a client, in PEM.
func (a *authority) client(t testing.TB) (cert, key string) {
	t.Helper()
	pair := a.sign(t, -time.Hour, time.Hour)
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	cert = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}))
	return cert, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// endless is an endless stream of one byte.
type endless byte

func (e endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(e)
	}
	return len(b), nil
}

// okHeader is a healthy answer with n bytes of body announced.
func okHeader(n int) string { return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", n) }

// blackHole is an address that answers nothing: a listener whose backlog is full.
func blackHole(t testing.TB) netip.AddrPort {
	t.Helper()
	fd, target := bound(t)
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	filler, err := net.Dial("tcp", target.String()) // a backlog of 0 holds one
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { filler.Close() })
	return target
}

// nobody is an address on which nobody listens while the test runs: its port is taken
// by a socket that does not.
func nobody(t testing.TB) netip.AddrPort {
	t.Helper()
	_, at := bound(t)
	return at
}

// bound is a socket that has a port of its own until the test ends, and does not listen.
func bound(t testing.TB) (fd int, at netip.AddrPort) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fd, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(name.(*unix.SockaddrInet4).Port))
}

// free is an address for a program to listen on. Its port is below those that the kernel gives to connections, one of which
// might have it before the program does.
func free(t testing.TB) netip.AddrPort {
	t.Helper()
	for range 100 {
		at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(12000+mrand.IntN(20000)))
		if l, err := net.Listen("tcp", at.String()); err == nil {
			l.Close()
			return at
		}
	}
	t.Fatal("no port is free")
	return netip.AddrPort{}
}
