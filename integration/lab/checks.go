//go:build linux

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/lbha/lbha/integration/internal/bench"
	"github.com/lbha/lbha/integration/internal/checkbench"
	"github.com/lbha/lbha/integration/internal/sandbox"
)

// checkRuns is how often each daemon is watched under each load: half as often as in a series about VRRP, and twice.
func checkRuns(o bench.Options) int { return max(o.Runs/2, 2) }

// checksDeadline bounds the part: each run has a start of at most a minute, and there are five kinds of them for two daemons.
func checksDeadline(o bench.Options) time.Duration {
	return 5*time.Minute + time.Duration(checkRuns(o))*10*(time.Minute+o.Checks) + time.Duration(o.Kills)*time.Second
}

// playBenchChecks is the inside of a bench of health checks.
func playBenchChecks(ctx context.Context, _ *sandbox.Inside, o bench.Options) (*bench.Report, error) {
	report, err := checkbench.Run(ctx, checkbench.Options{Binary: o.Binary, Runs: checkRuns(o), Window: o.Checks, Kills: o.Kills}, sandbox.Say)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", bench.PartChecks, err)
	}
	return &bench.Report{Sections: []bench.Section{{
		Name: bench.PartChecks, About: "health checks, counted at the servers; processor time and memory of all processes of a daemon", Checks: report,
	}}}, nil
}
