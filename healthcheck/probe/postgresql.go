package probe

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"

	"github.com/lbha/lbha/healthcheck"
)

const phaseStartup phase = "startup"

// maxText is the length of a name or password that we send, in bytes.
const maxText = 1024

func newPostgreSQL(d dialer, o Options) (*talkProber, error) {
	p, err := newTalk(d, o, nil)
	if err != nil {
		return nil, err
	}
	// TLS begins when the server has agreed to it.
	p.converse, err = postgresql(o.Login, o.Database, p.tls)
	p.tls = nil
	return p, err
}

// postgresql begins a session of PostgreSQL (protocol 3.0). With a password it logs in,
// and waits until the server is ready for a query. Without, it ends where the server
// asks for the password: it has found out by then whether it takes connections at all.
// Without a user name of ours to be let in, being refused by the rules of pg_hba.conf or
// as an unknown role proves as much.
func postgresql(login Login, database string, client *tlsClient) (conversation, error) {
	known := login.User != ""
	if !known {
		login.User = "lbha"
	}
	for _, text := range []string{login.User, login.Password, database} {
		if strings.ContainsRune(text, 0) || len(text) > maxText {
			return nil, errors.New("a user name, password or database has no NUL and at most 1024 bytes")
		}
	}
	startup := binary.BigEndian.AppendUint32(nil, 3<<16)
	startup = append(startup, "user\x00"+login.User+"\x00"...)
	if database != "" {
		startup = append(startup, "database\x00"+database+"\x00"...)
	}
	startup = append(startup, 0)
	return func(t *talk) (string, error) {
		if client != nil {
			if err := t.postgresqlTLS(client); err != nil {
				return "", err
			}
		}
		if err := t.say(phaseStartup, sized(startup)); err != nil {
			return "", err
		}
		kind, body, err := t.postgresqlMessage(phaseStartup)
		if err != nil {
			return "", err
		}
		switch {
		case kind == 'R' && login.Password != "":
			if err := t.postgresqlLogin(login, body); err != nil {
				return "", err
			}
			if err := t.postgresqlReady(); err != nil {
				return "", err
			}
			t.leave("X\x00\x00\x00\x04") // Terminate
			return t.inTLS("postgresql ready for a query"), nil
		case kind == 'R':
			return "postgresql ready", nil
		case kind == 'E':
			err := postgresqlRefused(body)
			if state, _ := postgresqlError(body); !known && strings.HasPrefix(state, "28") { // invalid authorization specification
				return "postgresql ready", nil
			}
			return "", err
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

// postgresqlReady reads on until the server is ready for a query: parameters, a key to
// cancel with, notices. What bounds them is maxTalk.
func (t *talk) postgresqlReady() error {
	for {
		kind, body, err := t.postgresqlMessage(phaseAnswer)
		switch {
		case err != nil:
			return err
		case kind == 'Z':
			return nil
		case kind == 'E':
			return postgresqlRefused(body)
		case kind != 'S' && kind != 'K' && kind != 'N':
			return wrongf(healthcheck.FailureProtocol, "postgresql message of type %q after the login", kind)
		}
	}
}

// postgresqlMessage reads a message: its type, then its length and content.
func (t *talk) postgresqlMessage(at phase) (kind byte, body []byte, err error) {
	head, err := t.bytes(at, 5)
	if err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n < 4 || n > maxLine {
		return 0, nil, wrongf(healthcheck.FailureProtocol, "no postgresql server: it begins with %x", head)
	}
	body, err = t.bytes(at, int(n)-4)
	return head[0], body, err
}

// postgresqlRefused is the error of a server as ours.
func postgresqlRefused(body []byte) error {
	state, text := postgresqlError(body)
	switch {
	case state == "28P01": // invalid password; 28000 says itself which rule it was
		return wrongf(healthcheck.FailureStatus, "login refused: postgresql error %s: %s", state, text)
	case state == "3D000":
		return wrongf(healthcheck.FailureStatus, "no such database: postgresql error %s: %s", state, text)
	}
	return wrongf(healthcheck.FailureStatus, "postgresql error %s: %s", state, text)
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
