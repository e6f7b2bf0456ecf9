package probe

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/lbha/lbha/healthcheck"
)

// The packets and attributes of RADIUS that we know (RFC 2865, 2866, 3579, 5997).
const (
	radiusAccessRequest      = 1
	radiusAccessAccept       = 2
	radiusAccessReject       = 3
	radiusAccountingResponse = 5
	radiusAccessChallenge    = 11
	radiusStatusServer       = 12

	radiusUserName             = 1
	radiusUserPassword         = 2
	radiusReplyMessage         = 18
	radiusNASIdentifier        = 32
	radiusMessageAuthenticator = 80

	radiusHeader  = 20 // code, identifier, length in two bytes, authenticator
	maxRADIUSText = 128
)

var radiusCodes = map[byte]string{
	radiusAccessAccept: "Access-Accept", radiusAccessReject: "Access-Reject",
	radiusAccountingResponse: "Accounting-Response", radiusAccessChallenge: "Access-Challenge",
}

// A radiusProber logs a user in at a RADIUS server, by PAP, or, without a user, asks
// the server how it is (Status-Server, RFC 5997). Both ways every packet is signed, and
// only an answer that is signed with our secret is one.
type radiusProber struct {
	dialer dialer
	secret []byte
	login  Login
}

func newRADIUS(d dialer, o Options) (*radiusProber, error) {
	switch {
	case o.RADIUS.Secret == "":
		return nil, errors.New("radius needs the secret that is shared with the server")
	case max(len(o.RADIUS.Secret), len(o.Login.User), len(o.Login.Password)) > maxRADIUSText:
		return nil, fmt.Errorf("a secret, name or password of radius has more than %d bytes", maxRADIUSText)
	case o.Login.User == "" && o.Login.Password != "":
		return nil, errors.New("a password without a name")
	}
	return &radiusProber{d, []byte(o.RADIUS.Secret), o.Login}, nil
}

func (p *radiusProber) Probe(ctx context.Context) healthcheck.Result {
	start := time.Now()
	c, err := p.dialer.dial(ctx)
	if err != nil {
		return failed(ctx, start, phaseConnect, err)
	}
	defer c.Close()
	request := p.request()
	if _, err := c.Write(request); err != nil {
		return failed(ctx, start, phaseRequest, err)
	}
	strays := 0
	for datagram := make([]byte, maxDatagram+1); strays < maxStrays; strays++ {
		n, err := c.Read(datagram)
		if err != nil && !errors.Is(err, io.EOF) { // an empty datagram reads like an end
			if f, _ := classify(phaseAnswer, err); f == healthcheck.FailureTimeout && strays > 0 {
				return healthcheck.Failed(healthcheck.FailureProtocol, fmt.Sprintf("answers that are not signed with our secret: %d", strays))
			}
			return failed(ctx, start, phaseAnswer, err)
		}
		detail, err := p.judge(request, datagram[:n])
		switch {
		case errors.Is(err, errStray): // RFC 2865, section 3: to be discarded in silence
		case err != nil:
			return failed(ctx, start, phaseAnswer, err)
		default:
			return healthcheck.Passed(fmt.Sprintf("%s in %v", detail, rounded(time.Since(start))))
		}
	}
	return healthcheck.Failed(healthcheck.FailureProtocol, fmt.Sprintf("answers that are not signed with our secret: %d", strays))
}

// request is a packet that asks, with an authenticator of its own.
func (p *radiusProber) request() []byte {
	b := make([]byte, radiusHeader, 256)
	rand.Read(b[1:])
	b[0] = radiusStatusServer
	if p.login.User != "" {
		b[0] = radiusAccessRequest
	}
	signature := len(b) + 2
	b = radiusAttribute(b, radiusMessageAuthenticator, make([]byte, md5.Size))
	if p.login.User != "" {
		b = radiusAttribute(b, radiusUserName, []byte(p.login.User))
		b = radiusAttribute(b, radiusUserPassword, p.hide(b[4:radiusHeader]))
	}
	b = radiusAttribute(b, radiusNASIdentifier, []byte("lbha"))
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	copy(b[signature:], p.sign(b))
	return b
}

func radiusAttribute(b []byte, kind byte, value []byte) []byte {
	return append(append(b, kind, byte(2+len(value))), value...)
}

// hide encrypts the password (RFC 2865, section 5.2).
func (p *radiusProber) hide(authenticator []byte) []byte {
	size := max(1, (len(p.login.Password)+md5.Size-1)/md5.Size) * md5.Size
	hidden := make([]byte, size)
	copy(hidden, p.login.Password)
	for i, before := 0, authenticator; i < size; i += md5.Size {
		block := hidden[i : i+md5.Size]
		pad := md5.Sum(append(bytes.Clone(p.secret), before...))
		for j := range block {
			block[j] ^= pad[j]
		}
		before = block
	}
	return hidden
}

// sign returns the Message-Authenticator of a packet in which it is still zero.
func (p *radiusProber) sign(packet []byte) []byte {
	mac := hmac.New(md5.New, p.secret)
	mac.Write(packet)
	return mac.Sum(nil)
}

// judge reads what may be the answer to the request.
func (p *radiusProber) judge(request, packet []byte) (detail string, err error) {
	if len(packet) < radiusHeader || packet[1] != request[1] {
		return "", errStray
	}
	n := int(binary.BigEndian.Uint16(packet[2:]))
	if n < radiusHeader || n > len(packet) || n > maxDatagram {
		return "", errStray
	}
	packet = packet[:n] // what follows is padding
	if !p.authentic(request, packet) {
		return "", errStray
	}
	said, err := p.attributes(request, packet)
	if err != nil {
		return "", err
	}
	name := radiusCodes[packet[0]]
	switch code := packet[0]; {
	case code == radiusAccessAccept, code == radiusAccountingResponse && request[0] == radiusStatusServer:
		return "radius " + name, nil
	case name == "":
		return "", wrongf(healthcheck.FailureProtocol, "radius answer of code %d", code)
	case len(said) > 0:
		return "", wrongf(healthcheck.FailureStatus, "radius %s: %.80s", name, said)
	}
	return "", wrongf(healthcheck.FailureStatus, "radius %s", name)
}

// authentic reports whether the authenticator of an answer is the one that the secret
// makes of it and the request (RFC 2865, section 3).
func (p *radiusProber) authentic(request, packet []byte) bool {
	h := md5.New()
	h.Write(packet[:4])
	h.Write(request[4:radiusHeader])
	h.Write(packet[radiusHeader:])
	h.Write(p.secret)
	return hmac.Equal(h.Sum(nil), packet[4:radiusHeader])
}

// attributes walks over the attributes of an answer. It verifies the
// Message-Authenticator, which not every server sends, and returns the message.
func (p *radiusProber) attributes(request, packet []byte) (message []byte, err error) {
	for at := radiusHeader; at < len(packet); {
		if len(packet)-at < 2 || packet[at+1] < 2 || int(packet[at+1]) > len(packet)-at {
			return nil, wrongf(healthcheck.FailureProtocol, "malformed radius answer")
		}
		kind, value := packet[at], packet[at+2:at+int(packet[at+1])]
		switch kind {
		case radiusReplyMessage:
			message = value
		case radiusMessageAuthenticator:
			if len(value) != md5.Size {
				return nil, wrongf(healthcheck.FailureProtocol, "malformed radius answer")
			}
			signed := bytes.Clone(packet)
			copy(signed[4:], request[4:radiusHeader])
			clear(signed[at+2 : at+2+md5.Size])
			if !hmac.Equal(p.sign(signed), value) {
				return nil, errStray
			}
		}
		at += int(packet[at+1])
	}
	return message, nil
}
