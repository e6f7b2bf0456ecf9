package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lbha/lbha/cmd/internal/ipvsctl"
	"github.com/lbha/lbha/ipvs"
)

func (t *ipvsTool) zero() *cobra.Command {
	var sel serviceFlags
	cmd := &cobra.Command{
		Use: "zero [SERVICE...]", Short: "Set counters to 0",
		Long: "zero sets the counters of services and their servers to 0: of all, or of some. It changes nothing else.",
		RunE: func(cmd *cobra.Command, args []string) error {
			keys, err := sel.keys(args, t.ports)
			if err != nil {
				return err
			}
			return t.with(cmd, func(ctx context.Context, k ipvsctl.Kernel) error {
				zeroed, err := ipvsctl.Zero(ctx, k, keys)
				if err != nil {
					return err
				}
				return t.print(cmd, map[string]any{"zeroed": zeroed}, func(out io.Writer) error {
					_, err := fmt.Fprintf(out, "counters of %s set to 0\n", plural(len(zeroed), "service"))
					return err
				})
			})
		},
	}
	sel.bind(cmd.Flags())
	return cmd
}

func (t *ipvsTool) save() *cobra.Command {
	return &cobra.Command{
		Use: "save", Short: "Print the table as rules that restore and ipvsadm read",
		Long: "save prints the table as ipvsadm's rules, sorted, with numbers for names: for `lbha ipvs restore` and `ipvsadm -R`.\n" +
			"Unlike `ipvsadm -S` it keeps the thresholds (-x, -y). Counters, timeouts and sync daemons are not part of it.\n" +
			"--json prints what list --json prints.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return t.with(cmd, func(ctx context.Context, k ipvsctl.Kernel) error {
				snap, err := k.List(ctx)
				if err != nil {
					return err
				}
				l, err := ipvsctl.NewListing(snap)
				if err != nil {
					return err
				}
				return t.print(cmd, l, func(out io.Writer) error {
					_, err := io.WriteString(out, snap.Table.String())
					return err
				})
			})
		},
	}
}

func (t *ipvsTool) restore() *cobra.Command {
	var o ipvsctl.Restoration
	cmd := &cobra.Command{
		Use: "restore [FILE]", Short: "Make the table what rules say",
		Long: "restore reads what `lbha ipvs save`, `ipvsadm -Sn` and `ipvsadm -S` print, from FILE or standard input.\n" +
			"All of it is read first: a line that is wrong is an error with its number, every such line is reported, and nothing is changed.\n\n" +
			"The table then becomes exactly what the rules say: what they do not name is deleted (--merge leaves it alone), what is so already\n" +
			"is not touched, and no pool is empty on the way. Empty input never empties the table.\n\n" +
			"A rule that the kernel refuses is an error with its line; the others are in force then.\n\n" +
			anyDrift + "\n\nExit status: 0 the table is as the rules say, 1 it is not.",
		Example: "  ipvsadm -Sn | lbha ipvs restore --dry-run\n  lbha ipvs save > table; lbha ipvs restore table",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := readRules(cmd, args)
			if err != nil {
				return err
			}
			return t.with(cmd, func(ctx context.Context, k ipvsctl.Kernel) error {
				r, err := ipvsctl.Restore(ctx, k, text, t.ports, o)
				if err != nil {
					return err
				}
				return t.report(cmd, r, func(out io.Writer) error {
					if o.DryRun {
						return printOps(out, r.Operations)
					}
					_, err := fmt.Fprintf(out, "restored: %s, %d refused\n", plural(r.Done(), "change"), len(r.Operations)-r.Done())
					return err
				})
			})
		},
	}
	cmd.Flags().BoolVar(&o.Merge, "merge", false, "leave alone the services and servers that the rules do not name")
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, "print the operations, and do nothing")
	return cmd
}

// readRules reads a file, or standard input, to its end.
func readRules(cmd *cobra.Command, args []string) (string, error) {
	if len(args) == 1 && args[0] != "-" {
		b, err := os.ReadFile(args[0])
		return string(b), err
	}
	if isTerminal(cmd.InOrStdin()) {
		fmt.Fprintln(cmd.ErrOrStderr(), "reading rules from the terminal, to Ctrl-D")
	}
	b, err := io.ReadAll(cmd.InOrStdin())
	if err != nil {
		return "", fmt.Errorf("read rules from standard input: %w", err)
	}
	return string(b), nil
}

func (t *ipvsTool) clear() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "clear", Short: "Delete every service",
		Long: "clear deletes every service, whoever made it. Open connections through them break, and are answered with a reset.\n" +
			"It asks first; without a terminal it needs --yes.\n\n" + anyDrift,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !yes && !isTerminal(cmd.InOrStdin()) {
				return errors.New("clear deletes every service, and there is no terminal to ask on: say --yes")
			}
			return t.with(cmd, func(ctx context.Context, k ipvsctl.Kernel) error {
				if !yes {
					snap, err := k.List(ctx)
					if err != nil {
						return err
					}
					fmt.Fprintf(cmd.ErrOrStderr(), "Delete %s? [y/N] ", ipvsctl.Size(snap.Table))
					answer, _ := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
					if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
						return errors.New("not cleared")
					}
				}
				had, err := ipvsctl.Clear(ctx, k)
				if err != nil {
					return err
				}
				return t.report(cmd, ipvsctl.Result{Operations: append([]ipvs.Op{}, ipvs.Diff(nil, had)...)}, func(out io.Writer) error {
					_, err := fmt.Fprintf(out, "deleted %s\n", ipvsctl.Size(had))
					return err
				})
			})
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}
