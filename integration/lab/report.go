//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/lbha/lbha/integration/internal/sandbox"
	"github.com/spf13/cobra"
)

// report is what a suite found.
type report interface {
	Print(out io.Writer)
	OK() bool
}

// reporting makes cmd one that plays a suite: the report is shown, as text or as JSON, and decides the exit status. Where play returns
// no report, there is nothing more to show.
func reporting(cmd *cobra.Command, play func(ctx context.Context, args []string) (report, error)) {
	var asJSON bool
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the whole report as JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		r, err := play(cmd.Context(), args)
		if err != nil || r == nil {
			return err
		}
		if err := show(r, asJSON); err != nil {
			return err
		}
		if !r.OK() {
			return errFailed
		}
		return nil
	}
}

// show writes a report to standard output.
func show(r report, asJSON bool) error {
	if !asJSON {
		r.Print(os.Stdout)
		return nil
	}
	enc := json.NewEncoder(os.Stdout)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

// play has a suite played in a world, by the visit's job, and returns its report.
func play[Report any](ctx context.Context, v visit, prepare func(work string) (any, error)) (*Report, error) {
	r := new(Report)
	if err := v.enter(ctx, prepare, r); err != nil {
		return nil, err
	}
	return r, nil
}

// playing is the job for that: it decodes what crossed into the world, plays the suite, and notes in its report where that was.
func playing[Arg any, Report interface{ PlayedIn(world, kernel string) }](suite func(ctx context.Context, in *sandbox.Inside, arg Arg) (Report, error)) sandbox.Job {
	return func(ctx context.Context, in *sandbox.Inside) (any, error) {
		var arg Arg
		if err := json.Unmarshal(in.Arg, &arg); err != nil {
			return nil, fmt.Errorf("decode the argument of a suite: %w", err)
		}
		r, err := suite(ctx, in, arg)
		if err != nil {
			return nil, err
		}
		r.PlayedIn(string(in.Kind), sandbox.KernelRelease())
		return r, nil
	}
}
