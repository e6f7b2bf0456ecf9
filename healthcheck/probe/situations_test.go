package probe

import (
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/healthcheck"
)

var rewrite = flag.Bool("rewrite", false, "write the golden file anew; read the difference before committing it")

// A situation is one that a prober gets into.
type situation struct {
	probe, name string
	o           Options
}

// waits are the situations that last until the deadline. All others have time
// enough on a busy machine, too.
var waits = map[string]bool{
	"silent": true, "silent and well": true, "one byte at a time": true, "black-holed": true, "hangs": true, "several, one hangs": true, "stops short": true,
	"wrong answer, stays": true, "another id": true, "another name": true, "echo of the query": true, "echo of the request": true,
	"another secret": true, "unsigned message": true,
}

// blackHole is an address that answers nothing: a listener whose backlog is full.
func blackHole(t testing.TB) netip.AddrPort {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	target := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(name.(*unix.SockaddrInet4).Port))
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
	return netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(name.(*unix.SockaddrInet4).Port))
}

// free is an address whose port was free a moment ago, for a program to listen on.
func free(t testing.TB) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// TestSituations: every probe in every situation. The whole table is shown by -v.
func TestSituations(t *testing.T) {
	var all []situation
	add := func(probe, name string, o Options, p peer) {
		o.Target = p.listen(t, "127.0.0.1:0")
		all = append(all, situation{probe, name, o})
	}
	addAt := func(probe, name string, o Options, target netip.AddrPort) {
		o.Target = target
		all = append(all, situation{probe, name, o})
	}
	hole, gone := blackHole(t), nobody(t)

	// What every protocol on TCP must survive. opening is how a healthy server begins.
	common := func(name string, o Options, opening string, healthy peer) {
		add(name, "healthy", o, healthy)
		addAt(name, "refused", o, gone)
		addAt(name, "black-holed", o, hole)
		add(name, "silent", o, hangup)
		add(name, "one byte at a time", o, slowly(opening+"                    "))
		add(name, "closed at once", o, hangsUp)
		add(name, "garbage", o, closes("\x00\x01\x02\x03\x04\x05\x06\x07\xff\x1b[2J\r\n"))
		add(name, "flood of zeros", o, floods("\x00"))
		add(name, "flood of lines", o, floods("250-x\r\n"))
	}

	common("tcp send/expect", Options{Type: "tcp", Exchange: Exchange{Send: "ping\r\n", Expect: "pong"}}, "", talks("", "well, pong"))
	add("tcp send/expect", "wrong answer", Options{Type: "tcp", Exchange: Exchange{Send: "ping\r\n", Expect: "pong"}}, closes("no such command"))
	add("tcp send/expect", "wrong answer, stays", Options{Type: "tcp", Exchange: Exchange{Expect: "pong"}}, greets("no such command"))
	add("tcp send/expect", "binary", Options{Type: "tcp", Exchange: Exchange{Expect: "\x00\xff"}}, greets("\x01\x00\xff"))

	common("smtp", Options{Type: "smtp"}, "220 mail", talks("220-mail.example.net\r\n220 hello\r\n", "250-mail\r\n250 HELP\r\n"))
	add("smtp", "busy", Options{Type: "smtp"}, greets("421 try again later\r\n"))
	add("smtp", "refuses ehlo", Options{Type: "smtp"}, talks("220 mail\r\n", "550 not you\r\n"))
	add("smtp", "no starttls", Options{Type: "smtp", StartTLS: true}, talks("220 mail\r\n", "250 HELP\r\n"))
	add("smtp", "starttls refused", Options{Type: "smtp", StartTLS: true}, talks("220 mail\r\n", "250 STARTTLS\r\n", "454 no\r\n"))
	add("smtp", "speaks before tls", Options{Type: "smtp", StartTLS: true}, talks("220 mail\r\n", "250 STARTTLS\r\n", "220 go\r\n250 injected\r\n"))

	common("imap", Options{Type: "imap"}, "* OK ", greets("* OK [CAPABILITY IMAP4rev1] ready\r\n"))
	add("imap", "busy", Options{Type: "imap"}, closes("* BYE too many connections\r\n"))
	common("pop3", Options{Type: "pop3"}, "+OK", greets("+OK ready <1896.697170952@example.net>\r\n"))
	add("pop3", "busy", Options{Type: "pop3"}, closes("-ERR [SYS/TEMP] busy\r\n"))
	common("ftp", Options{Type: "ftp"}, "220 ", greets("220-Welcome\r\n to all\r\n220 ready\r\n"))
	add("ftp", "busy", Options{Type: "ftp"}, closes("421 too many users\r\n"))

	common("redis", Options{Type: "redis"}, "+PON", talks("", "+PONG\r\n"))
	add("redis", "loading", Options{Type: "redis"}, talks("", "-LOADING Redis is loading the dataset in memory\r\n"))
	add("redis", "logs in", Options{Type: "redis", Login: Login{User: "me", Password: "secret"}}, talks("", "+OK\r\n", "+PONG\r\n"))
	add("redis", "wrong password", Options{Type: "redis", Login: Login{Password: "secret"}}, talks("", "-WRONGPASS invalid\r\n"))

	common("mysql", Options{Type: "mysql"}, "\x08\x00\x00\x00", greets("\x08\x00\x00\x00\x0a8.0.36\x00"))
	add("mysql", "busy", Options{Type: "mysql"}, closes("\x17\x00\x00\x00\xff\x10\x04Too many connections"))
	add("mysql", "stops short", Options{Type: "mysql"}, closes("\x40\x00\x00\x00\x0a8.0"))

	common("postgresql", Options{Type: "postgresql"}, "R\x00\x00\x00\x08", talks("", "R\x00\x00\x00\x08\x00\x00\x00\x0a"))
	failure := func(fields string) string { return "E" + sized([]byte(fields)) }
	add("postgresql", "starting up", Options{Type: "postgresql"}, talks("", failure("SFATAL\x00C57P03\x00Mthe database system is starting up\x00\x00")))
	add("postgresql", "not let in", Options{Type: "postgresql"}, talks("", failure("C28000\x00Mno pg_hba.conf entry\x00\x00")))
	add("postgresql", "not let in, to be", Options{Type: "postgresql", Login: Login{User: "monitor"}}, talks("", failure("C28000\x00Mno pg_hba.conf entry\x00\x00")))
	add("postgresql", "no tls", Options{Type: "postgresql", TLS: TLS{Enabled: true}}, talks("", "N"))

	common("agent", Options{Type: "agent"}, "up", closes("up 75% maxconn:30 # fine\n"))
	for _, said := range []string{"up", "ready, 50%\n", "90%", "drain # reboot\n", "up 50% drain\n", "70000%\n", "maint\n", "down\n", "stopped\n", "failed # disk\n", "0%\n", "maxconn:5\n", "sideways\n", "\n"} {
		add("agent", fmt.Sprintf("%.9q", said), Options{Type: "agent"}, func(c net.Conn) { io.WriteString(c, said) })
	}

	dns := func(d DNS) Options {
		d.Name = "www.example.net"
		return Options{Type: "dns", DNS: d}
	}
	common("dns tcp", dns(DNS{TCP: true}), "\x00\x20\x00\x00", namesTCP(unchanged))
	add("dns tcp", "wrong id", dns(DNS{TCP: true}), namesTCP(func(m *dnsmessage.Message) { m.ID++ }))
	addAt("dns udp", "healthy", dns(DNS{}), datagrams(t, names(unchanged)))
	addAt("dns udp", "right answer", dns(DNS{Answer: "192.0.2.80"}), datagrams(t, names(unchanged)))
	addAt("dns udp", "right answer, mx", dns(DNS{Type: "MX", Answer: "10 mail.example.net"}), datagrams(t, names(unchanged)))
	addAt("dns udp", "refused", dns(DNS{}), gone)
	addAt("dns udp", "silent", dns(DNS{}), datagrams(t, silent))
	addAt("dns udp", "wrong answer", dns(DNS{Answer: "192.0.2.81"}), datagrams(t, names(unchanged)))
	addAt("dns udp", "truncated", dns(DNS{Answer: "192.0.2.81"}), datagrams(t, names(func(m *dnsmessage.Message) { m.Truncated, m.Answers = true, nil })))
	addAt("dns udp", "servfail", dns(DNS{}), datagrams(t, names(func(m *dnsmessage.Message) { m.RCode, m.Answers = dnsmessage.RCodeServerFailure, nil })))
	addAt("dns udp", "nxdomain wanted", dns(DNS{RCode: "NXDOMAIN"}), datagrams(t, names(func(m *dnsmessage.Message) { m.RCode, m.Answers = dnsmessage.RCodeNameError, nil })))
	addAt("dns udp", "another id", dns(DNS{}), datagrams(t, names(func(m *dnsmessage.Message) { m.ID++ })))
	addAt("dns udp", "another name", dns(DNS{}), datagrams(t, names(func(m *dnsmessage.Message) { m.Questions[0].Name = dnsmessage.MustNewName("x.") })))
	addAt("dns udp", "echo of the query", dns(DNS{}), datagrams(t, echoes))
	addAt("dns udp", "flood", dns(DNS{}), datagrams(t, func([]byte) [][]byte { return make([][]byte, 2*maxStrays) }))
	addAt("dns udp", "cut off", dns(DNS{}), datagrams(t, func(b []byte) [][]byte { a := names(unchanged)(b)[0]; return [][]byte{a[:len(a)-3]} }))

	udp := func(e Exchange) Options { e.Send = "ping"; return Options{Type: "udp", Exchange: e} }
	addAt("udp", "healthy", udp(Exchange{Expect: "in"}), datagrams(t, echoes))
	addAt("udp", "any answer, empty", udp(Exchange{}), datagrams(t, func([]byte) [][]byte { return make([][]byte, 1) }))
	addAt("udp", "wrong answer", udp(Exchange{Expect: "pong"}), datagrams(t, echoes))
	addAt("udp", "refused", udp(Exchange{}), gone)
	addAt("udp", "silent", udp(Exchange{}), datagrams(t, silent))
	addAt("udp", "silent and well", udp(Exchange{NoReply: true}), datagrams(t, silent))
	addAt("udp", "refused, no reply", udp(Exchange{NoReply: true}), gone)

	common("ldap", Options{Type: "ldap"}, "\x30\x0c\x02\x01\x01\x61", talks("", ldapBound(0, ""), ldapFound))
	bind := Options{Type: "ldap", Login: Login{User: "cn=monitor", Password: "secret"}}
	add("ldap", "binds", bind, talks("", ldapBound(0, ""), ldapFound))
	add("ldap", "wrong password", bind, talks("", ldapBound(49, "")))
	add("ldap", "busy", Options{Type: "ldap"}, talks("", ldapBound(51, "too many operations")))
	add("ldap", "no anonymous bind", Options{Type: "ldap"}, talks("", ldapBound(48, "anonymous bind disallowed")))
	add("ldap", "entry is gone", Options{Type: "ldap", LDAP: LDAP{Base: "dc=example,dc=net"}}, talks("", ldapBound(0, ""), ldapDone(2, 32)))
	add("ldap", "entry is hidden", Options{Type: "ldap", LDAP: LDAP{Base: "dc=example,dc=net"}}, talks("", ldapBound(0, ""), ldapDone(2, 0)))
	add("ldap", "shuts down", Options{Type: "ldap"}, talks("", ldapNotice))
	add("ldap", "another number", Options{Type: "ldap"}, talks("", ldapMessage(9, ber(ldapBindResponse, ldapResultOf(0, "")))))
	add("ldap", "indefinite length", Options{Type: "ldap"}, floods("\x30\x80"))
	add("ldap", "endless length", Options{Type: "ldap"}, talks("", "\x30\x84\xff\xff\xff\xff"))
	add("ldap", "elements in elements", Options{Type: "ldap"}, talks("", "\x30\x82\x20\x00"+strings.Repeat("\x30\x80", 4096)))
	add("ldap", "flood of entries", Options{Type: "ldap"}, talks("", ldapBound(0, ""), strings.Repeat(ldapMessage(2, ber(ldapSearchEntry)), 200)))
	add("ldap", "no starttls", Options{Type: "ldap", StartTLS: true}, talks("", ldapMessage(1, ber(ldapExtendedResponse, ldapResultOf(2, "unsupported extended operation")))))

	sip := func(s SIP) Options { return Options{Type: "sip", SIP: s} }
	phone := sip(SIP{Host: "example.net"})
	common("sip tcp", sip(SIP{TCP: true}), "SIP/2.0 200 OK\r\nVia: ", sipPeer(sipAnswers("200 OK")))
	add("sip tcp", "trying first", sip(SIP{TCP: true}), sipPeer(sipAnswers("100 Trying", "200 OK")))
	add("sip tcp", "busy", sip(SIP{TCP: true}), sipPeer(sipAnswers("503 Service Unavailable")))
	add("sip tcp", "to somebody else", sip(SIP{TCP: true}), talks("", "SIP/2.0 200 OK\r\nCall-ID: x\r\n\r\n"))
	addAt("sip udp", "healthy", phone, datagrams(t, sipAnswers("200 OK")))
	addAt("sip udp", "trying first", phone, datagrams(t, sipAnswers("100 Trying", "200 OK")))
	addAt("sip udp", "refused", phone, gone)
	addAt("sip udp", "silent", phone, datagrams(t, silent))
	addAt("sip udp", "busy", phone, datagrams(t, sipAnswers("503 Service Unavailable")))
	addAt("sip udp", "not found", phone, datagrams(t, sipAnswers("404 Not here")))
	addAt("sip udp", "not found wanted", sip(SIP{Status: []healthcheck.StatusRange{{First: 200, Last: 299}, {First: 404, Last: 404}}}), datagrams(t, sipAnswers("404 Not here")))
	addAt("sip udp", "echo of the request", phone, datagrams(t, echoes))
	addAt("sip udp", "garbage", phone, datagrams(t, func([]byte) [][]byte { return [][]byte{[]byte("\x00\x1b[2J\r\n\r\n")} }))
	addAt("sip udp", "flood", phone, datagrams(t, func([]byte) [][]byte {
		return slices.Repeat([][]byte{[]byte("SIP/2.0 200 OK\r\nCall-ID: x\r\n\r\n")}, 2*maxSIPAnswers)
	}))
	addAt("sip udp", "cut off", phone, datagrams(t, func(b []byte) [][]byte { return [][]byte{[]byte("SIP/2.0 200 OK\r\nCall-ID: x")} }))
	addAt("sip udp", "endless header", phone, datagrams(t, func(b []byte) [][]byte { return [][]byte{[]byte("SIP/2.0 200 OK\r\n" + strings.Repeat("X: y\n", 800))} }))

	radius := func(l Login) Options { return Options{Type: "radius", RADIUS: RADIUS{Secret: radiusSecret}, Login: l} }
	alice := radius(Login{User: "alice", Password: "a password of more than sixteen bytes"})
	addAt("radius", "healthy", alice, datagrams(t, radiusServer{code: 2}.answer))
	addAt("radius", "wrong password", radius(Login{User: "alice", Password: "x"}), datagrams(t, radiusServer{code: 2}.answer))
	addAt("radius", "status", radius(Login{}), datagrams(t, radiusServer{code: 2}.answer))
	addAt("radius", "status of accounting", radius(Login{}), datagrams(t, radiusServer{code: 5}.answer))
	addAt("radius", "accounting to a login", alice, datagrams(t, radiusServer{code: 5}.answer))
	addAt("radius", "challenge", alice, datagrams(t, radiusServer{code: 11, message: "token?"}.answer))
	addAt("radius", "refused", alice, gone)
	addAt("radius", "silent", alice, datagrams(t, silent))
	addAt("radius", "another secret", alice, datagrams(t, radiusServer{code: 2, secret: "another"}.answer))
	addAt("radius", "unsigned message", alice, datagrams(t, radiusServer{code: 2, badSignature: true}.answer))
	addAt("radius", "another id", alice, datagrams(t, radiusServer{code: 2, id: 1}.answer))
	addAt("radius", "echo of the request", alice, datagrams(t, echoes))
	addAt("radius", "flood", alice, datagrams(t, func([]byte) [][]byte { return make([][]byte, 2*maxStrays) }))

	ca, other := newAuthority(t, "Test CA"), newAuthority(t, "Other CA")
	const hour = time.Hour
	secure := Options{Type: "tls", TLS: TLS{Roots: ca.pem, ServerName: "www.example.net"}}
	with := func(o Options, change func(*Options)) Options { change(&o); return o }
	common("tls", secure, "\x16\x03\x03\x00\x40", ca.serves(t, hangup, -hour, 48*hour, nil))
	add("tls", "expired", secure, ca.serves(t, hangup, -48*hour, -hour, nil))
	add("tls", "expires soon", with(secure, func(o *Options) { o.TLS.MinDays = 14 }), ca.serves(t, hangup, -hour, 49*hour, nil))
	add("tls", "expires late enough", with(secure, func(o *Options) { o.TLS.MinDays = 1 }), ca.serves(t, hangup, -hour, 49*hour, nil))
	add("tls", "expires soon, insecure", with(secure, func(o *Options) { o.TLS.MinDays, o.TLS.Insecure = 14, true }), other.serves(t, hangup, -hour, 49*hour, nil))
	add("tls", "wrong name", with(secure, func(o *Options) { o.TLS.ServerName = "x.example.net" }), ca.serves(t, hangup, -hour, hour, nil))
	add("tls", "untrusted", secure, other.serves(t, hangup, -hour, hour, nil))
	add("tls", "answer", with(secure, func(o *Options) { o.Exchange.Expect = "ready" }), ca.serves(t, greets("ready"), -hour, hour, nil))
	add("tls", "wrong answer, stays", with(secure, func(o *Options) { o.Exchange.Expect = "ready" }), ca.serves(t, closes("busy"), -hour, hour, nil))
	demand := func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert }
	cert, key := ca.client(t)
	add("tls", "shows its certificate", with(secure, func(o *Options) { o.TLS.Cert, o.TLS.Key, o.Exchange.Expect = cert, key, "ready" }), ca.serves(t, greets("ready"), -hour, hour, demand))
	add("tls", "has no certificate", with(secure, func(o *Options) { o.Exchange.Expect = "ready" }), ca.serves(t, greets("ready"), -hour, hour, demand))
	mail := ca.serves(t, talks("", "250 HELP\r\n"), -hour, hour, nil)
	database := ca.serves(t, talks("", "R\x00\x00\x00\x08\x00\x00\x00\x0a"), -hour, hour, nil)
	inTLS := func(typ healthcheck.Type) Options {
		return Options{Type: typ, TLS: TLS{Enabled: true, Roots: ca.pem}}
	}
	starttls := func(typ healthcheck.Type) Options {
		return Options{Type: typ, StartTLS: true, TLS: TLS{Roots: ca.pem}}
	}
	// upgrades talks in the clear, and then is another peer in TLS.
	upgrades := func(clear script, within peer) peer {
		secure := ca.serves(t, within, -hour, hour, nil)
		return func(c net.Conn) { clear.play(c); secure(c) }
	}
	add("imap", "starttls", starttls("imap"), upgrades(script{"* OK ready\r\n", []string{"a OK go\r\n"}}, talks("", "* CAPABILITY IMAP4rev1\r\na OK done\r\n")))
	me := Login{User: "me", Password: `p"a\\ss`}
	add("imap", "logs in", Options{Type: "imap", Login: me}, talks("* OK ready\r\n", "* CAPABILITY x\r\na OK in\r\n"))
	add("imap", "wrong password", Options{Type: "imap", Login: me}, talks("* OK ready\r\n", "a NO [AUTHENTICATIONFAILED] no\r\n"))
	add("pop3", "logs in", Options{Type: "pop3", Login: me}, talks("+OK ready\r\n", "+OK\r\n", "+OK in\r\n"))
	add("pop3", "wrong password", Options{Type: "pop3", Login: me}, talks("+OK ready\r\n", "+OK\r\n", "-ERR no\r\n"))
	add("ftp", "logs in", Options{Type: "ftp", Login: me}, talks("220 ready\r\n", "331 and?\r\n", "230 in\r\n"))
	add("ftp", "logs in by name", Options{Type: "ftp", Login: me}, talks("220 ready\r\n", "230 in\r\n"))
	add("ftp", "wrong name", Options{Type: "ftp", Login: me}, talks("220 ready\r\n", "530 no\r\n"))
	add("ftp", "wrong password", Options{Type: "ftp", Login: me}, talks("220 ready\r\n", "331 and?\r\n", "530 no\r\n"))
	add("imap", "no starttls", starttls("imap"), talks("* OK ready\r\n", "a BAD what?\r\n"))
	add("imap", "speaks before tls", starttls("imap"), talks("* OK ready\r\n", "a OK go\r\na OK injected\r\n"))
	add("imap", "ill in tls", starttls("imap"), upgrades(script{"* OK ready\r\n", []string{"a OK go\r\n"}}, talks("", "a NO not now\r\n")))
	add("pop3", "starttls", starttls("pop3"), upgrades(script{"+OK ready\r\n", []string{"+OK go\r\n"}}, talks("", "+OK bye\r\n")))
	add("pop3", "no starttls", starttls("pop3"), talks("+OK ready\r\n", "-ERR what?\r\n"))
	add("ftp", "starttls", starttls("ftp"), upgrades(script{"220 ready\r\n", []string{"234 go\r\n"}}, talks("", "221 bye\r\n")))
	add("ftp", "no starttls", starttls("ftp"), talks("220 ready\r\n", "530 login first\r\n"))
	add("ldap", "starttls", starttls("ldap"), upgrades(script{"", []string{ldapMessage(1, ber(ldapExtendedResponse, ldapResultOf(0, "")))}},
		talks("", ldapMessage(2, ber(ldapBindResponse, ldapResultOf(0, ""))), ldapMessage(3, ber(ldapSearchEntry))+ldapDone(3, 0))))
	add("ldap", "in tls", inTLS("ldap"), ca.serves(t, talks("", ldapBound(0, ""), ldapFound), -hour, hour, nil))
	add("sip tcp", "in tls", inTLS("sip"), ca.serves(t, sipPeer(sipAnswers("200 OK")), -hour, hour, nil))
	add("imap", "in tls", inTLS("imap"), ca.serves(t, greets("* OK ready\r\n"), -hour, hour, nil))
	add("redis", "in tls", inTLS("redis"), ca.serves(t, talks("", "+PONG\r\n"), -hour, hour, nil))
	add("smtp", "in tls", inTLS("smtp"), ca.serves(t, talks("220 mail\r\n", "250 HELP\r\n"), -hour, hour, nil))
	add("smtp", "starttls", starttls("smtp"), func(c net.Conn) {
		script{"220 mail\r\n", []string{"250-STARTTLS\r\n250 HELP\r\n", "220 go\r\n"}}.play(c)
		mail(c)
	})
	add("postgresql", "in tls", inTLS("postgresql"), func(c net.Conn) {
		script{"", []string{"S"}}.play(c)
		database(c)
	})

	databaseSituations(t, ca, add)

	grpc := Options{Type: "grpc", GRPC: GRPC{Service: "shop"}}
	settings := "\x00\x00\x00\x04\x00\x00\x00\x00\x00"
	addAt("grpc", "healthy", grpc, httpServer(t, nil, true, serving(1)))
	addAt("grpc", "not serving", grpc, httpServer(t, nil, true, serving(2)))
	addAt("grpc", "unheard-of status", grpc, httpServer(t, nil, true, serving(99)))
	addAt("grpc", "unknown service", grpc, httpServer(t, nil, true, refuses("5", "unknown service")))
	addAt("grpc", "no health service", grpc, httpServer(t, nil, true, refuses("12", "unknown method")))
	addAt("grpc", "no grpc server", grpc, httpServer(t, nil, true, http.HandlerFunc(http.NotFound)))
	addAt("grpc", "hangs", grpc, httpServer(t, nil, true, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })))
	addAt("grpc", "endless body", grpc, httpServer(t, nil, true, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		io.Copy(w, endless(0))
	})))
	addAt("grpc", "in tls", with(grpc, func(o *Options) { o.TLS = TLS{Enabled: true, Roots: ca.pem} }), httpServer(t, ca.config(t, "h2"), true, serving(1)))
	add("grpc", "tls without http/2", with(grpc, func(o *Options) { o.TLS = TLS{Enabled: true, Roots: ca.pem} }), ca.serves(t, hangup, -hour, hour, nil))
	addAt("grpc", "refused", grpc, gone)
	addAt("grpc", "black-holed", grpc, hole)
	add("grpc", "silent", grpc, hangup)
	add("grpc", "one byte at a time", grpc, slowly(settings+settings))
	add("grpc", "closed at once", grpc, hangsUp)
	add("grpc", "http/1", grpc, closes("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"))
	add("grpc", "flood of frames", grpc, floods(settings))
	add("grpc", "flood of zeros", grpc, floods("\x00"))

	all = append(all, webSituations(t, ca, gone, hole)...)

	dir := t.TempDir()
	file := func(name, content string) {
		o := Options{Type: "file", File: filepath.Join(dir, strings.ReplaceAll(name, " ", "-"))}
		if err := os.WriteFile(o.File, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		all = append(all, situation{"file", name, o})
	}
	file("up", "up\n")
	file("down", "Down since noon\n")
	file("empty", "\n")
	file("weight", "12 since noon\n")
	file("weight 0", "0")
	file("share", "50%\n")
	file("too much weight", "70000\n")
	file("garbage", "\x00\x1b[2J")
	file("large", strings.Repeat("up ", 1<<20))
	all = append(all, situation{"file", "absent", Options{Type: "file", File: "/absent/file"}})
	all = append(all, situation{"file", "a directory", Options{Type: "file", File: "/"}})
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	all = append(all, situation{"file", "a pipe", Options{Type: "file", File: pipe}})

	got := render(all, dir)
	t.Logf("probe, situation, reason:\n%s", got)
	const golden = "testdata/situations.golden"
	if *rewrite {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got)\n%s", golden, diff)
	}
}

// render runs all probes, a few at a time, and writes what each said.
func render(all []situation, dir string) string {
	lines := make([]string, len(all))
	slots := make(chan struct{}, 16)
	var wait sync.WaitGroup
	for i, s := range all {
		wait.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			lines[i] = fmt.Sprintf("%-16s %-24s %s\n", s.probe, s.name, strings.ReplaceAll(outcome(s), dir, "DIR"))
		})
	}
	wait.Wait()
	return strings.Join(lines, "")
}

// days are dates of certificates, blanks what a slow server has said so far.
var (
	days   = regexp.MustCompile(`\b20[0-9]{2}-[0-9]{2}-[0-9]{2}\b`)
	blanks = regexp.MustCompile(`" +"`)
)

// outcome runs one probe, as a Checker would.
func outcome(s situation) string {
	p, err := New(s.o)
	if err != nil {
		return err.Error()
	}
	limit := patience
	if waits[s.name] {
		limit = timeout
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	start := time.Now()
	r := p.Probe(ctx)
	if took := time.Since(start); took > limit+slack {
		return fmt.Sprintf("the probe took %v: %v", took, r)
	}
	return blanks.ReplaceAllString(days.ReplaceAllString(steady(r), "DATE"), `" "`)
}
