//go:build linux

package main

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/lbha/lbha/integration/internal/bench"
	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/sandbox"
	"github.com/spf13/cobra"
)

func benchCommand(world *sandbox.Kind) *cobra.Command {
	var o bench.Options
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "measure lbha beside keepalived, in turn, and print ratios",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			report := new(bench.Report)
			// A run takes at most a start, a rest and two failovers.
			v := visit{world: *world, job: "bench", deadline: 5*time.Minute + time.Duration(o.Runs)*3*time.Minute}
			kind, err := v.enter(ctx, func(work string) (any, error) {
				return &o, prepareDirectors(ctx, work, &o.Binary, drive.LBHA, drive.Keepalived)
			}, report)
			if err != nil {
				return err
			}
			report.World = string(kind)
			if err := show(report, asJSON); err != nil {
				return err
			}
			if !report.OK() {
				return errFailed
			}
			return nil
		},
	}
	cmd.Flags().IntVar(&o.Runs, "runs", 6, "`number` of runs of each daemon in each series")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the whole report as JSON")
	return cmd
}

// benchJob is the inside of a bench.
func benchJob(ctx context.Context, in *sandbox.Inside) (any, error) {
	var o bench.Options
	if err := json.Unmarshal(in.Arg, &o); err != nil {
		return nil, err
	}
	report, err := bench.Run(ctx, o, filepath.Join(in.Work, "bin", "lab"), sandbox.Say)
	if err != nil {
		return nil, err
	}
	report.Kernel = sandbox.KernelRelease()
	return report, nil
}

// show writes a report to standard output, as text or as JSON.
func show(report interface{ Print(io.Writer) }, asJSON bool) error {
	if !asJSON {
		report.Print(os.Stdout)
		return nil
	}
	enc := json.NewEncoder(os.Stdout)
	enc.SetIndent("", "  ")
	return enc.Encode(report)
}
