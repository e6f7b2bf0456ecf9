package rehearse

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lbha/lbha/integration/internal/load"
	"github.com/lbha/lbha/integration/internal/script"
	"github.com/lbha/lbha/integration/internal/stage"
	"github.com/lbha/lbha/integration/internal/suite"
	"github.com/lbha/lbha/integration/internal/timeline"
)

// Result is the outcome of one scenario.
type Result struct {
	Name     string           `json:"name"`
	Title    string           `json:"title"`
	OK       bool             `json:"ok"`
	Error    string           `json:"error,omitempty"` // it could not be played
	Findings []script.Finding `json:"findings"`
	Masters  string           `json:"masters"` // who had the virtual address when, in seconds of the window
	Took     time.Duration    `json:"took"`
	Again    []string         `json:"again,omitempty"` // what came of plays before this one, each of which had to be repeated
	Run      *stage.Evidence  `json:"run,omitempty"`
	Quiet    *stage.Evidence  `json:"quiet,omitempty"`
	Picture  string           `json:"picture,omitempty"` // SVG
}

const (
	// stallLimit is how long a client may stand still in a run that is a measure.
	stallLimit = 60 * time.Millisecond
	// quietTries is how often a quiet run is watched at most.
	quietTries = 4
)

// Play plays a scenario until it is certain what came of it: see [suite.Repeat]; on a pair that serves somebody, once.
func Play(ctx context.Context, p Place, s *script.Scenario, say func(string, ...any)) (r *Result) {
	begin := time.Now()
	var again []string
	suite.Repeat(func() suite.Play {
		if len(again) > 0 {
			say("      %s: once more", again[len(again)-1])
		}
		r = once(ctx, p, s)
		r.Again = slices.Clone(again)
		became, why := r.became()
		again = append(again, why)
		if p.Serves() {
			return suite.Broken // whatever it is, it is the verdict
		}
		return became
	})
	r.Took = time.Since(begin)
	if r.Run != nil {
		r.Picture = timeline.Draw(s.Name+": "+s.Title, r.Run)
	}
	return r
}

// became says what a play is worth, and why it may have to be played again. What was measured while the place's own machine stood still is that
// machine: a director cannot bring that about, clients run in real time.
func (r *Result) became() (suite.Play, string) {
	if r.OK {
		return suite.Held, "it held"
	}
	if r.Error != "" || r.Run == nil {
		return suite.Broken, r.Error
	}
	if still := standstill(r.Run); still > stallLimit {
		return suite.Spoiled, fmt.Sprintf("it failed, but the machine stood still for %v", still.Round(time.Millisecond))
	}
	var failures []suite.Failure
	for _, f := range r.Findings {
		if !f.OK {
			failures = append(failures, suite.Failure{What: f.Demand + ": " + f.Measured, Figure: f.Figure})
		}
	}
	return suite.Weigh(failures)
}

// standstill is how long the machine stood still: the clients made no request, or nobody was answered though nothing was done yet.
func standstill(e *stage.Evidence) time.Duration {
	if e.TCP.Attempts == 0 {
		return 0 // no client of ours is there
	}
	still := e.TCP.Stall.Long
	if e.UDP.Attempts > 0 {
		still = e.Stall()
	}
	if len(e.Marks) > 0 {
		still = max(still, load.Summarise(e.TCPAttempts, e.From, e.Marks[0].At).Gap.Long)
	}
	return still
}

// once brings the pair to rest, watches a quiet run if a demand compares with one, plays the scenario and judges it.
func once(ctx context.Context, p Place, s *script.Scenario) *Result {
	r := &Result{Name: s.Name, Title: s.Title}
	fail := func(err error) *Result {
		r.Error = err.Error()
		return r
	}
	if errs := Possible(p, s); len(errs) > 0 {
		return fail(errors.Join(errs...))
	}
	if err := p.Prepare(ctx, s); err != nil {
		return fail(err)
	}
	var err error
	if s.NeedsQuiet() {
		for range quietTries {
			if r.Quiet, err = p.Watch(ctx, s.Length, nil); err != nil {
				return fail(err)
			}
			if standstill(r.Quiet) <= stallLimit {
				break
			}
		}
	}
	if r.Run, err = p.Watch(ctx, s.Length, s.Steps); err != nil {
		return fail(err) // what was seen until then may be shown
	}
	r.Masters = r.Run.Masters()
	r.Findings = script.Judge(&script.Case{Scenario: s, Run: r.Run, Quiet: r.Quiet})
	r.OK = ctx.Err() == nil
	for _, f := range r.Findings {
		r.OK = r.OK && f.OK
	}
	return r
}
