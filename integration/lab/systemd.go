//go:build linux

package main

import (
	"context"
	"encoding/json"
	"path/filepath"
	"time"

	"github.com/lbha/lbha/integration/internal/booted"
	"github.com/lbha/lbha/integration/internal/deb"
	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/sandbox"
	"github.com/spf13/cobra"
)

// systemdDeadline is when a run that hangs is killed; a whole one takes some two minutes.
const systemdDeadline = 8 * time.Minute

func systemdCommand(world *sandbox.Kind) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "systemd",
		Short: "boot systemd, install the package, and show how lbha lives under it",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			report, err := runSystemd(cmd.Context(), *world)
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
	return cmd
}

// runSystemd makes two versions of the package and tries them.
func runSystemd(ctx context.Context, world sandbox.Kind) (*booted.Report, error) {
	report := new(booted.Report)
	kind, err := visit{world: world, job: "systemd", deadline: systemdDeadline}.enter(ctx, func(work string) (any, error) {
		var o booted.Options
		if err := sandbox.Install(ctx, say, sandbox.Package{Brings: "systemd-nspawn", Name: "systemd-container"}, sandbox.Package{Brings: "dpkg-deb", Name: "dpkg"}); err != nil {
			return nil, err
		}
		if err := prepareDirectors(ctx, work, &o.Binary, drive.LBHA); err != nil {
			return nil, err
		}
		root, err := moduleRoot(ctx)
		if err != nil {
			return nil, err
		}
		for _, v := range []struct {
			to      *string
			version string
		}{{&o.Package, "0.1.0~a"}, {&o.Upgraded, "0.1.0~b"}} {
			p := deb.Package{Root: root, Version: v.version, Out: filepath.Join(work, "bin")}
			if *v.to, err = p.Build(ctx); err != nil {
				return nil, err
			}
		}
		return o, nil
	}, report)
	report.World = string(kind)
	return report, err
}

// systemdJob is the inside of a run.
func systemdJob(ctx context.Context, in *sandbox.Inside) (any, error) {
	var o booted.Options
	if err := json.Unmarshal(in.Arg, &o); err != nil {
		return nil, err
	}
	report, err := booted.Run(ctx, o, sandbox.Say)
	if err != nil {
		return nil, err
	}
	report.Kernel = sandbox.KernelRelease()
	return report, nil
}
