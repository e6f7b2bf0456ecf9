//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
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
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "measure lbha beside keepalived, in turn, and print ratios",
		Long: "bench measures in parts: failover, many (255 virtual routers), announce (1,000 VIPs), busy and churn (10 ms beside busy\n" +
			"processors, beside a busy network configuration) concern VRRP alone and run on this kernel, in namespaces; outage is about a service, and\nchecks about thousands of servers: these run where IPVS is.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, part := range o.Only {
				if !slices.Contains(bench.Parts(), part) {
					return fmt.Errorf("no such part: %q; there are %s", part, strings.Join(bench.Parts(), ", "))
				}
			}
			report, err := runBench(cmd.Context(), *world, o)
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
	flags := cmd.Flags()
	flags.IntVar(&o.Runs, "runs", 4, "`number` of runs of each daemon in a series at 1 s; quicker series have more")
	flags.StringSliceVar(&o.Only, "only", nil, "measure only these `parts`: "+strings.Join(bench.Parts(), ", "))
	flags.DurationVar(&o.Rest, "rest", 10*time.Second, "how `long` 255 virtual routers are watched in each run")
	flags.DurationVar(&o.Busy, "busy", time.Minute, "how `long` each pair is watched beside busy processors")
	flags.DurationVar(&o.Checks, "checks", 20*time.Second, "how `long` each daemon is watched that checks thousands of servers")
	flags.IntVar(&o.Kills, "kills", 60, "`number` of servers that are killed under each daemon")
	flags.BoolVar(&asJSON, "json", false, "print the whole report as JSON")
	return cmd
}

// runBench visits the worlds that the wanted parts need.
func runBench(ctx context.Context, world sandbox.Kind, o bench.Options) (*bench.Report, error) {
	report := new(bench.Report)
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
		var sections []bench.Section
		kind, err := place.visit.enter(ctx, func(work string) (any, error) {
			if place.peers == nil {
				o.Binary = filepath.Join(work, "bin", "lbha")
				return &o, prepareVRRP(ctx, o.Binary, drive.Keepalived)
			}
			return &o, prepareDirectors(ctx, work, &o.Binary, place.peers...)
		}, &sections)
		if err != nil {
			return nil, err
		}
		for _, s := range sections {
			s.World = string(kind)
			report.Sections = append(report.Sections, s)
		}
	}
	return report, nil
}

// benchJob is the inside of a bench where IPVS is.
func benchJob(ctx context.Context, in *sandbox.Inside) (any, error) {
	var o bench.Options
	if err := json.Unmarshal(in.Arg, &o); err != nil {
		return nil, err
	}
	section, err := bench.RunOutage(ctx, o, filepath.Join(in.Work, "bin", "lab"), sandbox.Say)
	if err != nil {
		return nil, err
	}
	section.Kernel = sandbox.KernelRelease()
	return []bench.Section{*section}, nil
}

// benchVRRPJob is the inside of a bench of VRRP alone.
func benchVRRPJob(ctx context.Context, in *sandbox.Inside) (any, error) {
	var o bench.Options
	if err := json.Unmarshal(in.Arg, &o); err != nil {
		return nil, err
	}
	sections, err := bench.RunVRRP(ctx, o, sandbox.Say)
	if err != nil {
		return nil, err
	}
	for i := range sections {
		sections[i].Kernel = sandbox.KernelRelease()
	}
	return sections, nil
}

// show writes a report to standard output, as text or as JSON.
func show(report interface{ Print(io.Writer) }, asJSON bool) error {
	if !asJSON {
		report.Print(os.Stdout)
		return nil
	}
	enc := json.NewEncoder(os.Stdout)
	enc.SetIndent("", "  ")
	return enc.Encode(report)
}
