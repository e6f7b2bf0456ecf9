package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/lbha/lbha/cmd/internal/admin"
)

// actTimeout bounds what the daemon is asked to do; it bounds itself more tightly.
const actTimeout = 2 * time.Minute

func planCommand(client func() *admin.Client) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "plan [FILE]",
		Short: "Show what a reload would do, operation by operation",
		Long: "plan asks the running daemon to compare FILE, by default its own configuration file, with the configuration and\n" +
			"the kernel table in force. Nothing is changed.\n\nExit status: 0 nothing would change, 2 there are changes, 1 error.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var req admin.PlanRequest
			if len(args) == 1 {
				path, err := filepath.Abs(args[0])
				if err != nil {
					return err
				}
				req.Path = path
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), actTimeout)
			defer cancel()
			plan, err := client().Plan(ctx, req)
			if err != nil {
				return err
			}
			if asJSON {
				if err := printJSON(cmd.OutOrStdout(), plan); err != nil {
					return err
				}
			} else {
				printLines(cmd.ErrOrStderr(), plan.Diagnostics, plan.Warnings)
				printChanges(cmd.OutOrStdout(), plan.Changes)
				if len(plan.Diagnostics) == 0 {
					fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", plan.Path, plural(len(plan.Changes), "change"))
				}
			}
			switch {
			case len(plan.Diagnostics) > 0:
				return exit(1)
			case len(plan.Changes) > 0:
				return exit(2)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func reloadCommand(client func() *admin.Client) *cobra.Command {
	var asJSON bool
	var req admin.ReloadRequest
	const confirm = "confirm"
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Read the configuration again: plan, apply, verify",
		Long: "reload makes the running daemon read its configuration file again, exactly as SIGHUP does, and waits for the result.\n" +
			"A file with any error changes nothing; the daemon runs on with what it has.\n\n" +
			"With --confirm the new configuration is on trial: unless `lbha confirm` comes within that time, the former one is put in\n" +
			"force again, also if lbha dies or is restarted meanwhile. Until then there is no other reload. The file is not touched:\n" +
			"after a return it says something else than what is in force, as `lbha plan` shows.\n\nExit status: 0 applied and verified against the kernel, 1 not applied, or not verified; the message says which.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed(confirm) && (req.Confirm < admin.MinConfirm || req.Confirm > admin.MaxConfirm) {
				return fmt.Errorf("--confirm %v: want 1s to 24h", req.Confirm)
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), actTimeout)
			defer cancel()
			result, err := client().Reload(ctx, req)
			if err != nil {
				return err
			}
			if asJSON {
				if err := printJSON(cmd.OutOrStdout(), result); err != nil {
					return err
				}
			} else {
				printLines(cmd.ErrOrStderr(), result.Diagnostics, result.Warnings)
				printChanges(cmd.OutOrStdout(), result.Changes)
			}
			if result.Applied && result.Trial != nil && !asJSON {
				defer printTrial(cmd.OutOrStdout(), result.Trial)
			}
			switch {
			case result.Applied && !result.OK:
				fmt.Fprintf(cmd.ErrOrStderr(), "lbha: reload: configuration %.12s is in force, but %s\n", result.Hash, result.Error)
				return exit(1)
			case !result.OK:
				fmt.Fprintln(cmd.ErrOrStderr(), "lbha: reload refused:", result.Error)
				return exit(1)
			}
			if !asJSON {
				fmt.Fprintf(cmd.OutOrStdout(), "reloaded: %s; configuration %.12s is in force\n", plural(len(result.Changes), "change"), result.Hash)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().DurationVar(&req.Confirm, confirm, 0, "go back to the former configuration unless lbha confirm comes within this `TIME`, 1s to 24h, such as 60s")
	cmd.Flags().StringVar(&req.Expect, "expect", "", "refuse unless the configuration in force has this `HASH` (see lbha status --json)")
	return cmd
}

func failoverCommand(client func() *admin.Client) *cobra.Command {
	var lift bool
	cmd := &cobra.Command{
		Use:   "failover [INSTANCE]",
		Short: "Hand over to a backup now, make before break",
		Long: "failover lowers the advertised priority of INSTANCE, or of all instances, and keeps forwarding until a backup has\n" +
			"taken over: no request is lost. The priority stays low, so that this director does not take over again, until\n" +
			"`lbha failover --lift`. A backup takes over after its master-down interval, 3 to 4 s at an interval of 1 s.\n\n" +
			"Exit status: 0 asked for, whenever it happens, or lifted; 1 there is nothing to hand over, or an error.",
		Args: cobra.MaximumNArgs(1),

		ValidArgsFunction: complete(client, instanceNames),

		RunE: func(cmd *cobra.Command, args []string) error {
			req := admin.FailoverRequest{Lift: lift}
			if len(args) == 1 {
				req.Instance = args[0]
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), actTimeout)
			defer cancel()
			if err := client().Failover(ctx, req); err != nil {
				return err
			}
			if lift {
				fmt.Fprintln(cmd.OutOrStdout(), "lifted: the configured priority counts again")
			} else {
				fmt.Fprintln(cmd.OutOrStdout(), "asked for: `lbha status` shows when a backup has taken over; `lbha failover --lift` ends it")
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&lift, "lift", false, "take part with the configured priority again")
	return cmd
}

func printLines(w io.Writer, groups ...[]string) {
	for _, lines := range groups {
		for _, l := range lines {
			fmt.Fprintln(w, l)
		}
	}
}

func printChanges(w io.Writer, changes []admin.Change) {
	for _, c := range changes {
		fmt.Fprintf(w, "%-8s %s\n", c.Kind, c.Text)
	}
}
