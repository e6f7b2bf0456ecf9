package probe

import (
	"strings"

	"github.com/lbha/lbha/healthcheck"
)

// pop3 hears the greeting of a POP3 server (RFC 1939, section 4). With starttls it
// goes on in TLS (RFC 2595, section 4), and waits there for a good-bye. With a login it
// logs in.
func pop3(login Login, starttls *tlsClient) conversation {
	return func(t *talk) (string, error) {
		if err := t.ok(phaseBanner); err != nil {
			return "", err
		}
		if starttls != nil {
			if err := t.pop3Command(phaseStartTLS, "STLS"); err != nil {
				return "", asTLS(err)
			}
			if err := t.secure(starttls); err != nil {
				return "", err
			}
		}
		if login.User != "" {
			if err := t.pop3Command(phaseAuth, "USER "+login.User); err != nil {
				return "", err
			}
			if err := t.pop3Command(phaseAuth, "PASS "+login.Password); err != nil {
				return "", err
			}
		}
		if starttls != nil {
			return t.inTLS("pop3 ready"), t.pop3Command(phaseAnswer, "QUIT")
		}
		t.leave("QUIT\r\n")
		return t.inTLS("pop3 ready"), nil
	}
}

// pop3Command sends a command that must be answered well.
func (t *talk) pop3Command(at phase, command string) error {
	if err := t.say(at, command+"\r\n"); err != nil {
		return err
	}
	return t.ok(at)
}

// ok reads an answer of POP3 that must be a good one.
func (t *talk) ok(at phase) error {
	line, err := t.line(at)
	switch {
	case err != nil:
		return err
	case strings.HasPrefix(line, "+OK"):
		return nil
	case strings.HasPrefix(line, "-ERR"):
		return wrongf(healthcheck.FailureStatus, "pop3 %s", line)
	}
	return wrongf(healthcheck.FailureProtocol, "no pop3 %s but %.60q", greeting(at), line)
}

// greeting words a phase.
func greeting(at phase) string {
	if at == phaseBanner {
		return "greeting"
	}
	return "answer"
}
