package probe

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// greets says a text at once, and then waits for the prober to go.
func greets(text string) peer {
	return func(c net.Conn) { io.WriteString(c, text); hangup(c) }
}

// closes says a text at once, reads something and closes.
func closes(text string) peer {
	return func(c net.Conn) { io.WriteString(c, text); c.Read(make([]byte, 4096)); hangsUp(c) }
}

// hangsUp closes without a word, but not before it has read what there is to read:
// to leave it would make the end a reset.
func hangsUp(c net.Conn) {
	c.SetReadDeadline(time.Now().Add(timeout / 4))
	io.Copy(io.Discard, c)
}

// floods says a text again and again.
func floods(text string) peer {
	return func(c net.Conn) {
		text := []byte(strings.Repeat(text, 1+4096/len(text)))
		for {
			if _, err := c.Write(text); err != nil {
				return
			}
		}
	}
}

// slowly says a text byte by byte.
func slowly(text string) peer {
	return func(c net.Conn) {
		for i := range len(text) {
			if _, err := io.WriteString(c, text[i:i+1]); err != nil {
				return
			}
			time.Sleep(timeout / 4)
		}
		hangup(c)
	}
}

// A script answers what it hears: for each answer it reads first.
type script struct {
	banner  string
	answers []string
}

// talks answers what it hears, and then waits for the prober to go.
func talks(banner string, answers ...string) peer {
	return func(c net.Conn) { script{banner, answers}.play(c); hangup(c) }
}

func (s script) play(c net.Conn) {
	io.WriteString(c, s.banner)
	for _, answer := range s.answers {
		if _, err := c.Read(make([]byte, 4096)); err != nil {
			return
		}
		io.WriteString(c, answer)
	}
}

// datagrams answers each datagram with those that answer returns, until the test ends.
func datagrams(t testing.TB, answer func([]byte) [][]byte) netip.AddrPort {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	answering(t, c, answer)
	return c.LocalAddr().(*net.UDPAddr).AddrPort()
}

// answering is datagrams on a socket that is there.
func answering(t testing.TB, c net.PacketConn, answer func([]byte) [][]byte) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for b := make([]byte, 4096); ; {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			for _, a := range answer(bytes.Clone(b[:n])) {
				c.WriteTo(a, from)
			}
		}
	}()
	t.Cleanup(func() { c.Close(); <-done })
}

func echoes(b []byte) [][]byte { return [][]byte{b} }
func silent([]byte) [][]byte   { return nil }

// names answers a query with two records, and changes the answer as told.
func names(change func(*dnsmessage.Message)) func([]byte) [][]byte {
	return func(query []byte) [][]byte {
		var m dnsmessage.Message
		if m.Unpack(query) != nil || len(m.Questions) != 1 {
			return nil
		}
		m.Response = true
		q := m.Questions[0]
		body := map[dnsmessage.Type]dnsmessage.ResourceBody{
			dnsmessage.TypeA:  &dnsmessage.AResource{A: [4]byte{192, 0, 2, 80}},
			dnsmessage.TypeMX: &dnsmessage.MXResource{Pref: 10, MX: dnsmessage.MustNewName("Mail.Example.Net.")},
		}[q.Type]
		alias := dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class}, Body: &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName("a.example.net.")}}
		m.Answers = []dnsmessage.Resource{alias, {Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class}, Body: body}}
		change(&m)
		packed, err := m.Pack()
		if err != nil {
			panic(err)
		}
		return [][]byte{packed}
	}
}

func unchanged(*dnsmessage.Message) {}

// namesTCP is names on a connection.
func namesTCP(change func(*dnsmessage.Message)) peer {
	return func(c net.Conn) {
		b := make([]byte, 4096)
		n, err := c.Read(b)
		if err != nil || n < 2 {
			return
		}
		for _, a := range names(change)(b[2:n]) {
			c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(a))), a...))
		}
		hangup(c)
	}
}

// serving answers every call with a serving status, if the request is as it should be.
func serving(status byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		want := "\x00\x00\x00\x00\x06\x0a\x04shop"
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Trailer", "Grpc-Status, Grpc-Message")
		if r.Method != "POST" || r.URL.Path != "/grpc.health.v1.Health/Check" || r.Header.Get("Te") != "trailers" || string(body) != want {
			w.Header().Set("Grpc-Status", "3")
			w.Header().Set("Grpc-Message", fmt.Sprintf("%s %s %q", r.Method, r.URL.Path, body))
			return
		}
		w.Write([]byte{0, 0, 0, 0, 2, 8, status})
		w.Header().Set("Grpc-Status", "0")
	}
}

// refuses answers every call with a status other than 0, and no content.
func refuses(status, message string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Grpc-Status", status)
		w.Header().Set("Grpc-Message", message)
	}
}
