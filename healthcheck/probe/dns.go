package probe

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/lbha/lbha/healthcheck"
)

// queryTypes are the types of records that can be asked for.
var queryTypes = map[string]dnsmessage.Type{
	"A": dnsmessage.TypeA, "AAAA": dnsmessage.TypeAAAA, "CNAME": dnsmessage.TypeCNAME, "MX": dnsmessage.TypeMX,
	"NS": dnsmessage.TypeNS, "PTR": dnsmessage.TypePTR, "SOA": dnsmessage.TypeSOA, "SRV": dnsmessage.TypeSRV, "TXT": dnsmessage.TypeTXT,
}

// rcodes are the outcomes that can be expected.
var rcodes = map[string]dnsmessage.RCode{
	"NOERROR": dnsmessage.RCodeSuccess, "FORMERR": dnsmessage.RCodeFormatError, "SERVFAIL": dnsmessage.RCodeServerFailure,
	"NXDOMAIN": dnsmessage.RCodeNameError, "NOTIMP": dnsmessage.RCodeNotImplemented, "REFUSED": dnsmessage.RCodeRefused,
}

// maxStrays is the number of datagrams that are passed over because they answer
// another question: late ones, or an attempt to answer in the server's place.
const maxStrays = 20

// A dnsProber asks a name server one question, over UDP or TCP.
type dnsProber struct {
	dialer   dialer
	tcp      bool
	question dnsmessage.Question
	rcode    dnsmessage.RCode
	answer   string // as [record] writes it; "": any
}

func newDNS(d dialer, o Options) (*dnsProber, error) {
	name, err := dnsmessage.NewName(strings.TrimSuffix(o.DNS.Name, ".") + ".")
	if err != nil {
		return nil, fmt.Errorf("bad dns name %.100q: %w", o.DNS.Name, err)
	}
	typ, known := queryTypes[o.DNS.Type]
	if !known {
		return nil, fmt.Errorf("unknown dns type %.20q", o.DNS.Type)
	}
	rcode, known := rcodes[o.DNS.RCode]
	if !known {
		return nil, fmt.Errorf("unknown dns rcode %.20q", o.DNS.RCode)
	}
	p := &dnsProber{
		dialer:   d,
		tcp:      o.DNS.TCP,
		question: dnsmessage.Question{Name: name, Type: typ, Class: dnsmessage.ClassINET},
		rcode:    rcode,
		answer:   plainRecord(o.DNS.Answer),
	}
	p.dialer.noDelay = true
	_, err = p.query(0) // a name may be too long in a part
	return p, err
}

func (p *dnsProber) Probe(ctx context.Context) healthcheck.Result {
	start := time.Now()
	id := uint16(rand.Uint32())
	query, err := p.query(id)
	if err != nil {
		return failed(ctx, start, phaseRequest, local("query", err))
	}
	c, err := p.dialer.dial(ctx)
	if err != nil {
		return failed(ctx, start, phaseConnect, err)
	}
	defer c.Close()
	ask := p.askUDP
	if p.tcp {
		ask = p.askTCP
	}
	t := newTalkOn(c)
	detail, err := ask(t, id, query)
	if err != nil {
		return failed(ctx, start, t.at, err)
	}
	return healthcheck.Passed(fmt.Sprintf("%s in %v", detail, rounded(time.Since(start))))
}

// query is the message that asks.
func (p *dnsProber) query(id uint16) ([]byte, error) {
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: id, RecursionDesired: true},
		Questions: []dnsmessage.Question{p.question},
	}
	return m.Pack()
}

// askUDP reads datagrams until one answers the query.
func (p *dnsProber) askUDP(t *talk, id uint16, query []byte) (string, error) {
	if err := t.say(phaseRequest, string(query)); err != nil {
		return "", err
	}
	t.at = phaseAnswer
	datagram := make([]byte, maxDatagram)
	for range maxStrays {
		n, err := t.conn.Read(datagram)
		if err != nil && !errors.Is(err, io.EOF) { // an empty datagram reads like an end
			return "", err
		}
		detail, err := p.judge(datagram[:n], id)
		if !errors.Is(err, errStray) {
			return detail, err
		}
	}
	return "", wrongf(healthcheck.FailureProtocol, "%d datagrams, none of which answers the question", maxStrays)
}

// askTCP reads the one message that answers the query (RFC 7766, section 8).
func (p *dnsProber) askTCP(t *talk, id uint16, query []byte) (string, error) {
	if err := t.say(phaseRequest, string(binary.BigEndian.AppendUint16(nil, uint16(len(query))))+string(query)); err != nil {
		return "", err
	}
	size, err := t.bytes(phaseAnswer, 2)
	if err != nil {
		return "", err
	}
	message, err := t.bytes(phaseAnswer, int(binary.BigEndian.Uint16(size)))
	if err != nil {
		return "", err
	}
	detail, err := p.judge(message, id)
	if errors.Is(err, errStray) {
		err = wrongf(healthcheck.FailureProtocol, "an answer to another question")
	}
	return detail, err
}

// errStray is the one of a message that does not answer the query.
var errStray = errors.New("stray")

// judge reads a message of the server.
func (p *dnsProber) judge(message []byte, id uint16) (detail string, err error) {
	var parser dnsmessage.Parser
	head, err := parser.Start(message)
	if err != nil || head.ID != id || !head.Response {
		return "", errStray
	}
	malformed := func(err error) error {
		return wrongf(healthcheck.FailureProtocol, "malformed dns answer: %v", err)
	}
	questions, err := parser.AllQuestions()
	switch {
	case err != nil:
		return "", malformed(err)
	case len(questions) == 0 && head.RCode != dnsmessage.RCodeSuccess: // it need not repeat one that it did not read
	case len(questions) != 1 || !p.asked(questions[0]):
		return "", errStray
	}
	if head.RCode != p.rcode {
		return "", wrongf(healthcheck.FailureDNS, "dns %s, want %s", rcodeName(head.RCode), rcodeName(p.rcode))
	}
	found, count, err := p.search(&parser)
	switch {
	case err != nil:
		return "", malformed(err)
	case found || p.answer == "":
		return fmt.Sprintf("dns %s with %d answers", rcodeName(head.RCode), count), nil
	case head.Truncated:
		return "", wrongf(healthcheck.FailureDNS, "dns answer is truncated and lacks %.60q: ask over tcp", p.answer)
	}
	return "", wrongf(healthcheck.FailureDNS, "no %.60q among %d answers", p.answer, count)
}

// asked reports whether q is the question of the query.
func (p *dnsProber) asked(q dnsmessage.Question) bool {
	return q.Type == p.question.Type && q.Class == p.question.Class && strings.EqualFold(q.Name.String(), p.question.Name.String())
}

// search looks for the wanted answer, and counts those of the type asked for.
func (p *dnsProber) search(parser *dnsmessage.Parser) (found bool, count int, err error) {
	for {
		head, err := parser.AnswerHeader()
		if errors.Is(err, dnsmessage.ErrSectionDone) {
			return found, count, nil
		}
		if err != nil {
			return false, 0, err
		}
		if head.Type != p.question.Type {
			if err := parser.SkipAnswer(); err != nil {
				return false, 0, err
			}
			continue
		}
		r, err := parser.Answer()
		if err != nil {
			return false, 0, err
		}
		count++
		found = found || plainRecord(record(r.Body)) == p.answer
	}
}

func rcodeName(code dnsmessage.RCode) string {
	for name, c := range rcodes {
		if c == code {
			return name
		}
	}
	return fmt.Sprintf("rcode %d", code)
}
