//go:build linux

package main

import (
	"context"
	"encoding/json"
	"time"

	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/sandbox"
	"github.com/lbha/lbha/integration/internal/scale"
	"github.com/spf13/cobra"
)

func scaleCommand(world *sandbox.Kind) *cobra.Command {
	var o scale.Options
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "scale",
		Short: "measure 10,000 servers beside keepalived, and 50,000 alone: start, reload, memory, repair",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			report := new(scale.Report)
			// keepalived's reload takes more than a minute.
			v := visit{world: *world, job: "scale", deadline: 5*time.Minute + time.Duration(o.Runs)*5*time.Minute}
			kind, err := v.enter(ctx, func(work string) (any, error) {
				err := prepareDirectors(ctx, work, &o.Binary, drive.LBHA, drive.Keepalived)
				return &o, err
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
	cmd.Flags().IntVar(&o.Runs, "runs", 2, "`number` of runs of each daemon")
	cmd.Flags().BoolVar(&o.Alone, "alone", false, "without keepalived")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the whole report as JSON")
	return cmd
}

// scaleJob is the inside of the measurement.
func scaleJob(ctx context.Context, in *sandbox.Inside) (any, error) {
	var o scale.Options
	if err := json.Unmarshal(in.Arg, &o); err != nil {
		return nil, err
	}
	report, err := scale.Run(ctx, o, sandbox.Say)
	if err != nil {
		return nil, err
	}
	report.Kernel = sandbox.KernelRelease()
	return report, nil
}
