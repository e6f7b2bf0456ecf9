package probe

import (
	"errors"
	"strings"
)

const phaseAuth phase = "authentication"

// plainLogin is a login that goes into lines of a protocol.
func plainLogin(l Login) error {
	for _, text := range []string{l.User, l.Password} {
		if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
			return errors.New("a user name or password has characters that cannot be said in the protocol")
		}
	}
	if l.User == "" && l.Password != "" {
		return errors.New("a password without a name")
	}
	return nil
}
