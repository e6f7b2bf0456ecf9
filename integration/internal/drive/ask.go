package drive

import (
	"fmt"
	"strings"
)

// Ask runs a command of lbha that speaks to the director's daemon, such as `server drain`, and returns what it printed.
func (d *Director) Ask(args ...string) (string, error) {
	l, ok := d.daemon.(lbha)
	if !ok {
		return "", ErrNotOffered
	}
	out, err := l.ask(d, args...).CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("lbha %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}
