package rehearse

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/lbha/lbha/integration/internal/script"
	"github.com/lbha/lbha/integration/internal/suite"
)

// SoakOptions is how long a soak takes, and where it begins.
type SoakOptions struct {
	For    time.Duration `json:"for"`
	Seed   uint64        `json:"seed"`   // of the first round; the next has the next one
	Rounds int           `json:"rounds"` // at most; 0: as many as the time allows
	Spare  bool          `json:"spare"`  // nothing ends a process
}

// Round is one scenario of a soak.
type Round struct {
	Seed     uint64           `json:"seed"`
	OK       bool             `json:"ok"`
	Error    string           `json:"error,omitempty"`
	Masters  string           `json:"masters"`
	Steps    []string         `json:"steps"`
	Findings []script.Finding `json:"findings"`
	Scenario string           `json:"scenario,omitempty"` // of a round that failed
	Picture  string           `json:"picture,omitempty"`  // of a round that failed
}

// SoakReport is the outcome of a soak.
type SoakReport struct {
	suite.Where
	Took   time.Duration `json:"took"`
	Spare  bool          `json:"spare"`
	Rounds []*Round      `json:"rounds"`
	Slopes []Slope       `json:"slopes"`
}

// Soak plays scenarios that are drawn from seeds on a pair that stays, and measures what its processes use whenever it is at rest.
func Soak(ctx context.Context, l *Lab, o SoakOptions, say func(string, ...any)) *SoakReport {
	begin := time.Now()
	r := &SoakReport{Spare: o.Spare}
	var samples []Usage
	for seed := o.Seed; ctx.Err() == nil && time.Since(begin) < o.For && (o.Rounds == 0 || len(r.Rounds) < o.Rounds); seed++ {
		text := script.Random(seed, o.Spare)
		round := &Round{Seed: seed}
		r.Rounds = append(r.Rounds, round)
		s, err := script.Parse(fmt.Sprintf("seed-%d.scenario", seed), text)
		if err != nil {
			round.Error, round.Scenario = err.Error(), text
			continue
		}
		for _, step := range s.Steps {
			round.Steps = append(round.Steps, fmt.Sprintf("%v %s", step.At, step.Text))
		}
		say("seed %d: %v", seed, round.Steps)
		result := Play(ctx, watched{l, func() {
			for _, u := range l.Usage() {
				u.At = time.Since(begin)
				samples = append(samples, u)
			}
		}}, s, say)
		round.OK, round.Error, round.Findings, round.Masters = result.OK, result.Error, result.Findings, result.Masters
		say("      %s", result.Line())
		if !round.OK {
			round.Scenario, round.Picture = text, result.Picture
		}
	}
	r.Took, r.Slopes = time.Since(begin), Slopes(samples)
	return r
}

// watched is a place at whose rests somebody looks.
type watched struct {
	*Lab
	look func()
}

// Prepare is part of [Place].
func (w watched) Prepare(ctx context.Context, s *script.Scenario) error {
	err := w.Lab.Prepare(ctx, s)
	if err == nil {
		w.look()
	}
	return err
}

// Count returns how many rounds passed and failed, and each kind of process that keeps something as a failure.
func (r *SoakReport) Count() (passed, failed int) {
	passed, failed = suite.Count(r.Rounds, func(round *Round) bool { return round.OK })
	for _, s := range r.Slopes {
		if len(s.Faults()) > 0 {
			failed++
		}
	}
	return passed, failed
}

// Outcomes says whether all rounds passed, and whether the processes kept nothing: seeds differ from run to run.
func (r *SoakReport) Outcomes() map[string]bool {
	outcomes := map[string]bool{"rounds": len(r.Rounds) > 0, "slopes": len(r.Slopes) > 0}
	for _, round := range r.Rounds {
		outcomes["rounds"] = outcomes["rounds"] && round.OK
	}
	for _, s := range r.Slopes {
		outcomes["slopes"] = outcomes["slopes"] && len(s.Faults()) == 0
	}
	return outcomes
}

// OK reports whether everything held, and there was a round.
func (r *SoakReport) OK() bool {
	passed, failed := r.Count()
	return failed == 0 && passed > 0
}

// Print writes what failed, how to have it again, and what the processes use.
func (r *SoakReport) Print(out io.Writer) {
	fmt.Fprintf(out, "soak: %d rounds in %.0f s; kernel %s (%s)\n", len(r.Rounds), r.Took.Seconds(), r.Kernel, r.World)
	for _, round := range r.Rounds {
		if round.OK {
			continue
		}
		spare := ""
		if r.Spare {
			spare = " --spare"
		}
		fmt.Fprintf(out, "\nFAILED: seed %d; again: go run ./integration/lab soak --seed %d --rounds 1%s\n", round.Seed, round.Seed, spare)
		if round.Error != "" {
			fmt.Fprintf(out, "  %s\n", round.Error)
		}
		for _, f := range round.Findings {
			if !f.OK {
				fmt.Fprintf(out, "  %s: %s\n", f.Demand, f.Measured)
			}
		}
		fmt.Fprintf(out, "  held by %s\n%s", round.Masters, round.Scenario)
	}
	fmt.Fprintln(out)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "process at rest\tlives\tsamples\tRSS KiB\tan hour\tdescriptors\tan hour\tthreads\tan hour\tgoroutines\tan hour\tverdict")
	for _, s := range r.Slopes {
		fmt.Fprintf(w, "%s\t%d\t%d\t%g–%g\t%+.0f ± %.0f\t%g–%g\t%+.1f ± %.1f\t%g–%g\t%+.1f ± %.1f\t%g–%g\t%+.1f ± %.1f\t%s\n", s.Process, s.Lives, s.Samples,
			s.RSS.Min, s.RSS.Max, s.RSS.PerHour, 2*s.RSS.Error, s.Files.Min, s.Files.Max, s.Files.PerHour, 2*s.Files.Error,
			s.Threads.Min, s.Threads.Max, s.Threads.PerHour, 2*s.Threads.Error,
			s.Goroutines.Min, s.Goroutines.Max, s.Goroutines.PerHour, 2*s.Goroutines.Error, s.Verdict())
	}
	w.Flush()
	passed, failed := r.Count()
	fmt.Fprintf(out, "\nsoak: %d passed, %d failed\n", passed, failed)
}
