package probe

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/lbha/lbha/healthcheck"
)

// dns is a name server, by TCP and by UDP.
func (s *situations) dns() {
	dns := func(d DNS) Options {
		d.Name = "www.example.net"
		return Options{Type: "dns", DNS: d}
	}
	s.common("dns tcp", dns(DNS{TCP: true}), "\x00\x20\x00\x00", namesTCP(unchanged))
	s.add("dns tcp", "wrong id", dns(DNS{TCP: true}), namesTCP(func(m *dnsmessage.Message) { m.ID++ }))
	s.addAt("dns udp", "healthy", dns(DNS{}), datagrams(s.t, names(unchanged)))
	s.addAt("dns udp", "right answer", dns(DNS{Answer: "192.0.2.80"}), datagrams(s.t, names(unchanged)))
	s.addAt("dns udp", "right answer, mx", dns(DNS{Type: "MX", Answer: "10 mail.example.net"}), datagrams(s.t, names(unchanged)))
	s.addAt("dns udp", "refused", dns(DNS{}), s.gone)
	s.addAt("dns udp", "silent", dns(DNS{}), datagrams(s.t, silent))
	s.addAt("dns udp", "wrong answer", dns(DNS{Answer: "192.0.2.81"}), datagrams(s.t, names(unchanged)))
	s.addAt("dns udp", "truncated", dns(DNS{Answer: "192.0.2.81"}), datagrams(s.t, names(func(m *dnsmessage.Message) { m.Truncated, m.Answers = true, nil })))
	s.addAt("dns udp", "servfail", dns(DNS{}), datagrams(s.t, names(func(m *dnsmessage.Message) { m.RCode, m.Answers = dnsmessage.RCodeServerFailure, nil })))
	s.addAt("dns udp", "nxdomain wanted", dns(DNS{RCode: "NXDOMAIN"}), datagrams(s.t, names(func(m *dnsmessage.Message) { m.RCode, m.Answers = dnsmessage.RCodeNameError, nil })))
	s.addAt("dns udp", "another id", dns(DNS{}), datagrams(s.t, names(func(m *dnsmessage.Message) { m.ID++ })))
	s.addAt("dns udp", "another name", dns(DNS{}), datagrams(s.t, names(func(m *dnsmessage.Message) { m.Questions[0].Name = dnsmessage.MustNewName("x.") })))
	s.addAt("dns udp", "echo of the query", dns(DNS{}), datagrams(s.t, echoes))
	s.addAt("dns udp", "flood", dns(DNS{}), datagrams(s.t, func([]byte) [][]byte { return make([][]byte, 2*maxStrays) }))
	s.addAt("dns udp", "cut off", dns(DNS{}), datagrams(s.t, func(b []byte) [][]byte { a := names(unchanged)(b)[0]; return [][]byte{a[:len(a)-3]} }))
}

// udp is any server of datagrams.
func (s *situations) udp() {
	udp := func(e Exchange) Options { e.Send = "ping"; return Options{Type: "udp", Exchange: e} }
	s.addAt("udp", "healthy", udp(Exchange{Expect: "in"}), datagrams(s.t, echoes))
	s.addAt("udp", "any answer, empty", udp(Exchange{}), datagrams(s.t, func([]byte) [][]byte { return make([][]byte, 1) }))
	s.addAt("udp", "wrong answer", udp(Exchange{Expect: "pong"}), datagrams(s.t, echoes))
	s.addAt("udp", "refused", udp(Exchange{}), s.gone)
	s.addAt("udp", "silent", udp(Exchange{}), datagrams(s.t, silent))
	s.addAt("udp", "silent and well", udp(Exchange{NoReply: true}), datagrams(s.t, silent))
	s.addAt("udp", "refused, no reply", udp(Exchange{NoReply: true}), s.gone)
}

// ldap is a directory.
func (s *situations) ldap() {
	s.common("ldap", Options{Type: "ldap"}, "\x30\x0c\x02\x01\x01\x61", talks("", ldapBound(0, ""), ldapFound))
	bind := Options{Type: "ldap", Login: Login{User: "cn=monitor", Password: "secret"}}
	s.add("ldap", "binds", bind, talks("", ldapBound(0, ""), ldapFound))
	s.add("ldap", "wrong password", bind, talks("", ldapBound(49, "")))
	s.add("ldap", "busy", Options{Type: "ldap"}, talks("", ldapBound(51, "too many operations")))
	s.add("ldap", "no anonymous bind", Options{Type: "ldap"}, talks("", ldapBound(48, "anonymous bind disallowed")))
	s.add("ldap", "entry is gone", Options{Type: "ldap", LDAP: LDAP{Base: "dc=example,dc=net"}}, talks("", ldapBound(0, ""), ldapDone(2, 32)))
	s.add("ldap", "entry is hidden", Options{Type: "ldap", LDAP: LDAP{Base: "dc=example,dc=net"}}, talks("", ldapBound(0, ""), ldapDone(2, 0)))
	s.add("ldap", "shuts down", Options{Type: "ldap"}, talks("", ldapNotice))
	s.add("ldap", "another number", Options{Type: "ldap"}, talks("", ldapMessage(9, ber(ldapBindResponse, ldapResultOf(0, "")))))
	s.add("ldap", "indefinite length", Options{Type: "ldap"}, floods("\x30\x80"))
	s.add("ldap", "endless length", Options{Type: "ldap"}, talks("", "\x30\x84\xff\xff\xff\xff"))
	s.add("ldap", "elements in elements", Options{Type: "ldap"}, talks("", "\x30\x82\x20\x00"+strings.Repeat("\x30\x80", 4096)))
	s.add("ldap", "flood of entries", Options{Type: "ldap"}, talks("", ldapBound(0, ""), strings.Repeat(ldapMessage(2, ber(ldapSearchEntry)), 200)))
	s.add("ldap", "no starttls", Options{Type: "ldap", StartTLS: true}, talks("", ldapMessage(1, ber(ldapExtendedResponse, ldapResultOf(2, "unsupported extended operation")))))
}

// sip is a telephone exchange, by TCP and by UDP.
func (s *situations) sip() {
	sip := func(s SIP) Options { return Options{Type: "sip", SIP: s} }
	phone := sip(SIP{Host: "example.net"})
	s.common("sip tcp", sip(SIP{TCP: true}), "SIP/2.0 200 OK\r\nVia: ", sipPeer(sipAnswers("200 OK")))
	s.add("sip tcp", "trying first", sip(SIP{TCP: true}), sipPeer(sipAnswers("100 Trying", "200 OK")))
	s.add("sip tcp", "busy", sip(SIP{TCP: true}), sipPeer(sipAnswers("503 Service Unavailable")))
	s.add("sip tcp", "to somebody else", sip(SIP{TCP: true}), talks("", "SIP/2.0 200 OK\r\nCall-ID: x\r\n\r\n"))
	s.addAt("sip udp", "healthy", phone, datagrams(s.t, sipAnswers("200 OK")))
	s.addAt("sip udp", "trying first", phone, datagrams(s.t, sipAnswers("100 Trying", "200 OK")))
	s.addAt("sip udp", "refused", phone, s.gone)
	s.addAt("sip udp", "silent", phone, datagrams(s.t, silent))
	s.addAt("sip udp", "busy", phone, datagrams(s.t, sipAnswers("503 Service Unavailable")))
	s.addAt("sip udp", "not found", phone, datagrams(s.t, sipAnswers("404 Not here")))
	s.addAt("sip udp", "not found wanted", sip(SIP{Status: []healthcheck.StatusRange{{First: 200, Last: 299}, {First: 404, Last: 404}}}), datagrams(s.t, sipAnswers("404 Not here")))
	s.addAt("sip udp", "echo of the request", phone, datagrams(s.t, echoes))
	s.addAt("sip udp", "garbage", phone, datagrams(s.t, func([]byte) [][]byte { return [][]byte{[]byte("\x00\x1b[2J\r\n\r\n")} }))
	s.addAt("sip udp", "flood", phone, datagrams(s.t, func([]byte) [][]byte {
		return slices.Repeat([][]byte{[]byte("SIP/2.0 200 OK\r\nCall-ID: x\r\n\r\n")}, 2*maxSIPAnswers)
	}))
	s.addAt("sip udp", "cut off", phone, datagrams(s.t, func(b []byte) [][]byte { return [][]byte{[]byte("SIP/2.0 200 OK\r\nCall-ID: x")} }))
	s.addAt("sip udp", "endless header", phone, datagrams(s.t, func(b []byte) [][]byte { return [][]byte{[]byte("SIP/2.0 200 OK\r\n" + strings.Repeat("X: y\n", 800))} }))
}

// radius is a server of logins and accounts.
func (s *situations) radius() {
	radius := func(l Login) Options { return Options{Type: "radius", RADIUS: RADIUS{Secret: radiusSecret}, Login: l} }
	alice := radius(Login{User: "alice", Password: "a password of more than sixteen bytes"})
	s.addAt("radius", "healthy", alice, datagrams(s.t, radiusServer{code: 2}.answer))
	s.addAt("radius", "wrong password", radius(Login{User: "alice", Password: "x"}), datagrams(s.t, radiusServer{code: 2}.answer))
	s.addAt("radius", "status", radius(Login{}), datagrams(s.t, radiusServer{code: 2}.answer))
	s.addAt("radius", "status of accounting", radius(Login{}), datagrams(s.t, radiusServer{code: 5}.answer))
	s.addAt("radius", "accounting to a login", alice, datagrams(s.t, radiusServer{code: 5}.answer))
	s.addAt("radius", "challenge", alice, datagrams(s.t, radiusServer{code: 11, message: "token?"}.answer))
	s.addAt("radius", "refused", alice, s.gone)
	s.addAt("radius", "silent", alice, datagrams(s.t, silent))
	s.addAt("radius", "another secret", alice, datagrams(s.t, radiusServer{code: 2, secret: "another"}.answer))
	s.addAt("radius", "unsigned message", alice, datagrams(s.t, radiusServer{code: 2, badSignature: true}.answer))
	s.addAt("radius", "another id", alice, datagrams(s.t, radiusServer{code: 2, id: 1}.answer))
	s.addAt("radius", "echo of the request", alice, datagrams(s.t, echoes))
	s.addAt("radius", "flood", alice, datagrams(s.t, func([]byte) [][]byte { return make([][]byte, 2*maxStrays) }))
}

// grpc is a server with the health service of gRPC, or without.
func (s *situations) grpc() {
	grpc := Options{Type: "grpc", GRPC: GRPC{Service: "shop"}}
	secure := grpc
	secure.TLS = TLS{Enabled: true, Roots: s.ca.pem}
	settings := "\x00\x00\x00\x04\x00\x00\x00\x00\x00"
	s.addAt("grpc", "healthy", grpc, httpServer(s.t, nil, true, serving(1)))
	s.addAt("grpc", "not serving", grpc, httpServer(s.t, nil, true, serving(2)))
	s.addAt("grpc", "unheard-of status", grpc, httpServer(s.t, nil, true, serving(99)))
	s.addAt("grpc", "unknown service", grpc, httpServer(s.t, nil, true, refuses("5", "unknown service")))
	s.addAt("grpc", "no health service", grpc, httpServer(s.t, nil, true, refuses("12", "unknown method")))
	s.addAt("grpc", "no grpc server", grpc, httpServer(s.t, nil, true, http.HandlerFunc(http.NotFound)))
	s.addAt("grpc", "hangs", grpc, httpServer(s.t, nil, true, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })))
	s.addAt("grpc", "endless body", grpc, httpServer(s.t, nil, true, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		io.Copy(w, endless(0))
	})))
	s.addAt("grpc", "in tls", secure, httpServer(s.t, s.ca.config(s.t, "h2"), true, serving(1)))
	s.add("grpc", "tls without http/2", secure, s.ca.serves(s.t, hangup, -time.Hour, time.Hour, nil))
	s.addAt("grpc", "refused", grpc, s.gone)
	s.addAt("grpc", "black-holed", grpc, s.hole)
	s.add("grpc", "silent", grpc, hangup)
	s.add("grpc", "one byte at a time", grpc, slowly(settings+settings))
	s.add("grpc", "closed at once", grpc, hangsUp)
	s.add("grpc", "http/1", grpc, closes("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"))
	s.add("grpc", "flood of frames", grpc, floods(settings))
	s.add("grpc", "flood of zeros", grpc, floods("\x00"))
}
