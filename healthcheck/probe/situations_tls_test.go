package probe

import (
	"crypto/tls"
	"net"
	"time"

	"github.com/lbha/lbha/healthcheck"
)

// certificates are a server of TLS alone: its certificate, and ours.
func (s *situations) certificates() {
	const hour = time.Hour
	secure := Options{Type: "tls", TLS: TLS{Roots: s.ca.pem, ServerName: "www.example.net"}}
	with := func(o Options, change func(*Options)) Options { change(&o); return o }
	s.common("tls", secure, "\x16\x03\x03\x00\x40", s.ca.serves(s.t, hangup, -hour, 48*hour, nil))
	s.add("tls", "expired", secure, s.ca.serves(s.t, hangup, -48*hour, -hour, nil))
	s.add("tls", "expires soon", with(secure, func(o *Options) { o.TLS.MinDays = 14 }), s.ca.serves(s.t, hangup, -hour, 49*hour, nil))
	s.add("tls", "expires late enough", with(secure, func(o *Options) { o.TLS.MinDays = 1 }), s.ca.serves(s.t, hangup, -hour, 49*hour, nil))
	s.add("tls", "expires soon, insecure", with(secure, func(o *Options) { o.TLS.MinDays, o.TLS.Insecure = 14, true }), s.other.serves(s.t, hangup, -hour, 49*hour, nil))
	s.add("tls", "wrong name", with(secure, func(o *Options) { o.TLS.ServerName = "x.example.net" }), s.ca.serves(s.t, hangup, -hour, hour, nil))
	s.add("tls", "untrusted", secure, s.other.serves(s.t, hangup, -hour, hour, nil))
	s.add("tls", "answer", with(secure, func(o *Options) { o.Exchange.Expect = "ready" }), s.ca.serves(s.t, greets("ready"), -hour, hour, nil))
	s.add("tls", "wrong answer, stays", with(secure, func(o *Options) { o.Exchange.Expect = "ready" }), s.ca.serves(s.t, closes("busy"), -hour, hour, nil))
	demand := func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert }
	cert, key := s.ca.client(s.t)
	s.add("tls", "shows its certificate", with(secure, func(o *Options) { o.TLS.Cert, o.TLS.Key, o.Exchange.Expect = cert, key, "ready" }), s.ca.serves(s.t, greets("ready"), -hour, hour, demand))
	s.add("tls", "has no certificate", with(secure, func(o *Options) { o.Exchange.Expect = "ready" }), s.ca.serves(s.t, greets("ready"), -hour, hour, demand))
}

// inTLS are the other protocols in TLS, from the first byte or from STARTTLS on, and their logins.
func (s *situations) inTLS() {
	const hour = time.Hour
	mail := s.ca.serves(s.t, talks("", "250 HELP\r\n"), -hour, hour, nil)
	database := s.ca.serves(s.t, talks("", "R\x00\x00\x00\x08\x00\x00\x00\x0a"), -hour, hour, nil)
	inTLS := func(typ healthcheck.Type) Options {
		return Options{Type: typ, TLS: TLS{Enabled: true, Roots: s.ca.pem}}
	}
	starttls := func(typ healthcheck.Type) Options {
		return Options{Type: typ, StartTLS: true, TLS: TLS{Roots: s.ca.pem}}
	}
	// upgrades talks in the clear, and then is another peer in TLS.
	upgrades := func(clear script, within peer) peer {
		secure := s.ca.serves(s.t, within, -hour, hour, nil)
		return func(c net.Conn) { clear.play(c); secure(c) }
	}
	s.add("imap", "starttls", starttls("imap"), upgrades(script{"* OK ready\r\n", []string{"a OK go\r\n"}}, talks("", "* CAPABILITY IMAP4rev1\r\na OK done\r\n")))
	me := Login{User: "me", Password: `p"a\\ss`}
	s.add("imap", "logs in", Options{Type: "imap", Login: me}, talks("* OK ready\r\n", "* CAPABILITY x\r\na OK in\r\n"))
	s.add("imap", "wrong password", Options{Type: "imap", Login: me}, talks("* OK ready\r\n", "a NO [AUTHENTICATIONFAILED] no\r\n"))
	s.add("pop3", "logs in", Options{Type: "pop3", Login: me}, talks("+OK ready\r\n", "+OK\r\n", "+OK in\r\n"))
	s.add("pop3", "wrong password", Options{Type: "pop3", Login: me}, talks("+OK ready\r\n", "+OK\r\n", "-ERR no\r\n"))
	s.add("ftp", "logs in", Options{Type: "ftp", Login: me}, talks("220 ready\r\n", "331 and?\r\n", "230 in\r\n"))
	s.add("ftp", "logs in by name", Options{Type: "ftp", Login: me}, talks("220 ready\r\n", "230 in\r\n"))
	s.add("ftp", "wrong name", Options{Type: "ftp", Login: me}, talks("220 ready\r\n", "530 no\r\n"))
	s.add("ftp", "wrong password", Options{Type: "ftp", Login: me}, talks("220 ready\r\n", "331 and?\r\n", "530 no\r\n"))
	s.add("imap", "no starttls", starttls("imap"), talks("* OK ready\r\n", "a BAD what?\r\n"))
	s.add("imap", "speaks before tls", starttls("imap"), talks("* OK ready\r\n", "a OK go\r\na OK injected\r\n"))
	s.add("imap", "ill in tls", starttls("imap"), upgrades(script{"* OK ready\r\n", []string{"a OK go\r\n"}}, talks("", "a NO not now\r\n")))
	s.add("pop3", "starttls", starttls("pop3"), upgrades(script{"+OK ready\r\n", []string{"+OK go\r\n"}}, talks("", "+OK bye\r\n")))
	s.add("pop3", "no starttls", starttls("pop3"), talks("+OK ready\r\n", "-ERR what?\r\n"))
	s.add("ftp", "starttls", starttls("ftp"), upgrades(script{"220 ready\r\n", []string{"234 go\r\n"}}, talks("", "221 bye\r\n")))
	s.add("ftp", "no starttls", starttls("ftp"), talks("220 ready\r\n", "530 login first\r\n"))
	s.add("ldap", "starttls", starttls("ldap"), upgrades(script{"", []string{ldapMessage(1, ber(ldapExtendedResponse, ldapResultOf(0, "")))}},
		talks("", ldapMessage(2, ber(ldapBindResponse, ldapResultOf(0, ""))), ldapMessage(3, ber(ldapSearchEntry))+ldapDone(3, 0))))
	s.add("ldap", "in tls", inTLS("ldap"), s.ca.serves(s.t, talks("", ldapBound(0, ""), ldapFound), -hour, hour, nil))
	s.add("sip tcp", "in tls", inTLS("sip"), s.ca.serves(s.t, sipPeer(sipAnswers("200 OK")), -hour, hour, nil))
	s.add("imap", "in tls", inTLS("imap"), s.ca.serves(s.t, greets("* OK ready\r\n"), -hour, hour, nil))
	s.add("redis", "in tls", inTLS("redis"), s.ca.serves(s.t, talks("", "+PONG\r\n"), -hour, hour, nil))
	s.add("smtp", "in tls", inTLS("smtp"), s.ca.serves(s.t, talks("220 mail\r\n", "250 HELP\r\n"), -hour, hour, nil))
	s.add("smtp", "starttls", starttls("smtp"), func(c net.Conn) {
		script{"220 mail\r\n", []string{"250-STARTTLS\r\n250 HELP\r\n", "220 go\r\n"}}.play(c)
		mail(c)
	})
	s.add("postgresql", "in tls", inTLS("postgresql"), func(c net.Conn) {
		script{"", []string{"S"}}.play(c)
		database(c)
	})
}
