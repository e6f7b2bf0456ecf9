//go:build linux

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/rehearse"
	"github.com/lbha/lbha/integration/internal/sandbox"
	"github.com/spf13/cobra"
)

// soakArg crosses into the world.
type soakArg struct {
	rehearse.SoakOptions
	Binary string `json:"binary"`
}

func soakCommand(world *sandbox.Kind) *cobra.Command {
	var o rehearse.SoakOptions
	var pictures string
	cmd := &cobra.Command{
		Use:   "soak",
		Short: "scenarios drawn from a seed on one pair, with what must hold whatever happens, and what processes use",
		Long: "soak draws faults from a seed, plays them, heals, and checks: one master, the right one, equal tables, the address never twice for longer\n" +
			"than a lease. A failure prints the seed that plays it again. At each rest it measures memory, descriptors and threads of every process.",
		Args: cobra.NoArgs,
	}
	reporting(cmd, func(ctx context.Context, _ []string) (report, error) {
		if !cmd.Flags().Changed("seed") {
			o.Seed = rand.Uint64N(1_000_000)
		}
		report, err := runSoak(ctx, *world, o)
		if err != nil {
			return nil, err
		}
		return report, drawFailures(report, pictures)
	})
	flags := cmd.Flags()
	flags.DurationVar(&o.For, "for", time.Hour, "begin no further round after this `time`")
	flags.Uint64Var(&o.Seed, "seed", 0, "of the first round; each round has the next (default: a random one)")
	flags.IntVar(&o.Rounds, "rounds", 0, "at most this `number` of rounds")
	flags.BoolVar(&o.Spare, "spare", false, "kill and stop no process: what each uses can be followed for long")
	flags.StringVar(&pictures, "svg", "", "draw a timeline of each failed round into this `directory`")
	return cmd
}

// drawFailures writes the pictures of rounds that failed.
func drawFailures(r *rehearse.SoakReport, dir string) error {
	if dir != "" {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	for _, round := range r.Rounds {
		picture := round.Picture
		round.Picture = ""
		if dir == "" || picture == "" {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("seed-%d.svg", round.Seed)), []byte(picture), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// runSoak prepares a world for a soak and plays it there.
func runSoak(ctx context.Context, world sandbox.Kind, o rehearse.SoakOptions) (*rehearse.SoakReport, error) {
	arg := soakArg{SoakOptions: o}
	say("soak: seed %d", o.Seed)
	// The last round may be played three times, and a pair may have to be started for each.
	return play[rehearse.SoakReport](ctx, visit{world: world, job: "soak", deadline: o.For + 10*time.Minute}, func(work string) (any, error) {
		err := prepareDirectors(ctx, work, &arg.Binary, drive.LBHA)
		return arg, err
	})
}

// playSoak is the inside of a soak.
func playSoak(ctx context.Context, in *sandbox.Inside, arg soakArg) (*rehearse.SoakReport, error) {
	lab, err := rehearse.NewLab(in.Self(), arg.Binary, in.Kind == sandbox.UserMode, sandbox.Say)
	if err != nil {
		return nil, err
	}
	return rehearse.Soak(ctx, lab, arg.SoakOptions, sandbox.Say), nil
}
