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
// The words up and ready mean fit to serve; down, failed, stopped and maint mean unfit.
// A percentage is a share of the configured weight, and drain a weight of 0: what is
// connected stays. What is said holds until something else is said: a line without a
// weight is one for the configured weight.
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
		t.weight, err = agentState(line)
		words, _, _ := strings.Cut(line, "#")
		return "agent: " + strings.TrimSpace(words), err
	}
}

// agentState reads the line of an agent.
func agentState(line string) (weight healthcheck.Weight, err error) {
	words, _, _ := strings.Cut(line, "#")
	said, drain := false, false
	for _, w := range strings.FieldsFunc(strings.ToLower(words), func(r rune) bool { return r == ' ' || r == '\t' || r == ',' }) {
		percent, isWeight := strings.CutSuffix(w, "%")
		share, err := strconv.ParseUint(percent, 10, 16)
		switch {
		case w == "up", w == "ready":
		case w == "down", w == "failed", w == "fail", w == "stopped", w == "maint":
			return weight, wrongf(healthcheck.FailureStatus, "agent: %s", strings.TrimSpace(line))
		case w == "drain":
			drain = true
		case isWeight && err == nil:
			weight = healthcheck.Percent(int(share))
		case strings.HasPrefix(w, "maxconn:"):
			continue
		default:
			return weight, wrongf(healthcheck.FailureProtocol, "agent: unknown word %.40q", w)
		}
		said = true
	}
	if !said {
		return weight, wrongf(healthcheck.FailureProtocol, "agent: nothing said in %.60q", line)
	}
	if drain {
		weight = healthcheck.Weigh(0)
	}
	return weight, nil
}
