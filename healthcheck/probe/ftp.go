package probe

// ftp hears the greeting of an FTP server (RFC 959, section 5.4). With starttls it goes
// on in TLS (RFC 4217, section 4), and waits there for a good-bye.
func ftp(starttls *tlsClient) conversation {
	return func(t *talk) (string, error) {
		if _, err := t.want(phaseBanner, "220"); err != nil {
			return "", err
		}
		if starttls == nil {
			t.leave("QUIT\r\n")
			return t.inTLS("ftp ready"), nil
		}
		if err := t.say(phaseStartTLS, "AUTH TLS\r\n"); err != nil {
			return "", err
		}
		if _, err := t.want(phaseStartTLS, "234"); err != nil {
			return "", asTLS(err)
		}
		if err := t.secure(starttls); err != nil {
			return "", err
		}
		if err := t.say(phaseAnswer, "QUIT\r\n"); err != nil {
			return "", err
		}
		_, err := t.want(phaseAnswer, "221")
		return t.inTLS("ftp ready"), err
	}
}
