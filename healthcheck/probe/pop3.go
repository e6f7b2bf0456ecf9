package probe

import (
	"strings"

	"github.com/lbha/lbha/healthcheck"
)

// pop3 hears the greeting of a POP3 server (RFC 1939, section 4). With starttls it
// goes on in TLS (RFC 2595, section 4), and waits there for a good-bye.
func pop3(starttls *tlsClient) conversation {
	return func(t *talk) (string, error) {
		if err := t.ok(phaseBanner); err != nil {
			return "", err
		}
		if starttls == nil {
			t.leave("QUIT\r\n")
			return t.inTLS("pop3 ready"), nil
		}
		if err := t.say(phaseStartTLS, "STLS\r\n"); err != nil {
			return "", err
		}
		if err := t.ok(phaseStartTLS); err != nil {
			return "", asTLS(err)
		}
		if err := t.secure(starttls); err != nil {
			return "", err
		}
		if err := t.say(phaseAnswer, "QUIT\r\n"); err != nil {
			return "", err
		}
		return t.inTLS("pop3 ready"), t.ok(phaseAnswer)
	}
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
