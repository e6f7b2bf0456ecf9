package probe

import (
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

// web are the situations of HTTP beyond one request in HTTP/1.1, which [TestMatrix] has.
func (s *situations) web() {
	web := func(probe, name string, target netip.AddrPort, h HTTP, more ...HTTP) {
		o := Options{Type: "http", Target: target, HTTP: h}
		if len(more) > 0 {
			o.HTTP, o.Requests = HTTP{}, append([]HTTP{h}, more...)
		}
		if strings.HasPrefix(probe, "https") {
			o.Type, o.TLS = "https", TLS{Roots: s.ca.pem}
		}
		s.at(probe, name, o)
	}
	at := func(p peer) netip.AddrPort { return p.listen(s.t, "127.0.0.1:0") }

	site := http.NewServeMux()
	site.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s %s %s", r.Proto, r.Method, r.Host, r.URL, body)
	})
	site.HandleFunc("/busy", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(503) })
	site.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/new?a=b", 302) })
	site.HandleFunc("/moved/twice", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "../moved", 301) })
	site.HandleFunc("/round", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "http://"+r.Host+"/round", 307) })
	site.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "http://127.0.0.1:1/", 302) })
	site.HandleFunc("/secure", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "https://"+r.Host+"/", 302) })
	site.HandleFunc("/hangs", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	site.HandleFunc("/endless", func(w http.ResponseWriter, r *http.Request) { io.Copy(w, endless('x')) })
	site.HandleFunc("/tiny", func(w http.ResponseWriter, r *http.Request) {
		for _, err := w.Write([]byte("x")); err == nil; _, err = w.Write([]byte("x")) {
			w.(http.Flusher).Flush()
		}
	})
	old := httpServer(s.t, nil, false, site)
	const sum = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881" // of "x"
	if fmt.Sprintf("%x", sha256.Sum256([]byte("x"))) != sum {
		s.t.Fatal(sum)
	}

	web("http", "digest", at(says(okHeader(1)+"x")), HTTP{Digest: sum})
	web("http", "another digest", at(says(okHeader(1)+"y")), HTTP{Digest: sum})
	web("http", "digest, body too long", old, HTTP{Path: "/endless", Digest: sum})
	web("http", "digest, closed early", at(says(okHeader(2)+"x")), HTTP{Digest: sum})
	web("http", "redirect", old, HTTP{Path: "/moved"})
	web("http", "redirect followed", old, HTTP{Path: "/moved", Redirects: 1, Contains: "/new?a=b"})
	web("http", "redirects followed", old, HTTP{Path: "/moved/twice", Redirects: 2, Contains: "/new?a=b"})
	web("http", "too many redirects", old, HTTP{Path: "/moved/twice", Redirects: 1})
	web("http", "redirects in a circle", old, HTTP{Path: "/round", Redirects: 10})
	web("http", "redirect elsewhere", old, HTTP{Path: "/away", Redirects: 10})
	web("http", "redirect to https", old, HTTP{Host: "www.example.net", Path: "/secure", Redirects: 10})
	web("http", "redirect to an ill one", at(says("HTTP/1.1 302 x\r\nLocation: /\x00\r\n\r\n")), HTTP{Redirects: 1})
	web("http", "body of ours", old, HTTP{Method: "POST", Body: "a=b\x01", Contains: "POST 127.0.0.1"})
	web("http", "several requests", old, HTTP{Path: "/a", Contains: "/a"}, HTTP{Path: "/b", Contains: "/b"}, HTTP{Method: "HEAD", Path: "/c"})
	web("http", "several, one ill", old, HTTP{Path: "/a"}, HTTP{Path: "/busy"}, HTTP{Path: "/hangs"})
	web("http", "several, one hangs", old, HTTP{Path: "/a"}, HTTP{Path: "/hangs"}, HTTP{Path: "/busy"})

	h2 := HTTP{HTTP2: true, Host: "www.example.net", Contains: "HTTP/2.0 GET www.example.net /a%2f?b"}
	h2.Path = "/a%2f?b"
	clear, secure := httpServer(s.t, nil, true, site), httpServer(s.t, s.ca.config(s.t, "h2"), true, site)
	web("http/2", "healthy", clear, h2)
	web("https/2", "healthy", secure, h2)
	web("https/2", "only http/1", httpServer(s.t, s.ca.config(s.t, "http/1.1"), false, site), h2)
	web("https/2", "without a word on it", at(s.ca.serves(s.t, hangup, -1e12, 1e12, nil)), h2)
	web("http/2", "only http/1", old, h2)
	web("http/2", "wrong status", clear, HTTP{HTTP2: true, Path: "/busy"})
	web("http/2", "text missing", clear, HTTP{HTTP2: true, Contains: "absent"})
	web("http/2", "redirect followed", clear, HTTP{HTTP2: true, Path: "/moved", Redirects: 1, Contains: "/new?a=b"})
	web("http/2", "body of ours", clear, HTTP{HTTP2: true, Method: "POST", Body: "a=b", Contains: " a=b"})
	web("http/2", "hangs", clear, HTTP{HTTP2: true, Path: "/hangs"})
	web("http/2", "endless body", clear, HTTP{HTTP2: true, Path: "/endless"})
	web("http/2", "endless body, no text", clear, HTTP{HTTP2: true, Path: "/endless", Contains: "y"})
	web("http/2", "endless tiny frames", clear, HTTP{HTTP2: true, Path: "/tiny"})
	web("http/2", "refused", s.gone, h2)
	web("http/2", "black-holed", s.hole, h2)
	web("http/2", "silent", at(hangup), h2)
	web("http/2", "closed at once", at(hangsUp), h2)
	web("http/2", "flood of zeros", at(floods("\x00")), h2)
	web("http/2", "flood of frames", at(floods("\x00\x00\x00\x04\x00\x00\x00\x00\x00")), h2)
	web("http/2", "one byte at a time", at(slowly(strings.Repeat("\x00\x00\x00\x04\x00\x00\x00\x00\x00", 9))), h2)
}

// httpServer serves over HTTP/1.1 or HTTP/2, in the clear or in TLS.
func httpServer(t testing.TB, config *tls.Config, two bool, handler http.Handler) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: handler, TLSConfig: config, Protocols: new(http.Protocols)}
	s.Protocols.SetHTTP1(!two)
	s.Protocols.SetHTTP2(two)
	s.Protocols.SetUnencryptedHTTP2(two)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if config != nil {
			s.ServeTLS(l, "", "")
			return
		}
		s.Serve(l)
	}()
	t.Cleanup(func() { s.Close(); <-done })
	return l.Addr().(*net.TCPAddr).AddrPort()
}
