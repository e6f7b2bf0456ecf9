package track

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/lbha/lbha/cmd/internal/program"
	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/healthcheck"
)

// key identifies what is looked at, and how: two instances that track one thing in the same way share one look.
func key(t *config.Track) string {
	c := *t
	c.Weight = 0
	data, err := json.Marshal(c)
	if err != nil {
		panic(fmt.Sprintf("track: a track is not JSON: %v", err)) // its types are ours
	}
	return string(data)
}

// scriptCheck makes the check that runs a tracked script.
func scriptCheck(t *config.Track) healthcheck.Check {
	id := key(t)
	return healthcheck.Check{
		ID: id, Target: t.Target, ProbeKey: id,
		Spec: healthcheck.Spec{
			Interval: t.Interval, Timeout: t.Timeout,
			Policy: healthcheck.Policy{Rise: t.Rise, Fall: t.Fall},
		},
		Prober: script{program.New(append([]string{t.Target}, t.Args...), t.User)},
	}
}

// script runs a program: exit status 0 is good.
type script struct{ *program.Program }

// Probe implements healthcheck.Prober.
func (s script) Probe(ctx context.Context) healthcheck.Result {
	switch end, err := s.Run(ctx, nil); {
	case errors.Is(err, context.Canceled):
		return healthcheck.Failed(healthcheck.FailureCanceled, err.Error())
	case err != nil: // ours, and no word of the script's
		return healthcheck.Failed(healthcheck.FailureLocal, err.Error())
	case end.Err == nil:
		return healthcheck.Passed(end.String())
	case errors.Is(end.Err, program.ErrTimeout):
		return healthcheck.Failed(healthcheck.FailureTimeout, end.String())
	default:
		return healthcheck.Failed(healthcheck.FailureExit, end.String())
	}
}

// readingOf is what a check says of its script.
func readingOf(s healthcheck.Status) Reading {
	r := Reading{Since: s.Since, Reason: s.Cause.Detail}
	switch s.Verdict {
	case healthcheck.Up:
		r.State = Good
	case healthcheck.Down:
		r.State = Bad
	default:
		switch {
		case s.Successes > 0: // fewer than Rise
			r.State, r.Reason = Undecided, s.Last.Detail
		case s.Results > 0:
			r.State, r.Reason = Unknown, s.Last.Detail
		}
		return r
	}
	if !s.Last.OK() && !s.Last.Counts() {
		r.Trouble = s.Last.String()
	}
	return r
}
