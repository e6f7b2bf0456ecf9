package probe

import (
	"errors"
	"slices"
	"strings"

	"github.com/lbha/lbha/healthcheck"
)

const phaseHello phase = "ehlo"

// smtp hears the greeting of a mail server and greets it by EHLO (RFC 5321), and
// again in TLS if starttls is set (RFC 3207).
func smtp(o SMTP, starttls *tlsClient) (conversation, error) {
	hello := o.Hello
	if hello == "" {
		hello = "localhost"
	}
	if !isVisible(hello) {
		return nil, errors.New("the name for ehlo has characters that a name has not")
	}
	hello = "EHLO " + hello + "\r\n"
	greet := func(t *talk) ([]string, error) {
		if err := t.say(phaseHello, hello); err != nil {
			return nil, err
		}
		return t.want(phaseHello, "250")
	}
	return func(t *talk) (string, error) {
		if _, err := t.want(phaseBanner, "220"); err != nil {
			return "", err
		}
		offers, err := greet(t)
		if err != nil {
			return "", err
		}
		if starttls != nil {
			if !slices.ContainsFunc(offers, func(s string) bool { return strings.EqualFold(s, "STARTTLS") }) {
				return "", wrongf(healthcheck.FailureTLS, "the server does not offer starttls")
			}
			if err := t.say(phaseStartTLS, "STARTTLS\r\n"); err != nil {
				return "", err
			}
			if _, err := t.want(phaseStartTLS, "220"); err != nil {
				return "", asTLS(err)
			}
			if err := t.secure(starttls); err != nil {
				return "", err
			}
			if _, err := greet(t); err != nil {
				return "", err
			}
		}
		t.leave("QUIT\r\n")
		return t.inTLS("smtp ready"), nil
	}, nil
}
