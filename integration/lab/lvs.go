//go:build linux

package main

import (
	"context"
	"encoding/json"
	"time"

	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/lvs"
	"github.com/lbha/lbha/integration/internal/sandbox"
	"github.com/spf13/cobra"
)

// lvsDeadline is when a run that hangs is killed; a whole one takes some four minutes.
const lvsDeadline = 12 * time.Minute

func lvsCommand(world *sandbox.Kind) *cobra.Command {
	var o lvs.Options
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "lvs",
		Short: "show what a director forwards: packets of NAT, DR and TUN, schedulers, load, failover",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			report, err := runLVS(cmd.Context(), *world, o)
			if err != nil {
				return err
			}
			if err := show(report, asJSON); err != nil {
				return err
			}
			if !report.OK() {
				return errFailed
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the whole report as JSON")
	cmd.Flags().StringSliceVar(&o.Only, "only", nil, "play only these `parts`: schedulers, packets, load, failover")
	return cmd
}

// runLVS prepares a world and plays the parts there.
func runLVS(ctx context.Context, world sandbox.Kind, o lvs.Options) (*lvs.Report, error) {
	report := new(lvs.Report)
	kind, err := visit{world: world, job: "lvs", deadline: lvsDeadline}.enter(ctx, func(work string) (any, error) {
		if err := sandbox.Install(ctx, say, sandbox.Package{Brings: "ab", Name: "apache2-utils"}); err != nil {
			return nil, err
		}
		err := prepareDirectors(ctx, work, &o.Binary, drive.LBHA)
		return o, err
	}, report)
	report.World = string(kind)
	return report, err
}

// lvsJob is the inside of a run.
func lvsJob(ctx context.Context, in *sandbox.Inside) (any, error) {
	var o lvs.Options
	if err := json.Unmarshal(in.Arg, &o); err != nil {
		return nil, err
	}
	report, err := lvs.Run(ctx, o, sandbox.Say)
	if err != nil {
		return nil, err
	}
	report.Kernel = sandbox.KernelRelease()
	return report, nil
}
