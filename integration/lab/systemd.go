//go:build linux

package main

import (
	"context"
	"path/filepath"
	"time"

	"github.com/lbha/lbha/integration/internal/booted"
	"github.com/lbha/lbha/integration/internal/deb"
	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/sandbox"
	"github.com/spf13/cobra"
)

// systemdDeadline is when a run that hangs is killed; a whole one takes some two minutes.
const systemdDeadline = 15 * time.Minute

func systemdCommand(world *sandbox.Kind) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "systemd",
		Short: "boot systemd, install the package, and show how lbha lives under it",
		Args:  cobra.NoArgs,
	}
	reporting(cmd, func(ctx context.Context, _ []string) (report, error) { return runSystemd(ctx, *world) })
	return cmd
}

// runSystemd makes two versions of the package and tries them.
func runSystemd(ctx context.Context, world sandbox.Kind) (*booted.Report, error) {
	return play[booted.Report](ctx, visit{world: world, job: "systemd", deadline: systemdDeadline}, func(work string) (any, error) {
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
	})
}

// playSystemd is the inside of a run.
func playSystemd(ctx context.Context, _ *sandbox.Inside, o booted.Options) (*booted.Report, error) {
	return booted.Run(ctx, o, sandbox.Say)
}
