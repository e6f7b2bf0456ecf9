package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/lbha/lbha/cmd/internal/admin"
	"github.com/lbha/lbha/cmd/internal/observe"
)

func confirmCommand(client func() *admin.Client) *cobra.Command {
	var asJSON bool
	var req admin.ConfirmRequest
	cmd := &cobra.Command{
		Use:   "confirm",
		Short: "Keep the configuration that is on trial",
		Long: "confirm ends the trial that `lbha reload --confirm` began: the configuration in force stays. With --revert it ends the\n" +
			"other way, at once: the former configuration is put in force again. The file is not touched by either.\n\n" +
			"Exit status: 0 done, 1 nothing is on trial, it is too late, or the former configuration could not be put in force; the\nmessage says which.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), actTimeout)
			defer cancel()
			result, err := client().Confirm(ctx, req)
			if err != nil {
				return err
			}
			if asJSON {
				if err := printJSON(cmd.OutOrStdout(), result); err != nil {
					return err
				}
			} else {
				printChanges(cmd.OutOrStdout(), result.Changes)
			}
			switch {
			case !result.Applied:
				fmt.Fprintf(cmd.ErrOrStderr(), "lbha: confirm: configuration %.12s is still in force: the former one was refused: %s\n", result.Hash, result.Error)
				return exit(1)
			case !result.OK:
				fmt.Fprintf(cmd.ErrOrStderr(), "lbha: confirm: configuration %.12s is in force again, but %s\n", result.Hash, result.Error)
				return exit(1)
			case asJSON:
			case req.Revert:
				fmt.Fprintf(cmd.OutOrStdout(), "reverted: %s; configuration %.12s is in force again\n", plural(len(result.Changes), "change"), result.Hash)
			default:
				fmt.Fprintf(cmd.OutOrStdout(), "confirmed: configuration %.12s stays in force\n", result.Hash)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&req.Revert, "revert", false, "put the former configuration in force again, without waiting for the end of the trial")
	return cmd
}

// printTrial says what becomes of a configuration on trial, and what to do about it.
func printTrial(out io.Writer, tr *observe.Trial) {
	switch tr.State {
	case "waiting":
		asked := ""
		if tr.By != "" {
			asked = " (asked for by " + tr.By + ")"
		}
		fmt.Fprintf(out, "on trial%s: configuration %.12s returns in %v unless `lbha confirm` comes before\n", asked, tr.Former, tr.Left.Round(100*time.Millisecond))
	case "reverting":
		fmt.Fprintf(out, "on trial no more: configuration %.12s is being put in force again\n", tr.Former)
	default:
		fmt.Fprintf(out, "not confirmed, but configuration %.12s could not be put in force again; it is tried again, until `lbha confirm`: %s\n", tr.Former, tr.Error)
	}
}
