//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/lbha/lbha/integration/internal/sandbox"
	"github.com/lbha/lbha/integration/internal/stage"
	"github.com/spf13/cobra"
)

// errFailed means that everything has been said already.
var errFailed = errors.New("failed")

func main() {
	if sandbox.IsInit() {
		sandbox.Init()
		return
	}
	ctx, stop := interruptible()
	defer stop()
	if err := root().ExecuteContext(ctx); err != nil {
		switch {
		case errors.Is(err, errFailed):
		case ctx.Err() != nil:
			fmt.Fprintln(os.Stderr, "lab: interrupted; everything is cleaned up")
		default:
			fmt.Fprintln(os.Stderr, "lab:", err)
		}
		os.Exit(1)
	}
}

func root() *cobra.Command {
	cmd := &cobra.Command{
		Use:           "lab",
		Short:         "lbha on the real kernel: drill, test, bench, shell",
		Long:          "The lab needs Linux, root, and either a kernel with IPVS or amd64 and Debian's or Ubuntu's package user-mode-linux,\nwhich it installs. Run it from the module's directory: go run ./integration/lab drill",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	var world sandbox.Kind
	cmd.PersistentFlags().StringVar((*string)(&world), "world", "", "kernel to use: host, uml (default: host where it has IPVS)")
	cmd.CompletionOptions.DisableDefaultCmd = true
	cmd.AddCommand(benchCommand(&world), containerlabCommand(), drillCommand(&world), interopCommand(&world), lvsCommand(&world), packageCommand(), scaleCommand(&world), shellCommand(&world), soakCommand(&world), systemdCommand(&world), testCommand(&world), inside(), party())
	return cmd
}

// inside is what the first process of a world starts.
func inside() *cobra.Command {
	return &cobra.Command{
		Use:    sandbox.JobCommand + " WORK",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return sandbox.RunJob(args[0], jobs)
		},
	}
}

// party is a client or server of the lab.
func party() *cobra.Command {
	return &cobra.Command{
		Use:                stage.PartyCommand,
		Hidden:             true,
		DisableFlagParsing: true,
		RunE:               func(_ *cobra.Command, args []string) error { return stage.Party(args) },
	}
}

// say prints progress.
func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
