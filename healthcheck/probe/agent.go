package probe

import (
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/lbha/lbha/healthcheck"
)

// agent asks a helper beside the server how the server is, in the format of
// HAProxy's agent-check: a line of words, such as "up 75%" or "drain # reboot".
//
// The words up and ready mean fit to serve; down, failed, stopped, maint, drain and
// a weight of 0 % mean unfit. Any other weight is taken for up, and told.
func agent(e Exchange) conversation {
	return func(t *talk) (string, error) {
		if e.Send != "" {
			if err := t.say(phaseRequest, string(e.Send)); err != nil {
				return "", err
			}
		}
		line, err := t.line(phaseAnswer)
		if err != nil && (!errors.Is(err, io.EOF) || line == "") { // the end of the connection ends a line, too
			return "", err
		}
		return agentState(line)
	}
}

func agentState(line string) (string, error) {
	words, _, _ := strings.Cut(line, "#")
	said := false
	for _, w := range strings.FieldsFunc(strings.ToLower(words), func(r rune) bool { return r == ' ' || r == '\t' || r == ',' }) {
		percent, isWeight := strings.CutSuffix(w, "%")
		weight, err := strconv.Atoi(percent)
		switch {
		case w == "up", w == "ready":
		case w == "down", w == "failed", w == "fail", w == "stopped", w == "maint", w == "drain",
			isWeight && err == nil && weight == 0:
			return "", wrongf(healthcheck.FailureStatus, "agent: %s", strings.TrimSpace(line))
		case isWeight && err == nil && weight > 0:
		case strings.HasPrefix(w, "maxconn:"):
			continue
		default:
			return "", wrongf(healthcheck.FailureProtocol, "agent: unknown word %.40q", w)
		}
		said = true
	}
	if !said {
		return "", wrongf(healthcheck.FailureProtocol, "agent: nothing said in %.60q", line)
	}
	return "agent: " + strings.TrimSpace(words), nil
}
