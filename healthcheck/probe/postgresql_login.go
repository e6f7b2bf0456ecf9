package probe

import (
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/lbha/lbha/healthcheck"
)

// What a server of PostgreSQL asks for in a message 'R'.
const (
	postgresqlIn        = 0 // nothing more: we are in
	postgresqlCleartext = 3
	postgresqlMD5       = 5
	postgresqlSASL      = 10
	postgresqlSASLMore  = 11
	postgresqlSASLFinal = 12
)

// postgresqlLogin logs in the way the server asks, until it lets us in. The password
// itself is said only within TLS.
func (t *talk) postgresqlLogin(login Login, request []byte) error {
	kind, data, err := postgresqlRequest(request)
	if err != nil {
		return err
	}
	switch kind {
	case postgresqlIn:
		return nil
	case postgresqlCleartext:
		if t.session == nil {
			return wrongf(healthcheck.FailureStatus, "postgresql wants the password itself: that needs tls")
		}
		if err := t.say(phaseAuth, "p"+sized([]byte(login.Password+"\x00"))); err != nil {
			return err
		}
	case postgresqlMD5:
		if len(data) != 4 {
			return wrongf(healthcheck.FailureProtocol, "postgresql asks for a login with a salt of %d bytes", len(data))
		}
		inner := md5.Sum([]byte(login.Password + login.User))
		outer := md5.Sum(append([]byte(hex.EncodeToString(inner[:])), data...))
		if err := t.say(phaseAuth, "p"+sized([]byte("md5"+hex.EncodeToString(outer[:])+"\x00"))); err != nil {
			return err
		}
	case postgresqlSASL:
		if mechanisms := strings.Split(string(data), "\x00"); !slices.Contains(mechanisms, scramName) {
			return wrongf(healthcheck.FailureStatus, "postgresql wants a login by %.60q: only %s is spoken", mechanisms[0], scramName)
		}
		if err := t.postgresqlSCRAM(login.Password); err != nil {
			return err
		}
	default:
		return wrongf(healthcheck.FailureStatus, "postgresql wants a login of kind %d, which is not spoken", kind)
	}
	_, err = t.postgresqlAsked(postgresqlIn)
	return err
}

// postgresqlSCRAM is SASL with SCRAM-SHA-256 (RFC 5802, 7677), in which the server shows
// as well that it knows the password.
func (t *talk) postgresqlSCRAM(password string) error {
	s := newSCRAM(password)
	first := s.first()
	message := binary.BigEndian.AppendUint32([]byte(scramName+"\x00"), uint32(len(first)))
	if err := t.say(phaseAuth, "p"+sized(append(message, first...))); err != nil {
		return err
	}
	challenge, err := t.postgresqlAsked(postgresqlSASLMore)
	if err != nil {
		return err
	}
	final, err := s.answer(string(challenge))
	if err != nil {
		return err
	}
	if err := t.say(phaseAuth, "p"+sized([]byte(final))); err != nil {
		return err
	}
	proof, err := t.postgresqlAsked(postgresqlSASLFinal)
	if err != nil {
		return err
	}
	return s.verify(string(proof))
}

// postgresqlAsked reads a message that must be the next one of a login.
func (t *talk) postgresqlAsked(want uint32) (data []byte, err error) {
	kind, body, err := t.postgresqlMessage(phaseAuth)
	switch {
	case err != nil:
		return nil, err
	case kind == 'E':
		return nil, postgresqlRefused(body)
	case kind != 'R':
		return nil, wrongf(healthcheck.FailureProtocol, "postgresql message of type %q in %s", kind, phaseAuth)
	}
	got, data, err := postgresqlRequest(body)
	if err == nil && got != want {
		err = wrongf(healthcheck.FailureProtocol, "postgresql asks for a login of kind %d, want %d", got, want)
	}
	return data, err
}

// postgresqlRequest takes a message 'R' apart.
func postgresqlRequest(body []byte) (kind uint32, data []byte, err error) {
	if len(body) < 4 {
		return 0, nil, wrongf(healthcheck.FailureProtocol, "postgresql asks for a login in %d bytes", len(body))
	}
	return binary.BigEndian.Uint32(body), body[4:], nil
}
