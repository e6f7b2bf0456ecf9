//go:build linux

package main

import (
	"context"
	"time"

	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/sandbox"
	"github.com/lbha/lbha/integration/internal/scale"
	"github.com/spf13/cobra"
)

func scaleCommand(world *sandbox.Kind) *cobra.Command {
	var o scale.Options
	cmd := &cobra.Command{
		Use:   "scale",
		Short: "measure 10,000 servers beside keepalived, and 50,000 alone: start, reload, memory, repair",
		Args:  cobra.NoArgs,
	}
	reporting(cmd, func(ctx context.Context, _ []string) (report, error) {
		// keepalived's reload takes more than a minute.
		v := visit{world: *world, job: "scale", deadline: 5*time.Minute + time.Duration(o.Runs)*5*time.Minute}
		return play[scale.Report](ctx, v, func(work string) (any, error) {
			err := prepareDirectors(ctx, work, &o.Binary, drive.LBHA, drive.Keepalived)
			return o, err
		})
	})
	cmd.Flags().IntVar(&o.Runs, "runs", 2, "`number` of runs of each daemon")
	cmd.Flags().BoolVar(&o.Alone, "alone", false, "without keepalived")
	return cmd
}

// playScale is the inside of the measurement.
func playScale(ctx context.Context, _ *sandbox.Inside, o scale.Options) (*scale.Report, error) {
	return scale.Run(ctx, o, sandbox.Say)
}
