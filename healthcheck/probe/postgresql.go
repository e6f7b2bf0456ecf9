package probe

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"

	"github.com/lbha/lbha/healthcheck"
)

const phaseStartup phase = "startup"

func newPostgreSQL(d dialer, o Options) (*talkProber, error) {
	p, err := newTalk(d, o, nil)
	if err != nil {
		return nil, err
	}
	// TLS begins when the server has agreed to it.
	p.converse, err = postgresql(o.Login.User, p.tls)
	p.tls = nil
	return p, err
}

// postgresql begins a session of PostgreSQL (protocol 3.0) and ends it where the
// server asks for the password: it has found out by then whether it takes
// connections at all. Without a user name of ours to be let in, being refused by the
// rules of pg_hba.conf or as an unknown role proves as much.
func postgresql(user string, client *tlsClient) (conversation, error) {
	known := user != ""
	if !known {
		user = "lbha"
	}
	if strings.ContainsRune(user, 0) {
		return nil, errors.New("a user name has no NUL")
	}
	startup := binary.BigEndian.AppendUint32(nil, 3<<16)
	startup = append(startup, "user\x00"+user+"\x00\x00"...)
	return func(t *talk) (string, error) {
		if client != nil {
			if err := t.postgresqlTLS(client); err != nil {
				return "", err
			}
		}
		if err := t.say(phaseStartup, sized(startup)); err != nil {
			return "", err
		}
		kind, body, err := t.postgresqlMessage()
		if err != nil {
			return "", err
		}
		switch kind {
		case 'R':
			return "postgresql ready", nil
		case 'E':
			state, text := postgresqlError(body)
			if !known && strings.HasPrefix(state, "28") { // invalid authorization specification
				return "postgresql ready", nil
			}
			return "", wrongf(healthcheck.FailureStatus, "postgresql error %s: %s", state, text)
		}
		return "", wrongf(healthcheck.FailureProtocol, "no postgresql server: its message is of type %q", kind)
	}, nil
}

// postgresqlTLS asks for TLS: 'S' is yes.
func (t *talk) postgresqlTLS(client *tlsClient) error {
	if err := t.say(phaseStartTLS, sized(binary.BigEndian.AppendUint32(nil, 80877103))); err != nil {
		return err
	}
	answer, err := t.bytes(phaseStartTLS, 1)
	switch {
	case err != nil:
		return err
	case answer[0] == 'S':
		return t.secure(client)
	case answer[0] == 'N':
		return wrongf(healthcheck.FailureTLS, "the server does not offer TLS")
	}
	return wrongf(healthcheck.FailureProtocol, "no postgresql server: it answers %q", answer)
}

// postgresqlMessage reads a message: its type, then its length and content.
func (t *talk) postgresqlMessage() (kind byte, body []byte, err error) {
	head, err := t.bytes(phaseStartup, 5)
	if err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n < 4 || n > maxLine {
		return 0, nil, wrongf(healthcheck.FailureProtocol, "no postgresql server: it begins with %x", head)
	}
	body, err = t.bytes(phaseStartup, int(n)-4)
	return head[0], body, err
}

// postgresqlError finds code and text in the fields of an error.
func postgresqlError(body []byte) (state, text string) {
	for field := range bytes.SplitSeq(body, []byte{0}) {
		switch {
		case len(field) == 0:
		case field[0] == 'C':
			state = string(field[1:])
		case field[0] == 'M':
			text = string(field[1:])
		}
	}
	return state, text
}

// sized puts the length of a message, itself included, before it.
func sized(b []byte) string {
	return string(binary.BigEndian.AppendUint32(nil, uint32(len(b)+4))) + string(b)
}
