package probe

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/lbha/lbha/healthcheck"
)

// Bounds of what a server may make us read in a conversation.
const (
	maxTalk  = 64 << 10 // in all
	maxLine  = 4 << 10  // in a line, its end included
	maxLines = 100      // in a reply of several lines
)

// A conversation is what a prober and a server say to each other on a connection:
// a protocol, to the point where the server has proved that it serves. It ends with
// a few words on how it went, or with an error: a [wrong], or one of the connection.
type conversation func(t *talk) (detail string, err error)

// A talkProber holds a conversation on a TCP connection of its own, in TLS from the
// first byte if tls is set.
type talkProber struct {
	dialer   dialer
	tls      *tlsClient
	converse conversation
}

func newTalk(d dialer, o Options, c conversation) (*talkProber, error) {
	p := &talkProber{dialer: d, converse: c}
	p.dialer.noDelay = true
	if o.TLS.Enabled {
		var err error
		if p.tls, err = newTLSClient(o.TLS, d.target.Addr().WithZone("").String()); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// newUpgrade is newTalk for a protocol that can go on in TLS: converse gets the client to
// do so with, nil if it is to stay as it began.
func newUpgrade(d dialer, o Options, converse func(starttls *tlsClient) (conversation, error)) (*talkProber, error) {
	p, err := newTalk(d, o, nil)
	if err != nil {
		return nil, err
	}
	var starttls *tlsClient
	if o.StartTLS {
		p.tls, starttls = nil, p.tls
	}
	p.converse, err = converse(starttls)
	return p, err
}

// mail is a conversation of a protocol that has a login in lines.
func mail(login Login, c func(Login, *tlsClient) conversation) func(*tlsClient) (conversation, error) {
	return func(starttls *tlsClient) (conversation, error) { return c(login, starttls), plainLogin(login) }
}

func (p *talkProber) Probe(ctx context.Context) healthcheck.Result {
	start := time.Now()
	c, err := p.dialer.dial(ctx)
	if err != nil {
		return failed(ctx, start, phaseConnect, err)
	}
	defer c.Close()
	t := newTalkOn(c)
	if p.tls != nil {
		if err := t.secure(p.tls); err != nil {
			return failed(ctx, start, t.at, err)
		}
	}
	detail, err := p.converse(t)
	if err != nil {
		return failed(ctx, start, t.at, err)
	}
	c.finish()
	r := healthcheck.Passed(fmt.Sprintf("%s in %v", detail, rounded(time.Since(start))))
	r.Weight = t.weight
	return r
}

// A talk is one conversation on its way. Its methods take what it is at from then
// on: that is what a timeout is reported in.
type talk struct {
	conn    net.Conn
	r       *bufio.Reader
	session *tls.Conn // nil: in the clear
	at      phase
	weight  healthcheck.Weight // what the server wants to weigh
}

func newTalkOn(c net.Conn) *talk {
	return &talk{conn: c, r: bufio.NewReaderSize(&bounded{r: c, left: maxTalk}, maxLine)}
}

// secure goes on in TLS. What came before must not count as said within: a byte
// too much is somebody in the middle.
func (t *talk) secure(client *tlsClient) error {
	t.at = phaseTLS
	if t.r.Buffered() > 0 {
		return wrongf(healthcheck.FailureProtocol, "the server speaks on before the handshake")
	}
	secure, err := client.handshake(t.conn)
	if err != nil {
		return err
	}
	*t = *newTalkOn(overheard(secure))
	t.session = secure
	return nil
}

// inTLS adds to a detail how it is secured, if it is.
func (t *talk) inTLS(detail string) string {
	if t.session == nil {
		return detail
	}
	return detail + ", " + describeSession(t.session)
}

// quoted is Sprintf with bytes of a server.
func quoted(format string, heard []byte) string { return fmt.Sprintf(format, heard) }

// say sends.
func (t *talk) say(at phase, what string) error {
	t.at = at
	_, err := io.WriteString(t.conn, what)
	return err
}

// leave says good-bye to a server that would log a client which does not. It does
// not wait for an answer, nor does it matter what becomes of it.
func (t *talk) leave(what string) { _, _ = io.WriteString(t.conn, what) }

// line reads a line, without its end.
func (t *talk) line(at phase) (string, error) {
	t.at = at
	line, err := t.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return "", wrongf(healthcheck.FailureProtocol, "line of more than %d KiB in %s", maxLine>>10, at)
	}
	return strings.TrimRight(string(line), "\r\n"), err
}

// bytes reads n bytes, at most maxLine.
func (t *talk) bytes(at phase, n int) ([]byte, error) {
	t.at = at
	b := make([]byte, n)
	_, err := io.ReadFull(t.r, b)
	return b, err
}

// reply reads a reply of SMTP (RFC 5321, section 4.2.1) or FTP (RFC 959, section
// 4.2): a line "250 text", or several, the first "250-text", the last "250 text".
func (t *talk) reply(at phase) (code string, lines []string, err error) {
	for len(lines) < maxLines {
		line, err := t.line(at)
		if err != nil {
			return "", nil, err
		}
		if code == "" {
			if !isReply(line) {
				return "", nil, wrongf(healthcheck.FailureProtocol, "no reply but %.60q in %s", line, at)
			}
			code = line[:3]
		}
		text, ours := strings.CutPrefix(line, code)
		lines = append(lines, strings.TrimLeft(text, "- "))
		if ours && !strings.HasPrefix(text, "-") {
			return code, lines, nil
		}
	}
	return "", nil, wrongf(healthcheck.FailureProtocol, "reply of more than %d lines in %s", maxLines, at)
}

// isReply reports whether a line begins with a reply code.
func isReply(line string) bool {
	if len(line) < 3 || line[0] < '1' || line[0] > '5' {
		return false
	}
	for _, c := range []byte(line[1:3]) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(line) == 3 || line[3] == ' ' || line[3] == '-'
}

// want reads a reply that must have the code.
func (t *talk) want(at phase, code string) (lines []string, err error) {
	got, lines, err := t.reply(at)
	if err == nil && got != code {
		err = wrongf(healthcheck.FailureStatus, "%s in %s, want %s: %s", got, at, code, lines[0])
	}
	return lines, err
}

var errTooMuch = wrongf(healthcheck.FailureProtocol, "the server says more than %d KiB", maxTalk>>10)

// A bounded reader fails where a server says more than it may.
type bounded struct {
	r    io.Reader
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooMuch
	}
	n, err := b.r.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
