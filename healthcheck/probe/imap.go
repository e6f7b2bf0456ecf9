package probe

import (
	"strings"

	"github.com/lbha/lbha/healthcheck"
)

// imap hears the greeting of an IMAP server (RFC 9051, section 7.1): OK, PREAUTH, or
// BYE from one that does not want us. With starttls it goes on in TLS, and asks there
// for a word. With a login it logs in: only then has the mail itself been asked for.
func imap(login Login, starttls *tlsClient) conversation {
	return func(t *talk) (string, error) {
		line, err := t.line(phaseBanner)
		if err != nil {
			return "", err
		}
		word, _, _ := strings.Cut(strings.TrimPrefix(line, "* "), " ")
		switch word = strings.ToUpper(word); {
		case !strings.HasPrefix(line, "* ") || word != "OK" && word != "PREAUTH" && word != "BYE":
			return "", wrongf(healthcheck.FailureProtocol, "no imap greeting but %.60q", line)
		case word == "BYE":
			return "", wrongf(healthcheck.FailureStatus, "imap %s", line)
		}
		if starttls != nil {
			if err := t.tagged(phaseStartTLS, "STARTTLS"); err != nil {
				return "", asTLS(err)
			}
			if err := t.secure(starttls); err != nil {
				return "", err
			}
			if err := t.tagged(phaseAnswer, "NOOP"); err != nil {
				return "", err
			}
		}
		if login.User != "" {
			quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
			if err := t.tagged(phaseAuth, `LOGIN "`+quote.Replace(login.User)+`" "`+quote.Replace(login.Password)+`"`); err != nil {
				return "", err
			}
		}
		t.leave("z LOGOUT\r\n")
		return t.inTLS("imap ready"), nil
	}
}

// tagged sends a command of IMAP and reads up to the line that ends its answer.
func (t *talk) tagged(at phase, command string) error {
	if err := t.say(at, "a "+command+"\r\n"); err != nil {
		return err
	}
	for range maxLines {
		line, err := t.line(at)
		if err != nil {
			return err
		}
		answer, ours := strings.CutPrefix(line, "a ")
		switch word, _, _ := strings.Cut(answer, " "); {
		case strings.HasPrefix(line, "* "): // what the server wants to say besides
		case ours && strings.EqualFold(word, "OK"):
			return nil
		case ours && (strings.EqualFold(word, "NO") || strings.EqualFold(word, "BAD")):
			return wrongf(healthcheck.FailureStatus, "imap in %s: %s", at, answer)
		default:
			return wrongf(healthcheck.FailureProtocol, "no imap answer but %.60q in %s", line, at)
		}
	}
	return wrongf(healthcheck.FailureProtocol, "imap answer of more than %d lines in %s", maxLines, at)
}
