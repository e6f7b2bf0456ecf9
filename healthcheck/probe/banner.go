package probe

import (
	"fmt"
	"strings"

	"github.com/lbha/lbha/healthcheck"
)

// quoted is Sprintf with bytes of a server.
func quoted(format string, heard []byte) string { return fmt.Sprintf(format, heard) }

// imap hears the greeting of an IMAP server (RFC 9051, section 7.1): OK, PREAUTH, or
// BYE from one that does not want us.
func imap(t *talk) (string, error) {
	line, err := t.line(phaseBanner)
	if err != nil {
		return "", err
	}
	word, _, _ := strings.Cut(strings.TrimPrefix(line, "* "), " ")
	switch word = strings.ToUpper(word); {
	case !strings.HasPrefix(line, "* "):
	case word == "OK", word == "PREAUTH":
		t.leave("a LOGOUT\r\n")
		return "imap ready", nil
	case word == "BYE":
		return "", wrongf(healthcheck.FailureStatus, "imap %s", line)
	}
	return "", wrongf(healthcheck.FailureProtocol, "no imap greeting but %.60q", line)
}

// pop3 hears the greeting of a POP3 server (RFC 1939, section 4).
func pop3(t *talk) (string, error) {
	line, err := t.line(phaseBanner)
	switch {
	case err != nil:
		return "", err
	case strings.HasPrefix(line, "+OK"):
		t.leave("QUIT\r\n")
		return "pop3 ready", nil
	case strings.HasPrefix(line, "-ERR"):
		return "", wrongf(healthcheck.FailureStatus, "pop3 %s", line)
	}
	return "", wrongf(healthcheck.FailureProtocol, "no pop3 greeting but %.60q", line)
}

// ftp hears the greeting of an FTP server (RFC 959, section 5.4).
func ftp(t *talk) (string, error) {
	if _, err := t.want(phaseBanner, "220"); err != nil {
		return "", err
	}
	t.leave("QUIT\r\n")
	return "ftp ready", nil
}
