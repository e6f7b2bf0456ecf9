package probe

import (
	"fmt"
	"strings"

	"github.com/lbha/lbha/healthcheck"
)

// redis pings a Redis server, after it has logged in if there is a login. One that
// loads its data, or is a replica that lost its master and must not serve, says so.
func redis(login Login) conversation {
	return func(t *talk) (string, error) {
		if login.Password != "" {
			auth := []string{"AUTH", login.User, login.Password}
			if login.User == "" {
				auth = []string{"AUTH", login.Password}
			}
			if err := t.command(phaseAuth, "+OK", auth...); err != nil {
				return "", err
			}
		}
		return "redis ready", t.command(phaseAnswer, "+PONG", "PING")
	}
}

// command sends a command in the protocol of Redis, and reads the line that answers.
func (t *talk) command(at phase, want string, words ...string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(words))
	for _, w := range words {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(w), w)
	}
	if err := t.say(at, b.String()); err != nil {
		return err
	}
	line, err := t.line(at)
	switch {
	case err != nil:
		return err
	case line == want:
		return nil
	case strings.HasPrefix(line, "-"):
		return wrongf(healthcheck.FailureStatus, "redis: %s", line[1:])
	}
	return wrongf(healthcheck.FailureProtocol, "redis: %.60q in %s, want %s", line, at, want)
}
