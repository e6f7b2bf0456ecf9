package probe

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func FuzzLDAP(f *testing.F) {
	fuzzTalk(f, Options{Type: "ldap"}, []string{"\x64"}, ldapBound(0, "")+ldapFound, ldapBound(49, "no"), ldapBound(0, "")+ldapDone(2, 0), ldapNotice,
		"\x30\x80", "\x30\x84\xff\xff\xff\xff", "\x30\x82\x20\x00"+strings.Repeat("\x30\x80", 4096), "\x30\x06\x02\x04\x00\x00\x00\x01")
}

// FuzzBER: whatever is cut into elements, nothing is made up or lost, and it ends.
func FuzzBER(f *testing.F) {
	for _, s := range []string{ldapFound, ldapNotice, "\x30\x80\x00\x00", "\x30\x81\x80", "\x1f\x01\x00", "\x04\x85\x00\x00\x00\x00\x01", "\x04\x00", ""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for len(b) > 0 {
			tag, content, rest, err := berNext(b)
			if err != nil {
				return
			}
			if len(content)+len(rest) > len(b)-2 || tag != b[0] || !bytes.HasSuffix(b, rest) {
				t.Fatalf("%x: content %x, rest %x", b, content, rest)
			}
			if again, err := berInt(content); err == nil && again < 0 {
				t.Fatalf("%x: number %d", content, again)
			}
			if len(content) < 1<<16 { // written by us it is no longer, and means the same
				ours := ber(tag, content)
				_, back, none, err := berNext(ours)
				if err != nil || !bytes.Equal(back, content) || len(none) > 0 || len(ours) > len(b)-len(rest) {
					t.Fatalf("%x: written anew %x", b, ours)
				}
			}
			b = rest
		}
	})
}

// FuzzSIP: whatever a server says, it ends in a bounded printable line, and only what
// has our marks is an answer.
func FuzzSIP(f *testing.F) {
	p := &sipProber{tcp: true, host: "example.net"}
	r := newSIPRequest(p, netip.MustParseAddrPort("192.0.2.1:5060"))
	r.branch, r.call = "z9hG4bKb", "c"
	for _, s := range []string{
		"SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP x;branch=z9hG4bKb\r\nCall-ID: c\r\n\r\n",
		"SIP/2.0 100 Trying\r\nv: x;branch=z9hG4bKb\r\ni: c\r\n\r\nSIP/2.0 503 Busy\nv:;branch=z9hG4bKb\ni:c\n\n",
		"SIP/2.0 200 OK\r\nCall-ID: x\r\n\r\n", "\r\n\r\nSIP/2.0 999\r\n\r\n", "SIP/2.0 200", "\x00", "",
		strings.Repeat("\r\n", 3*maxLines), "SIP/2.0 200 OK\r\n" + strings.Repeat("a: b\r\n", 3*maxLines),
	} {
		f.Add([]byte(s), uint16(1000))
		f.Add([]byte(s), uint16(1))
	}
	f.Fuzz(func(t *testing.T, said []byte, piece uint16) {
		from := &recording{counted: counted{r: bytes.NewReader(said), piece: int(piece) + 1}}
		talk := newTalkOn(from)
		status, err := p.ask(talk, r)
		if from.n > maxTalk {
			t.Errorf("%d bytes read", from.n)
		}
		if err != nil {
			printable(t, failed(context.Background(), time.Now(), talk.at, err))
			return
		}
		if status.code < 200 || status.code > 699 || !bytes.Contains(said, []byte("branch=z9hG4bKb")) || !bytes.Contains(said, []byte("c")) {
			t.Errorf("an answer: %q", said)
		}
		// The same as a datagram means the same.
		rest := string(said)
		again, err := r.read(func() (string, error) {
			line, after, ended := strings.Cut(rest, "\n")
			if !ended {
				return "", io.EOF
			}
			rest = after
			return strings.TrimRight(line, "\r"), nil
		})
		if err == nil && again.code >= 200 && again != status {
			t.Errorf("%v and %v", again, status)
		}
	})
}

// FuzzRADIUS: nothing that is not signed with the secret is an answer.
func FuzzRADIUS(f *testing.F) {
	p := &radiusProber{secret: []byte(radiusSecret), login: Login{User: "alice", Password: "a password of more than sixteen bytes"}}
	request := p.request()
	good := radiusServer{code: 2, message: "hello"}.answer(request)[0]
	if detail, err := p.judge(request, good); err != nil {
		f.Fatal(detail, err)
	}
	for _, s := range [][]byte{good, good[:radiusHeader], request, radiusServer{code: 2, badSignature: true}.answer(request)[0], {}, append(bytes.Clone(good), 0)} {
		f.Add(s, true)
		f.Add(s, false)
	}
	f.Fuzz(func(t *testing.T, packet []byte, signed bool) {
		if signed && len(packet) >= radiusHeader { // what the server itself could have sent
			packet = bytes.Clone(packet)
			packet[1] = request[1]
			signRADIUS(p, request, packet)
		}
		detail, err := p.judge(request, packet)
		switch {
		case errors.Is(err, errStray):
		case err != nil:
			printable(t, failed(context.Background(), time.Now(), phaseAnswer, err))
		case !p.authentic(request, packet[:int(packet[2])<<8|int(packet[3])]) || packet[0] != radiusAccessAccept:
			t.Errorf("%s: %x", detail, packet)
		}
	})
}
