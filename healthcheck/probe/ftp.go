package probe

import "github.com/lbha/lbha/healthcheck"

// ftp hears the greeting of an FTP server (RFC 959, section 5.4). With starttls it goes
// on in TLS (RFC 4217, section 4), and waits there for a good-bye. With a login it logs
// in.
func ftp(login Login, starttls *tlsClient) conversation {
	return func(t *talk) (string, error) {
		if _, err := t.want(phaseBanner, "220"); err != nil {
			return "", err
		}
		if starttls != nil {
			if err := t.say(phaseStartTLS, "AUTH TLS\r\n"); err != nil {
				return "", err
			}
			if _, err := t.want(phaseStartTLS, "234"); err != nil {
				return "", asTLS(err)
			}
			if err := t.secure(starttls); err != nil {
				return "", err
			}
		}
		if login.User != "" {
			if err := t.ftpLogin(login); err != nil {
				return "", err
			}
		}
		if starttls == nil {
			t.leave("QUIT\r\n")
			return t.inTLS("ftp ready"), nil
		}
		if err := t.say(phaseAnswer, "QUIT\r\n"); err != nil {
			return "", err
		}
		_, err := t.want(phaseAnswer, "221")
		return t.inTLS("ftp ready"), err
	}
}

// ftpLogin logs in; a server that has enough with the name says so at once.
func (t *talk) ftpLogin(login Login) error {
	if err := t.say(phaseAuth, "USER "+login.User+"\r\n"); err != nil {
		return err
	}
	code, lines, err := t.reply(phaseAuth)
	switch {
	case err != nil:
		return err
	case code == "230":
		return nil
	case code != "331":
		return wrongf(healthcheck.FailureStatus, "%s in %s, want 331: %s", code, phaseAuth, lines[0])
	}
	if err := t.say(phaseAuth, "PASS "+login.Password+"\r\n"); err != nil {
		return err
	}
	_, err = t.want(phaseAuth, "230")
	return err
}
