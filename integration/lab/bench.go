//go:build linux

package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/lbha/lbha/integration/internal/bench"
	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/sandbox"
	"github.com/spf13/cobra"
)

func benchCommand(world *sandbox.Kind) *cobra.Command {
	var o bench.Options
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "measure lbha beside keepalived, in turn, and print ratios",
		Long: "bench measures in parts: failover, many (255 virtual routers), announce (1,000 VIPs), busy and churn (10 ms beside busy\n" +
			"processors, beside a busy network configuration) concern VRRP alone and run on this kernel, in namespaces; outage is about a service, and\nchecks about thousands of servers: these run where IPVS is.",
		Args: cobra.NoArgs,
	}
	reporting(cmd, func(ctx context.Context, _ []string) (report, error) {
		for _, part := range o.Only {
			if !slices.Contains(bench.Parts(), part) {
				return nil, fmt.Errorf("no such part: %q; there are %s", part, strings.Join(bench.Parts(), ", "))
			}
		}
		return runBench(ctx, *world, o)
	})
	flags := cmd.Flags()
	flags.IntVar(&o.Runs, "runs", 4, "`number` of runs of each daemon in a series at 1 s; quicker series have more")
	flags.StringSliceVar(&o.Only, "only", nil, "measure only these `parts`: "+strings.Join(bench.Parts(), ", "))
	flags.DurationVar(&o.Rest, "rest", 10*time.Second, "how `long` 255 virtual routers are watched in each run")
	flags.DurationVar(&o.Busy, "busy", time.Minute, "how `long` each pair is watched beside busy processors")
	flags.DurationVar(&o.Checks, "checks", 20*time.Second, "how `long` each daemon is watched that checks thousands of servers")
	flags.IntVar(&o.Kills, "kills", 60, "`number` of servers that are killed under each daemon")
	return cmd
}

// runBench visits the worlds that the wanted parts need.
func runBench(ctx context.Context, world sandbox.Kind, o bench.Options) (*bench.Report, error) {
	all := new(bench.Report)
	// A run takes at most a start, a rest and two failovers.
	deadline := 5*time.Minute + time.Duration(o.Runs)*3*time.Minute + 2*o.Busy
	for _, place := range []struct {
		visit visit
		parts []string
		peers []drive.Kind
	}{
		{visit{world: world, job: "bench-vrrp", deadline: deadline, choose: sandbox.ChooseNetwork}, bench.VRRPParts(), nil},
		{visit{world: world, job: "bench", deadline: deadline}, []string{bench.PartOutage}, []drive.Kind{drive.LBHA, drive.Keepalived}},
		{visit{world: world, job: "bench-checks", deadline: checksDeadline(o)}, []string{bench.PartChecks}, []drive.Kind{drive.LBHA, drive.Keepalived}},
	} {
		if !slices.ContainsFunc(place.parts, o.Has) {
			continue
		}
		report, err := play[bench.Report](ctx, place.visit, func(work string) (any, error) {
			if place.peers == nil {
				o.Binary = filepath.Join(work, "bin", "lbha")
				return &o, prepareVRRP(ctx, o.Binary, drive.Keepalived)
			}
			return &o, prepareDirectors(ctx, work, &o.Binary, place.peers...)
		})
		if err != nil {
			return nil, err
		}
		all.Sections = append(all.Sections, report.Sections...)
	}
	return all, nil
}

// playBench is the inside of a bench where IPVS is.
func playBench(ctx context.Context, in *sandbox.Inside, o bench.Options) (*bench.Report, error) {
	section, err := bench.RunOutage(ctx, o, in.Self(), sandbox.Say)
	if err != nil {
		return nil, err
	}
	return &bench.Report{Sections: []bench.Section{*section}}, nil
}

// playBenchVRRP is the inside of a bench of VRRP alone.
func playBenchVRRP(ctx context.Context, _ *sandbox.Inside, o bench.Options) (*bench.Report, error) {
	sections, err := bench.RunVRRP(ctx, o, sandbox.Say)
	return &bench.Report{Sections: sections}, err
}
