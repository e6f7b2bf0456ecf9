package probe

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/lbha/lbha/healthcheck"
)

// A recording is a server whose words are known in advance.
type recording struct {
	net.Conn
	counted
}

func (r *recording) Read(b []byte) (int, error)  { return r.counted.Read(b) }
func (r *recording) Write(b []byte) (int, error) { return len(b), nil }

// printable reports what is wrong with a detail, if anything.
func printable(t *testing.T, r healthcheck.Result) {
	t.Helper()
	if len(r.Detail) > 160 || strings.IndexFunc(r.Detail, func(r rune) bool { return !unicode.IsPrint(r) }) >= 0 {
		t.Errorf("detail %q", r.Detail)
	}
}

// fuzzTalk holds that, whatever a server says, the conversation ends with a bounded
// printable line, reads no more than it may, and finds no server well that has not
// said one of proofs. The first seed is a healthy server.
func fuzzTalk(f *testing.F, o Options, proofs []string, seeds ...string) {
	for _, s := range append(seeds, "", "\x00", "220", "220-a\r\n220 b\r\n", strings.Repeat("x", 2*maxLine), strings.Repeat("220-x\r\n", 2*maxLines)) {
		f.Add([]byte(s), uint16(1000))
		f.Add([]byte(s), uint16(1))
	}
	o.Target = netip.MustParseAddrPort("192.0.2.1:80")
	p, err := New(o)
	if err != nil {
		f.Fatal(err)
	}
	talk := func(said []byte, piece uint16) (healthcheck.Result, int) {
		from := &recording{counted: counted{r: bytes.NewReader(said), piece: int(piece) + 1}}
		t := newTalkOn(from)
		detail, err := p.(*talkProber).converse(t)
		if err != nil {
			return failed(context.Background(), time.Now(), t.at, err), from.n
		}
		return healthcheck.Passed(detail), from.n
	}
	if r, _ := talk([]byte(seeds[0]), 1); !r.OK() {
		f.Fatalf("%q: %v", seeds[0], r)
	}
	allowed := []healthcheck.Failure{"", healthcheck.FailureReset, healthcheck.FailureProtocol, healthcheck.FailureStatus, healthcheck.FailureBody, healthcheck.FailureTLS}
	f.Fuzz(func(t *testing.T, said []byte, piece uint16) {
		r, n := talk(said, piece)
		printable(t, r)
		if n > maxTalk {
			t.Errorf("%d bytes read", n)
		}
		if !slices.Contains(allowed, r.Failure) {
			t.Errorf("%v", r)
		}
		if lower := strings.ToLower(string(said)); r.OK() && !slices.ContainsFunc(proofs, func(s string) bool { return strings.Contains(lower, s) }) {
			t.Errorf("healthy: %q", said)
		}
	})
}

func FuzzExpect(f *testing.F) {
	fuzzTalk(f, Options{Type: "tcp", Exchange: Exchange{Send: "ping", Expect: "pong"}}, []string{"pong"},
		"well, pong", "po", strings.Repeat("p", maxTalk)+"ong", "popong")
}

func FuzzSMTP(f *testing.F) {
	fuzzTalk(f, Options{Type: "smtp"}, []string{"250"}, "220 a\r\n250 b\r\n", "220-a\n220\n250-x\n250 y\n", "554 no\r\n", "220 a\r\n", "220_a\r\n")
}

// FuzzSTARTTLS: without a handshake, no words make a server well that must speak TLS.
func FuzzSTARTTLS(f *testing.F) {
	for _, s := range []string{"220 a\r\n250 STARTTLS\r\n220 go\r\n", "220 a\r\n250 STARTTLS\r\n220 go\r\n\x16\x03\x03\x00\x02\x02\x28", "220 a\r\n250 b\r\n"} {
		f.Add([]byte(s))
	}
	p, err := New(Options{Type: "smtp", Target: netip.MustParseAddrPort("192.0.2.1:25"), StartTLS: true})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, said []byte) {
		from := &recording{counted: counted{r: bytes.NewReader(said), piece: 100}}
		conversation := newTalkOn(from)
		detail, err := p.(*talkProber).converse(conversation)
		if err == nil {
			t.Fatalf("healthy: %q: %s", said, detail)
		}
		printable(t, failed(context.Background(), time.Now(), conversation.at, err))
	})
}

func FuzzIMAP(f *testing.F) {
	fuzzTalk(f, Options{Type: "imap"}, []string{"* ok", "* preauth"}, "* OK ready\r\n", "* PREAUTH\r\n", "* BYE\r\n", "* ", "OK\r\n")
}

func FuzzPOP3(f *testing.F) {
	fuzzTalk(f, Options{Type: "pop3"}, []string{"+ok"}, "+OK\r\n", "-ERR\r\n", "+\r\n")
}

func FuzzFTP(f *testing.F) {
	fuzzTalk(f, Options{Type: "ftp"}, []string{"220"}, "220 a\r\n", "220-a\r\n b\r\n 220 c\r\n220 d\r\n", "120 wait\r\n", "999 x\r\n")
}

func FuzzRedis(f *testing.F) {
	fuzzTalk(f, Options{Type: "redis", Login: Login{Password: "x"}}, []string{"+pong"}, "+OK\r\n+PONG\r\n", "-NOAUTH\r\n", "$4\r\nPONG\r\n", "+OK\r\n-LOADING\r\n")
}

func FuzzMySQL(f *testing.F) {
	fuzzTalk(f, Options{Type: "mysql"}, []string{"\x09", "\x0a"}, "\x08\x00\x00\x00\x0a8.0.36\x00", "\x05\x00\x00\x00\xff\x10\x04no", "\x01\x00\x00\x00\xff", "\x01\x00\x00\x00\x0a", "\xff\xff\xff\x00")
}

func FuzzPostgreSQL(f *testing.F) {
	fuzzTalk(f, Options{Type: "postgresql"}, []string{"r", "c28"}, "R\x00\x00\x00\x08\x00\x00\x00\x0a", "E\x00\x00\x00\x0dC28000\x00\x00", "E\x00\x00\x00\x04", "R\x00\x00\x00\x03", "R\xff\xff\xff\xff")
}

func FuzzAgent(f *testing.F) {
	fuzzTalk(f, Options{Type: "agent"}, []string{"up", "ready", "drain", "%"}, "up 75%\n", "down\n", "0%", "-1%\n", "99999999999999999999%\n", "maxconn:\n", "#up\n", "up down\n")
}

// FuzzDNS: whatever message comes, it ends in a bounded printable line, and proves
// nothing unless it has the id and the wanted record.
func FuzzDNS(f *testing.F) {
	p, err := New(Options{Type: "dns", Target: netip.MustParseAddrPort("192.0.2.1:53"), DNS: DNS{Name: "www.example.net", Answer: "192.0.2.80"}})
	if err != nil {
		f.Fatal(err)
	}
	d := p.(*dnsProber)
	const id = 0x1234
	query, err := d.query(id)
	if err != nil {
		f.Fatal(err)
	}
	for _, change := range []func(*dnsmessage.Message){
		unchanged,
		func(m *dnsmessage.Message) { m.RCode = dnsmessage.RCodeRefused },
		func(m *dnsmessage.Message) { m.Questions = nil },
		func(m *dnsmessage.Message) { m.Answers = append(m.Answers, m.Answers...) },
	} {
		f.Add(names(change)(query)[0])
	}
	f.Add(query)
	f.Add([]byte{})
	if detail, err := d.judge(names(unchanged)(query)[0], id); err != nil {
		f.Fatal(detail, err)
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		detail, err := d.judge(message, id)
		if err != nil {
			printable(t, failed(context.Background(), time.Now(), phaseAnswer, err))
			return
		}
		printable(t, healthcheck.Passed(detail))
		if !bytes.HasPrefix(message, []byte{id >> 8, id & 0xff}) || !bytes.Contains(message, []byte{192, 0, 2, 80}) {
			t.Errorf("healthy: %x", message)
		}
	})
}

// FuzzServingStatus: only a message that has field 1 with the value 1 serves.
func FuzzServingStatus(f *testing.F) {
	for _, s := range []string{"\x00\x00\x00\x00\x02\x08\x01", "\x00\x00\x00\x00\x02\x08\x02", "\x00\x00\x00\x00\x00", "\x01\x00\x00\x00\x02\x08\x01",
		"\x00\x00\x00\x00\x06\x12\x02ab\x08\x01", "\x00\x00\x00\x00\x02\x12\x7f", "\x00\x00\x00\x00\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", ""} {
		f.Add("0", []byte(s))
	}
	f.Add("12", []byte("\x1b[2J"))
	f.Fuzz(func(t *testing.T, status string, body []byte) {
		err := judgeGRPC(status, string(body), body)
		if err == nil {
			if status != "0" || !bytes.Contains(body, []byte("\x08")) || !bytes.Contains(body, []byte("\x01")) {
				t.Errorf("healthy: status %q, %x", status, body)
			}
			return
		}
		printable(t, failed(context.Background(), time.Now(), phaseBody, err))
	})
}

// FuzzFile: only a file whose first word is up, or a weight, is well.
func FuzzFile(f *testing.F) {
	for _, s := range []string{"up\n", " UP since\n", "down", "", "upward", "\x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r := judgeFile(text)
		printable(t, r)
		var weight healthcheck.Weight
		fields := bytes.Fields(text)
		up := len(fields) > 0 && bytes.EqualFold(fields[0], []byte("up"))
		weighs := len(fields) > 0 && weight.UnmarshalText(fields[0]) == nil
		if r.OK() != (up || weighs) || r.Weight != weight {
			t.Errorf("%q: %v, weight %q", text, r, r.Weight)
		}
	})
}
