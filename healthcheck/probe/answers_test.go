package probe

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"net"
	"strings"
)

// ldapMessage is an LDAPMessage.
func ldapMessage(id byte, op []byte) string {
	return string(ber(berSequence, ber(berInteger, berNumber(id)), op))
}

// ldapResultOf is the content of an LDAPResult.
func ldapResultOf(code byte, text string) []byte {
	return bytes.Join([][]byte{ber(berEnumerated, berNumber(code)), ber(berOctetString), ber(berOctetString, []byte(text))}, nil)
}

// ldapBound is the answer to the bind that is the first request.
func ldapBound(code byte, text string) string {
	return ldapMessage(1, ber(ldapBindResponse, ldapResultOf(code, text)))
}

func ldapDone(id, code byte) string {
	return ldapMessage(id, ber(ldapSearchDone, ldapResultOf(code, "")))
}

var (
	// ldapFound is the answer to the search that is the second request.
	ldapFound = ldapMessage(2, ber(ldapSearchEntry, ber(berOctetString), ber(berSequence))) + ldapDone(2, 0)

	ldapNotice = ldapMessage(0, ber(ldapExtendedResponse, ldapResultOf(52, "shutting down"), ber(0x8a, []byte("1.3.6.1.4.1.1466.20036"))))
)

// sipAnswers answers a request with each status, as RFC 3261, section 8.2.6 has it, if
// it is one.
func sipAnswers(status ...string) func([]byte) [][]byte {
	return func(request []byte) (answers [][]byte) {
		head := map[string]string{}
		for i, line := range strings.Split(string(request), "\r\n") {
			name, value, _ := strings.Cut(line, ": ")
			if i == 0 && (!strings.HasPrefix(line, "OPTIONS sip") || !strings.HasSuffix(line, " SIP/2.0")) {
				return nil
			}
			head[name] = value
		}
		for _, s := range status {
			answers = append(answers, fmt.Appendf(nil, "SIP/2.0 %s\r\nv: %s;received=127.0.0.1\r\nFrom: %s\r\nTo: %s;tag=x\r\nCall-ID: %s\r\nCSeq: %s\r\nContent-Length: 0\r\n\r\n",
				s, head["Via"], head["From"], head["To"], head["Call-ID"], head["CSeq"]))
		}
		return answers
	}
}

// sipPeer is sipAnswers on a connection.
func sipPeer(answers func([]byte) [][]byte) peer {
	return func(c net.Conn) {
		for _, a := range answers([]byte(request(c))) {
			c.Write(a)
		}
		hangup(c)
	}
}

const radiusSecret = "shared"

// A radiusServer lets alice in, whose password it knows, and answers only what is signed.
// Its answer has the code; the zero value of all else is a server that does all right.
type radiusServer struct {
	code         byte
	message      string
	secret       string // other than the right one
	badSignature bool   // of the Message-Authenticator
	id           byte   // added to the identifier
}

func (s radiusServer) answer(request []byte) [][]byte {
	p := &radiusProber{secret: []byte(radiusSecret)}
	code, user, password := s.code, "", []byte(nil)
	for at := radiusHeader; at < len(request); at += int(request[at+1]) {
		value := request[at+2 : at+int(request[at+1])]
		switch request[at] {
		case radiusUserName:
			user = string(value)
		case radiusUserPassword:
			before := request[4:radiusHeader]
			for i := 0; i < len(value); i += md5.Size {
				pad := md5.Sum(append([]byte(radiusSecret), before...))
				for j, b := range value[i : i+md5.Size] {
					password = append(password, b^pad[j])
				}
				before = value[i : i+md5.Size]
			}
		case radiusMessageAuthenticator:
			unsigned := bytes.Clone(request)
			clear(unsigned[at+2 : at+2+md5.Size])
			if !hmac.Equal(p.sign(unsigned), value) {
				return nil
			}
		}
	}
	message := s.message
	if request[0] == radiusAccessRequest && (user != "alice" || string(bytes.TrimRight(password, "\x00")) != "a password of more than sixteen bytes") {
		code, message = radiusAccessReject, "no \x1b[2J entry"
	}
	if s.secret != "" {
		p.secret = []byte(s.secret)
	}
	b := append([]byte{code, request[1] + s.id, 0, 0}, request[4:radiusHeader]...)
	b = radiusAttribute(b, radiusMessageAuthenticator, make([]byte, md5.Size))
	if message != "" {
		b = radiusAttribute(b, radiusReplyMessage, []byte(message))
	}
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	copy(b[radiusHeader+2:], p.sign(b))
	if s.badSignature {
		b[radiusHeader+2] ^= 1
	}
	signRADIUS(p, request, b)
	return [][]byte{b}
}

// signRADIUS puts the authenticator into an answer.
func signRADIUS(p *radiusProber, request, b []byte) {
	copy(b[4:], request[4:radiusHeader])
	h := md5.Sum(append(bytes.Clone(b[:min(len(b), int(binary.BigEndian.Uint16(b[2:])))]), p.secret...))
	copy(b[4:], h[:])
}
