package drill

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/stage"
	"github.com/lbha/lbha/integration/internal/suite"
)

// Options is what the caller of a drill may choose. It crosses into the world as JSON.
type Options struct {
	Director drive.Kind `json:"director"` // the daemon of d1, which is broken
	Peer     drive.Kind `json:"peer"`     // the daemon of d2
	Only     []string   `json:"only,omitempty"`
	Binary   string     `json:"binary,omitempty"` // path of lbha
}

// Check finds what there is not, before a world is made to play it.
func (o Options) Check() error {
	_, err := choose(o.Only)
	return err
}

// Result is the outcome of one scenario.
type Result struct {
	Name     string          `json:"name"`
	Title    string          `json:"title"`
	OK       bool            `json:"ok"`
	Error    string          `json:"error,omitempty"` // the scenario could not be played
	Findings []Finding       `json:"findings"`
	Masters  string          `json:"masters"`         // who was master when, in seconds of the window
	Table    []string        `json:"table"`           // how the tables changed
	Again    []string        `json:"again,omitempty"` // what came of plays before this one, each of which had to be repeated
	Run      *stage.Evidence `json:"run,omitempty"`
	Quiet    *stage.Evidence `json:"quiet,omitempty"`
}

// Report is the outcome of a drill.
type Report struct {
	suite.Where
	Director drive.Kind    `json:"director"`
	Peer     drive.Kind    `json:"peer"`
	Took     time.Duration `json:"took"`
	Results  []Result      `json:"results"`
}

// Run plays the scenarios.
func Run(ctx context.Context, o Options, self string, say func(string, ...any)) (*Report, error) {
	begin := time.Now()
	chosen, err := choose(o.Only)
	if err != nil {
		return nil, err
	}
	s, err := stage.Set(self, say)
	if err != nil {
		return nil, err
	}
	if err := s.Use(stage.Pair{Director: o.Director, Peer: o.Peer, Binary: o.Binary, Interval: time.Second}); err != nil {
		return nil, err
	}
	say("directors: d1 %s, d2 %s", o.Director, o.Peer)
	if err := s.Start(); err != nil {
		return nil, err
	}
	r := &Report{Director: o.Director, Peer: o.Peer}
	for i, sc := range chosen {
		say("[%d/%d] %s (%v, and a quiet run of the same length)", i+1, len(chosen), sc.Title, sc.Length)
		result := play(ctx, s, sc, say)
		r.Results = append(r.Results, result)
		say("      %s", result.line())
	}
	r.Took = time.Since(begin)
	return r, nil
}

// choose picks scenarios by name.
func choose(only []string) ([]Scenario, error) {
	all := Scenarios()
	if len(only) == 0 {
		return all, nil
	}
	var chosen []Scenario
	for _, name := range only {
		i := slices.IndexFunc(all, func(s Scenario) bool { return s.Name == name })
		if i < 0 {
			var names []string
			for _, s := range all {
				names = append(names, s.Name)
			}
			return nil, fmt.Errorf("no scenario is called %q; there are %s", name, strings.Join(names, ", "))
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

// play plays a scenario until it is certain what came of it: see [suite.Repeat].
func play(ctx context.Context, s *stage.Stage, sc Scenario, say func(string, ...any)) (result Result) {
	var again []string
	suite.Repeat(func() suite.Play {
		if len(again) > 0 {
			say("      %s: once more", again[len(again)-1])
		}
		result = once(ctx, s, sc, say)
		result.Again = slices.Clone(again)
		became, why := result.became()
		again = append(again, why)
		return became
	})
	return result
}

// became says what a play is worth, and why it may have to be played again. What was measured while the lab's own machine stood still is that machine:
// a director cannot bring that about, the clients run in real time.
func (r *Result) became() (suite.Play, string) {
	if !r.OK && r.Run != nil && r.Run.Stall() > min(stallLimit, r.Quiet.Stall()+gapTolerance) {
		return suite.Spoiled, fmt.Sprintf("it failed, but the lab's machine stood still for %s", ms(r.Run.Stall()))
	}
	var failures []suite.Failure
	if r.Error != "" {
		failures = append(failures, suite.Failure{What: r.Error})
	}
	for _, f := range r.Findings {
		if !f.OK {
			failures = append(failures, suite.Failure{What: f.Name + ": " + f.Measured, Figure: f.Figure})
		}
	}
	return suite.Weigh(failures)
}

const (
	// stallLimit is how long a client may stand still in a quiet run that is to be a measure.
	stallLimit = 60 * time.Millisecond
	// quietTries is how often a quiet run is watched at most.
	quietTries = 4
)

// quiet watches a quiet run; one in which the machine stood still is no measure and is watched again.
func quiet(ctx context.Context, s *stage.Stage, length time.Duration, say func(string, ...any)) (e *stage.Evidence) {
	for range quietTries {
		if e = s.Watch(ctx, length, nil); e.Stall() <= stallLimit {
			break
		}
		say("      the lab's machine stood still for %s in the quiet run: once more", ms(e.Stall()))
	}
	return e
}

// once waits for rest, watches a quiet run, plays the scenario, judges it, restores the pair, and demands that it comes to rest again.
func once(ctx context.Context, s *stage.Stage, sc Scenario, say func(string, ...any)) Result {
	result := Result{Name: sc.Name, Title: sc.Title}
	if err := s.Rest(ctx, stage.RestLimit); err != nil {
		say("      %v; both directors are started afresh", err)
		if err := s.Afresh(ctx); err != nil {
			result.Error = err.Error()
			return result
		}
	}
	result.Quiet = quiet(ctx, s, sc.Length, say)
	result.Run = s.Watch(ctx, sc.Length, sc.Steps)
	// The counters of the quiet run's end are those of the scenario's beginning.
	for name, side := range result.Run.Before {
		side.Status = result.Quiet.After[name].Status
		result.Run.Before[name] = side
	}
	if sc.Restore != nil {
		if err := sc.Restore(s); err != nil {
			result.Error = err.Error()
		}
	}
	c := &Case{Run: result.Run, Quiet: result.Quiet, D1: s.D1.Settings, D2: s.D2.Settings, WritesSeen: s.WritesSeen}
	result.judge(sc.Expect, sc.Figures, c)
	// What does not come back fails here: started afresh, the pair would show nothing of it in the next scenario.
	begin := time.Now()
	err := s.Rest(ctx, stage.RestLimit)
	result.judgeRest(err, time.Since(begin))
	if err != nil {
		say("      %v", err)
	}
	return result
}
