package probe

import (
	"fmt"
	"io"
	"net"
)

// greetings are the protocols of words in the clear: a greeting, a line, a few bytes.
func (s *situations) greetings() {
	s.common("tcp send/expect", Options{Type: "tcp", Exchange: Exchange{Send: "ping\r\n", Expect: "pong"}}, "", talks("", "well, pong"))
	s.add("tcp send/expect", "wrong answer", Options{Type: "tcp", Exchange: Exchange{Send: "ping\r\n", Expect: "pong"}}, closes("no such command"))
	s.add("tcp send/expect", "wrong answer, stays", Options{Type: "tcp", Exchange: Exchange{Expect: "pong"}}, greets("no such command"))
	s.add("tcp send/expect", "binary", Options{Type: "tcp", Exchange: Exchange{Expect: "\x00\xff"}}, greets("\x01\x00\xff"))

	s.common("smtp", Options{Type: "smtp"}, "220 mail", talks("220-mail.example.net\r\n220 hello\r\n", "250-mail\r\n250 HELP\r\n"))
	s.add("smtp", "busy", Options{Type: "smtp"}, greets("421 try again later\r\n"))
	s.add("smtp", "refuses ehlo", Options{Type: "smtp"}, talks("220 mail\r\n", "550 not you\r\n"))
	s.add("smtp", "no starttls", Options{Type: "smtp", StartTLS: true}, talks("220 mail\r\n", "250 HELP\r\n"))
	s.add("smtp", "starttls refused", Options{Type: "smtp", StartTLS: true}, talks("220 mail\r\n", "250 STARTTLS\r\n", "454 no\r\n"))
	s.add("smtp", "speaks before tls", Options{Type: "smtp", StartTLS: true}, talks("220 mail\r\n", "250 STARTTLS\r\n", "220 go\r\n250 injected\r\n"))

	s.common("imap", Options{Type: "imap"}, "* OK ", greets("* OK [CAPABILITY IMAP4rev1] ready\r\n"))
	s.add("imap", "busy", Options{Type: "imap"}, closes("* BYE too many connections\r\n"))
	s.common("pop3", Options{Type: "pop3"}, "+OK", greets("+OK ready <1896.697170952@example.net>\r\n"))
	s.add("pop3", "busy", Options{Type: "pop3"}, closes("-ERR [SYS/TEMP] busy\r\n"))
	s.common("ftp", Options{Type: "ftp"}, "220 ", greets("220-Welcome\r\n to all\r\n220 ready\r\n"))
	s.add("ftp", "busy", Options{Type: "ftp"}, closes("421 too many users\r\n"))

	s.common("redis", Options{Type: "redis"}, "+PON", talks("", "+PONG\r\n"))
	s.add("redis", "loading", Options{Type: "redis"}, talks("", "-LOADING Redis is loading the dataset in memory\r\n"))
	s.add("redis", "logs in", Options{Type: "redis", Login: Login{User: "me", Password: "secret"}}, talks("", "+OK\r\n", "+PONG\r\n"))
	s.add("redis", "wrong password", Options{Type: "redis", Login: Login{Password: "secret"}}, talks("", "-WRONGPASS invalid\r\n"))

	s.common("mysql", Options{Type: "mysql"}, "\x08\x00\x00\x00", greets("\x08\x00\x00\x00\x0a8.0.36\x00"))
	s.add("mysql", "busy", Options{Type: "mysql"}, closes("\x17\x00\x00\x00\xff\x10\x04Too many connections"))
	s.add("mysql", "stops short", Options{Type: "mysql"}, closes("\x40\x00\x00\x00\x0a8.0"))

	s.common("postgresql", Options{Type: "postgresql"}, "R\x00\x00\x00\x08", talks("", "R\x00\x00\x00\x08\x00\x00\x00\x0a"))
	failure := func(fields string) string { return "E" + sized([]byte(fields)) }
	s.add("postgresql", "starting up", Options{Type: "postgresql"}, talks("", failure("SFATAL\x00C57P03\x00Mthe database system is starting up\x00\x00")))
	s.add("postgresql", "not let in", Options{Type: "postgresql"}, talks("", failure("C28000\x00Mno pg_hba.conf entry\x00\x00")))
	s.add("postgresql", "not let in, to be", Options{Type: "postgresql", Login: Login{User: "monitor"}}, talks("", failure("C28000\x00Mno pg_hba.conf entry\x00\x00")))
	s.add("postgresql", "no tls", Options{Type: "postgresql", TLS: TLS{Enabled: true}}, talks("", "N"))

	s.common("agent", Options{Type: "agent"}, "up", closes("up 75% maxconn:30 # fine\n"))
	for _, said := range []string{"up", "ready, 50%\n", "90%", "drain # reboot\n", "up 50% drain\n", "70000%\n", "maint\n", "down\n", "stopped\n", "failed # disk\n", "0%\n", "maxconn:5\n", "sideways\n", "\n"} {
		s.add("agent", fmt.Sprintf("%.9q", said), Options{Type: "agent"}, func(c net.Conn) { io.WriteString(c, said) })
	}
}
