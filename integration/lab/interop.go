//go:build linux

package main

import (
	"context"
	"path/filepath"
	"time"

	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/interop"
	"github.com/lbha/lbha/integration/internal/sandbox"
	"github.com/spf13/cobra"
)

const (
	// interopDeadline is when cells that hang are killed; all of them take some two minutes.
	interopDeadline = 20 * time.Minute
	// busyTime is how long the pair at 10 ms is watched among the tests; the bench takes a minute.
	busyTime = 10 * time.Second
)

func interopCommand(world *sandbox.Kind) *cobra.Command {
	o := interop.Options{Busy: busyTime}
	cmd := &cobra.Command{
		Use:   "interop [WORD…]",
		Short: "play lbha against keepalived and FRR: election, failover, preemption",
		Long: "interop plays every pairing of lbha with keepalived and FRR's vrrpd, side by side, and prints who was master when. With words only\n" +
			"the cells in whose name all of them are: `interop frr v3`, `interop 'lbha > keepalived' unicast`.",
	}
	reporting(cmd, func(ctx context.Context, args []string) (report, error) {
		if o.Cells = args; len(args) > 0 && !cmd.Flags().Changed("busy") {
			o.Busy = 0
		}
		return runInterop(ctx, *world, o)
	})
	cmd.Flags().DurationVar(&o.Busy, "busy", busyTime, "how `long` to watch a pair at 10 ms while every processor is busy; 0: not at all")
	return cmd
}

// runInterop prepares a world for the matrix and plays it there. VRRP needs no IPVS: the running kernel will do, and is faster.
func runInterop(ctx context.Context, world sandbox.Kind, o interop.Options) (*interop.Report, error) {
	v := visit{world: world, job: "interop", deadline: interopDeadline + o.Busy, choose: sandbox.ChooseNetwork}
	return play[interop.Report](ctx, v, func(work string) (any, error) {
		o.Binary = filepath.Join(work, "bin", "lbha")
		return o, prepareVRRP(ctx, o.Binary, drive.Keepalived, drive.FRR)
	})
}

// prepareVRRP installs and compiles what networks of VRRP alone need.
func prepareVRRP(ctx context.Context, binary string, peers ...drive.Kind) error {
	var packages []sandbox.Package
	for _, peer := range peers {
		switch peer {
		case drive.Keepalived:
			packages = append(packages, sandbox.Package{Brings: "keepalived", Name: "keepalived"})
		case drive.FRR:
			packages = append(packages, sandbox.Package{Brings: drive.FRRDaemon, Name: "frr"})
		}
	}
	if err := sandbox.Install(ctx, say, packages...); err != nil {
		return err
	}
	return build(ctx, "./cmd/lbha", binary)
}

// playInterop is the inside of the matrix.
func playInterop(ctx context.Context, in *sandbox.Inside, o interop.Options) (*interop.Report, error) {
	o.Slow = in.Kind == sandbox.UserMode
	return interop.Run(ctx, o, sandbox.Say)
}
