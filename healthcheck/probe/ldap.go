package probe

import (
	"errors"
	"fmt"

	"github.com/lbha/lbha/healthcheck"
)

const (
	phaseBind   phase = "bind"
	phaseSearch phase = "search"
)

// Bounds of what a directory may make us read, and of what we say.
const (
	maxLDAP         = 16 << 10 // bytes of a message
	maxLDAPMessages = 100      // messages before the one that ends an operation
	maxLDAPText     = 1 << 10  // bytes of a name or password
)

// The operations of LDAP (RFC 4511, section 4.2 and on), as tags.
const (
	ldapBindRequest      = 0x60
	ldapBindResponse     = 0x61
	ldapUnbindRequest    = 0x42
	ldapSearchRequest    = 0x63
	ldapSearchEntry      = 0x64
	ldapSearchDone       = 0x65
	ldapSearchReference  = 0x73
	ldapExtendedRequest  = 0x77
	ldapExtendedResponse = 0x78
	ldapIntermediate     = 0x79
)

const ldapStartTLS = "1.3.6.1.4.1.1466.20037" // RFC 4511, section 4.14

// ldapResults are the results that need a name for people.
var ldapResults = map[int]string{
	1: "operationsError", 2: "protocolError", 3: "timeLimitExceeded", 7: "authMethodNotSupported", 8: "strongerAuthRequired",
	10: "referral", 11: "adminLimitExceeded", 13: "confidentialityRequired", 32: "noSuchObject", 34: "invalidDNSyntax",
	48: "inappropriateAuthentication", 49: "invalidCredentials", 50: "insufficientAccessRights", 51: "busy", 52: "unavailable",
	53: "unwillingToPerform", 80: "other",
}

// ldap binds to a directory, anonymously if there is no login, and reads one entry of
// it: the root DSE (RFC 4512, section 5.1), which every server has and shows to
// anybody, or the entry of a name. A server that accepts connections while its
// database is gone has the one and lacks the other.
func ldap(o LDAP, login Login, starttls *tlsClient) (conversation, error) {
	switch {
	case max(len(o.Base), len(login.User), len(login.Password)) > maxLDAPText:
		return nil, fmt.Errorf("a name or password of ldap has more than %d bytes", maxLDAPText)
	case login.User != "" && login.Password == "":
		return nil, errors.New("a bind with a name and no password proves nothing") // RFC 4513, section 5.1.2
	}
	extended := ber(ldapExtendedRequest, ber(0x80, []byte(ldapStartTLS)))
	bind := ber(ldapBindRequest, ber(berInteger, berNumber(3)), ber(berOctetString, []byte(login.User)), ber(0x80, []byte(login.Password)))
	search := ber(ldapSearchRequest,
		ber(berOctetString, []byte(o.Base)),
		ber(berEnumerated, berNumber(0)),                     // this entry alone
		ber(berEnumerated, berNumber(0)),                     // aliases as they are
		ber(berInteger, berNumber(1)),                        // one entry at most
		ber(berInteger, berNumber(0)),                        // no time limit but ours
		ber(berBoolean, []byte{0}),                           // (of what attributes there are) types and values
		ber(0x87, []byte("objectClass")),                     // is present: every entry has one
		ber(berSequence, ber(berOctetString, []byte("1.1")))) // no attributes
	return func(t *talk) (string, error) {
		l := ldapSession{talk: t}
		if starttls != nil {
			if _, err := l.operation(phaseStartTLS, extended, ldapExtendedResponse); err != nil {
				return "", asTLS(err)
			}
			if err := t.secure(starttls); err != nil {
				return "", err
			}
		}
		if _, err := l.operation(phaseBind, bind, ldapBindResponse); err != nil {
			return "", err
		}
		entries, err := l.operation(phaseSearch, search, ldapSearchDone)
		switch {
		case err != nil:
			return "", err
		case entries == 0:
			return "", wrongf(healthcheck.FailureBody, "ldap: no entry %.60q to be seen", o.Base)
		}
		l.id++
		t.leave(string(ber(berSequence, ber(berInteger, berNumber(l.id)), ber(ldapUnbindRequest))))
		return t.inTLS("ldap ready"), nil
	}, nil
}

// asTLS makes a server's refusal to begin TLS what it is to us.
func asTLS(err error) error {
	if w, ok := errors.AsType[*wrong](err); ok && w.failure == healthcheck.FailureStatus {
		return wrongf(healthcheck.FailureTLS, "%s", w.detail)
	}
	return err
}

// An ldapSession numbers what is asked.
type ldapSession struct {
	*talk
	id byte
}

// operation sends a request and reads messages until the one that ends it, with its
// result. It returns how many entries came before.
func (l *ldapSession) operation(at phase, request []byte, end byte) (entries int, err error) {
	l.id++
	if err := l.say(at, string(ber(berSequence, ber(berInteger, berNumber(l.id)), request))); err != nil {
		return 0, err
	}
	for range maxLDAPMessages {
		id, op, content, err := l.message(at)
		if err != nil {
			return 0, err
		}
		notice := id == 0 && op == ldapExtendedResponse // of disconnection: RFC 4511, section 4.4.1
		switch {
		case notice, id == int(l.id) && op == end:
			code, text, err := ldapResult(content)
			switch {
			case err != nil:
				return 0, wrongf(healthcheck.FailureProtocol, "malformed ldap result in %s", at)
			case code != 0 || notice:
				return 0, wrongf(healthcheck.FailureStatus, "%s", describeLDAP(at, code, text))
			}
			return entries, nil
		case id == int(l.id) && op == ldapSearchEntry:
			entries++
		case op != ldapSearchReference && op != ldapIntermediate:
			return 0, wrongf(healthcheck.FailureProtocol, "an ldap message of type %#x in %s", op, at)
		}
	}
	return 0, wrongf(healthcheck.FailureProtocol, "more than %d ldap messages in %s", maxLDAPMessages, at)
}

// message reads an LDAPMessage: its number, and its operation.
func (l *ldapSession) message(at phase) (id int, op byte, content []byte, err error) {
	head, err := l.bytes(at, 2)
	if err != nil {
		return 0, 0, nil, err
	}
	if head[0] != berSequence {
		return 0, 0, nil, wrongf(healthcheck.FailureProtocol, "no ldap server: it begins with %x", head)
	}
	n, err := berLength(head[1], func(n int) ([]byte, error) { return l.bytes(at, n) })
	switch {
	case errors.Is(err, errBER):
		return 0, 0, nil, wrongf(healthcheck.FailureProtocol, "no ldap server: it begins with %x", head)
	case err != nil:
		return 0, 0, nil, err
	case n > maxLDAP:
		return 0, 0, nil, wrongf(healthcheck.FailureProtocol, "ldap message of more than %d KiB in %s", maxLDAP>>10, at)
	}
	message, err := l.bytes(at, int(n))
	if err != nil {
		return 0, 0, nil, err
	}
	number, message, err := berExpect(message, berInteger)
	if err == nil {
		id, err = berInt(number)
	}
	if err == nil {
		op, content, _, err = berNext(message)
	}
	if err != nil {
		return 0, 0, nil, wrongf(healthcheck.FailureProtocol, "malformed ldap message in %s", at)
	}
	return id, op, content, nil
}

// ldapResult reads an LDAPResult (RFC 4511, section 4.1.9): what it says to programs
// and to people. What may follow is passed over.
func ldapResult(content []byte) (code int, text []byte, err error) {
	number, content, err := berExpect(content, berEnumerated)
	if err != nil {
		return 0, nil, err
	}
	if code, err = berInt(number); err != nil {
		return 0, nil, err
	}
	if _, content, err = berExpect(content, berOctetString); err != nil { // the part of the name that exists
		return 0, nil, err
	}
	text, _, err = berExpect(content, berOctetString)
	return code, text, err
}

// describeLDAP words a result: "ldap 49 (invalidCredentials) in bind: …".
func describeLDAP(at phase, code int, text []byte) string {
	s := fmt.Sprintf("ldap %d", code)
	if name := ldapResults[code]; name != "" {
		s += " (" + name + ")"
	}
	s += " in " + string(at)
	if len(text) > 0 {
		s += quoted(": %.80s", text)
	}
	return s
}
