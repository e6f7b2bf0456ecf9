//go:build linux

package main

import (
	"context"
	"time"

	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/lvs"
	"github.com/lbha/lbha/integration/internal/sandbox"
	"github.com/spf13/cobra"
)

// lvsDeadline is when a run that hangs is killed; a whole one takes some four minutes.
const lvsDeadline = 20 * time.Minute

func lvsCommand(world *sandbox.Kind) *cobra.Command {
	var o lvs.Options
	cmd := &cobra.Command{
		Use:   "lvs",
		Short: "show what a director forwards: packets of NAT, DR and TUN, schedulers, every kind of service, load, failover",
		Args:  cobra.NoArgs,
	}
	reporting(cmd, func(ctx context.Context, _ []string) (report, error) { return runLVS(ctx, *world, o) })
	cmd.Flags().StringSliceVar(&o.Only, "only", nil, "play only these `parts`: schedulers, packets, services, load, failover")
	cmd.Flags().IntVar(&o.Connections, "connections", 0, "how many `connections` each of NAT and DR has in a failover (default 200)")
	return cmd
}

// runLVS prepares a world and plays the parts there.
func runLVS(ctx context.Context, world sandbox.Kind, o lvs.Options) (*lvs.Report, error) {
	return play[lvs.Report](ctx, visit{world: world, job: "lvs", deadline: lvsDeadline}, func(work string) (any, error) {
		if err := sandbox.Install(ctx, say, sandbox.Package{Brings: "ab", Name: "apache2-utils"}, sandbox.Package{Brings: "iptables-legacy", Name: "iptables"}); err != nil {
			return nil, err
		}
		err := prepareDirectors(ctx, work, &o.Binary, drive.LBHA)
		return o, err
	})
}

// playLVS is the inside of a run.
func playLVS(ctx context.Context, _ *sandbox.Inside, o lvs.Options) (*lvs.Report, error) {
	return lvs.Run(ctx, o, sandbox.Say)
}
