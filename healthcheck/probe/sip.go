package probe

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/healthcheck"
)

const maxSIPAnswers = 100 // that are passed over: interim ones, and those to somebody else

// A sipProber asks a SIP server for its OPTIONS (RFC 3261, section 11), over UDP, TCP
// or TLS.
type sipProber struct {
	dialer dialer
	tls    *tlsClient
	tcp    bool
	host   string
	accept []healthcheck.StatusRange
}

func newSIP(d dialer, o Options) (*sipProber, error) {
	if !isVisible(o.SIP.Host) || strings.ContainsAny(o.SIP.Host, "/@?#<>;\"") {
		return nil, fmt.Errorf("bad sip host %.100q", o.SIP.Host)
	}
	d.noDelay = true
	p := &sipProber{dialer: d, tcp: o.SIP.TCP, host: o.SIP.Host, accept: o.SIP.Status}
	if o.TLS.Enabled {
		var err error
		p.tls, err = newTLSClient(o.TLS, hostOnly(o.SIP.Host))
		return p, err
	}
	return p, nil
}

func (p *sipProber) Probe(ctx context.Context) healthcheck.Result {
	start := time.Now()
	c, err := p.dialer.dial(ctx)
	if err != nil {
		return failed(ctx, start, phaseConnect, err)
	}
	defer c.Close()
	from, err := c.localAddrPort()
	if err != nil {
		return failed(ctx, start, phaseConnect, local("name", err))
	}
	t := newTalkOn(c)
	if p.tls != nil {
		if err := t.secure(p.tls); err != nil {
			return failed(ctx, start, t.at, err)
		}
	}
	status, err := p.ask(t, newSIPRequest(p, from))
	switch {
	case err != nil:
		return failed(ctx, start, t.at, err)
	case !accepted(p.accept, status.code):
		return healthcheck.Failed(healthcheck.FailureStatus, fmt.Sprintf("sip %d %.40s, want %s", status.code, status.reason, ranges(p.accept)))
	}
	return healthcheck.Passed(fmt.Sprintf("sip %d in %v", status.code, rounded(time.Since(start))))
}

// ask sends the request and reads until its final answer.
func (p *sipProber) ask(t *talk, r sipRequest) (sipStatus, error) {
	if err := t.say(phaseRequest, r.text); err != nil {
		return sipStatus{}, err
	}
	for range maxSIPAnswers {
		status, err := p.answer(t, &r)
		switch {
		case p.tcp && errors.Is(err, errStray):
			return sipStatus{}, wrongf(healthcheck.FailureProtocol, "an answer to another request")
		case errors.Is(err, errStray), err == nil && status.code < 200: // trying
		default:
			return status, err
		}
	}
	return sipStatus{}, wrongf(healthcheck.FailureProtocol, "%d sip messages, none of which is the answer", maxSIPAnswers)
}

// answer reads one answer.
func (p *sipProber) answer(t *talk, r *sipRequest) (sipStatus, error) {
	if p.tcp {
		return r.read(func() (string, error) { return t.line(phaseAnswer) })
	}
	t.at = phaseAnswer
	datagram := make([]byte, maxDatagram)
	n, err := t.conn.Read(datagram)
	if err != nil && !errors.Is(err, io.EOF) { // an empty datagram reads like an end
		return sipStatus{}, err
	}
	rest := string(datagram[:n])
	return r.read(func() (string, error) {
		line, after, ended := strings.Cut(rest, "\n")
		if !ended {
			return "", wrongf(healthcheck.FailureProtocol, "sip answer cut off, or of more than %d KiB", maxDatagram>>10)
		}
		rest = after
		return strings.TrimSuffix(line, "\r"), nil
	})
}

// A sipRequest is a request with the marks by which its answer is known.
type sipRequest struct{ text, branch, call string }

func newSIPRequest(p *sipProber, from netip.AddrPort) sipRequest {
	transport, scheme := "UDP", "sip:"
	switch {
	case p.tls != nil:
		transport, scheme = "TLS", "sips:"
	case p.tcp:
		transport = "TCP"
	}
	us := from.String()
	r := sipRequest{branch: "z9hG4bK" + rand.Text(), call: rand.Text()}
	r.text = strings.Join([]string{
		"OPTIONS " + scheme + p.host + " SIP/2.0",
		"Via: SIP/2.0/" + transport + " " + us + ";rport;branch=" + r.branch,
		"Max-Forwards: 70", // with 0, which would be the truth, Kamailio as it is shipped answers 483
		"From: <" + scheme + "lbha@" + us + ">;tag=" + rand.Text(),
		"To: <" + scheme + p.host + ">",
		"Call-ID: " + r.call,
		"CSeq: 1 OPTIONS",
		"Contact: <" + scheme + "lbha@" + us + ">",
		"Accept: application/sdp",
		"User-Agent: lbha",
		"Content-Length: 0",
		"", "",
	}, "\r\n")
	return r
}

type sipStatus struct {
	code   int
	reason string
}

// read reads the header of an answer, line by line; errStray is one to another
// request. A body is left: an answer to OPTIONS that has one is over.
func (r *sipRequest) read(next func() (string, error)) (sipStatus, error) {
	line, err := next()
	for err == nil && line == "" { // RFC 3261, section 7.5: to be ignored before a message
		line, err = next()
	}
	if err != nil {
		return sipStatus{}, err
	}
	status, err := parseSIPStatus(line)
	if err != nil {
		return status, err
	}
	call, branch := false, false
	for range maxLines {
		line, err := next()
		if err != nil {
			return status, err
		}
		if line == "" {
			if !call || !branch {
				return status, errStray
			}
			return status, nil
		}
		name, value, _ := strings.Cut(line, ":")
		switch value = strings.TrimSpace(value); strings.ToLower(strings.TrimSpace(name)) {
		case "call-id", "i":
			call = value == r.call
		case "via", "v":
			branch = branch || strings.Contains(value, "branch="+r.branch)
		}
	}
	return status, wrongf(healthcheck.FailureProtocol, "sip header of more than %d lines", maxLines)
}

// parseSIPStatus reads the line "SIP/2.0 200 OK".
func parseSIPStatus(line string) (sipStatus, error) {
	rest, ok := strings.CutPrefix(line, "SIP/2.0 ")
	code, reason, _ := strings.Cut(rest, " ")
	n, err := strconv.Atoi(code)
	if !ok || len(code) != 3 || err != nil || n < 100 || n > 699 {
		return sipStatus{}, wrongf(healthcheck.FailureProtocol, "no sip answer but %.60q", line)
	}
	return sipStatus{n, reason}, nil
}

// localAddrPort is our end of a connection.
func (c *conn) localAddrPort() (name netip.AddrPort, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return name, err
	}
	if failed := raw.Control(func(fd uintptr) { name, err = localName(int(fd)) }); failed != nil {
		return name, failed
	}
	return name, err
}

// localName is the address of a socket.
func localName(fd int) (netip.AddrPort, error) {
	name, err := unix.Getsockname(fd)
	switch a := name.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port)), err
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port)), err
	}
	return netip.AddrPort{}, err
}
