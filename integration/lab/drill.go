//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/lbha/lbha/integration/internal/drill"
	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/faults"
	"github.com/lbha/lbha/integration/internal/sandbox"
	"github.com/spf13/cobra"
)

// drillDeadline is when a drill that hangs is killed; a whole one takes some six minutes.
const drillDeadline = 30 * time.Minute

func drillCommand(world *sandbox.Kind) *cobra.Command {
	var o drill.Options
	var so scenarioOptions
	cmd := &cobra.Command{
		Use:   "drill [SCENARIO…]",
		Short: "break one of two directors in every way that matters, and measure what clients lose",
		Long: "Without a file, drill plays what is built in. With files, it plays those: see integration/scenarios for examples, and\n" +
			"drill --language for every sentence that a file may have.\n\n" +
			"What misses nothing but a time is played again, twice at most, and the median counts; what fails while the lab's own machine stands\n" +
			"still is played again, too. The report says so. A real pair (--in ssh) is never troubled twice.",
	}
	reporting(cmd, func(ctx context.Context, files []string) (report, error) {
		if so.language {
			printLanguage(os.Stdout)
			return nil, nil
		}
		if o.Peer == "" {
			o.Peer = o.Director
		}
		var r report
		var err error
		if len(files) > 0 {
			if len(o.Only) > 0 {
				return nil, errors.New("--only picks from the built-in drill; of scenario files name those to play")
			}
			if cmd.Flags().Changed("director") || cmd.Flags().Changed("peer") {
				so.daemons = [2]drive.Kind{o.Director, o.Peer}
			}
			r, err = runScenarios(ctx, *world, so, files)
		} else if err = errors.Join(so.builtIn(), hasParts(o.Director, o.Peer), o.Check()); err == nil {
			r, err = runDrill(ctx, *world, o)
		}
		if err == nil && so.measured != "" {
			err = faults.Note(so.measured, measurements(r))
		}
		return r, err
	})
	flags := cmd.Flags()
	flags.StringSliceVar(&o.Only, "only", nil, "play only the scenarios of these `names`")
	directorFlags(cmd, &o)
	so.flags(flags)
	return cmd
}

// hasParts refuses a daemon without the processes that the built-in drill kills one by one.
func hasParts(kinds ...drive.Kind) error {
	for _, kind := range kinds {
		switch kind {
		case drive.LBHA, drive.Keepalived:
		case drive.FRR:
			return errors.New("the built-in drill is not for frr; name scenario files, such as integration/scenarios/mixed-frr.scenario")
		default:
			return fmt.Errorf("no such daemon: %q; the built-in drill is for lbha and keepalived", kind)
		}
	}
	return nil
}

// runDrill prepares a world for the drill and plays it there.
func runDrill(ctx context.Context, world sandbox.Kind, o drill.Options) (*drill.Report, error) {
	return play[drill.Report](ctx, visit{world: world, job: "drill", deadline: drillDeadline}, func(work string) (any, error) {
		return &o, prepareDirectors(ctx, work, &o.Binary, o.Director, o.Peer)
	})
}

// prepareDirectors installs and compiles what a lab with these daemons needs.
func prepareDirectors(ctx context.Context, work string, binary *string, kinds ...drive.Kind) error {
	packages := []sandbox.Package{{Brings: "nginx", Name: "nginx-light"}, {Brings: "ipvsadm", Name: "ipvsadm"}, {Brings: "ip", Name: "iproute2"}}
	lbha := false
	for _, kind := range kinds {
		switch kind {
		case drive.Keepalived:
			packages = append(packages, sandbox.Package{Brings: "keepalived", Name: "keepalived"})
		case drive.FRR:
			packages = append(packages, sandbox.Package{Brings: drive.FRRDaemon, Name: "frr"})
		case drive.LBHA:
			lbha = true
		}
	}
	if err := sandbox.Install(ctx, say, packages...); err != nil {
		return err
	}
	if !lbha {
		return nil
	}
	*binary = filepath.Join(work, "bin", "lbha")
	return build(ctx, "./cmd/lbha", *binary)
}

// playDrill is the inside of a drill.
func playDrill(ctx context.Context, in *sandbox.Inside, o drill.Options) (*drill.Report, error) {
	return drill.Run(ctx, o, in.Self(), sandbox.Say)
}
