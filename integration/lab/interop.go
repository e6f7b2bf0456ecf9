//go:build linux

package main

import (
	"context"
	"encoding/json"
	"path/filepath"
	"time"

	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/interop"
	"github.com/lbha/lbha/integration/internal/sandbox"
	"github.com/spf13/cobra"
)

const (
	// interopDeadline is when cells that hang are killed; all of them take some two minutes.
	interopDeadline = 10 * time.Minute
	// busyTime is how long the pair at 10 ms is watched among the tests; the bench takes a minute.
	busyTime = 10 * time.Second
)

func interopCommand(world *sandbox.Kind) *cobra.Command {
	o := interop.Options{Busy: busyTime}
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "interop [WORD…]",
		Short: "play lbha against keepalived and FRR: election, failover, preemption",
		Long: "interop plays every pairing of lbha with keepalived and FRR's vrrpd, side by side, and prints who was master when. With words only\n" +
			"the cells in whose name all of them are: `interop frr v3`, `interop 'lbha > keepalived' unicast`.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.Cells = args; len(args) > 0 && !cmd.Flags().Changed("busy") {
				o.Busy = 0
			}
			report, err := runInterop(cmd.Context(), *world, o)
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
	cmd.Flags().DurationVar(&o.Busy, "busy", busyTime, "how `long` to watch a pair at 10 ms while every processor is busy; 0: not at all")
	return cmd
}

// runInterop prepares a world for the matrix and plays it there. VRRP needs no IPVS: the running kernel will do, and is faster.
func runInterop(ctx context.Context, world sandbox.Kind, o interop.Options) (*interop.Report, error) {
	report := new(interop.Report)
	v := visit{world: world, job: "interop", deadline: interopDeadline + o.Busy, choose: sandbox.ChooseNetwork}
	kind, err := v.enter(ctx, func(work string) (any, error) {
		o.Binary = filepath.Join(work, "bin", "lbha")
		return o, prepareVRRP(ctx, o.Binary, drive.Keepalived, drive.FRR)
	}, report)
	report.World = string(kind)
	return report, err
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

// interopJob is the inside of the matrix.
func interopJob(ctx context.Context, in *sandbox.Inside) (any, error) {
	var o interop.Options
	if err := json.Unmarshal(in.Arg, &o); err != nil {
		return nil, err
	}
	o.Slow = in.Kind == sandbox.UserMode
	report, err := interop.Run(ctx, o, sandbox.Say)
	if err != nil {
		return nil, err
	}
	report.Kernel = sandbox.KernelRelease()
	return report, nil
}
