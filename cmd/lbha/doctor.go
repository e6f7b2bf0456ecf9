package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/lbha/lbha/cmd/internal/ground"
)

const doctorTimeout = 30 * time.Second

func doctorCommand() *cobra.Command {
	var path string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor [-c FILE]",
		Short: "Examine this host: sysctls, modules, routes, loops, each with its fix",
		Long: "doctor looks at what a director with this configuration depends on, and lbha does not change by itself: forwarding,\n" +
			"reverse-path filters, redirects, modules, routes and their MTU, a director among its own servers, and what becomes of\n" +
			"connections when a server or a director goes. It changes nothing, sends nothing and needs no daemon.\n" +
			"A fix by sysctl lasts until the host starts anew: write it into /etc/sysctl.d as well.\n\n" +
			"  wrong   traffic is lost\n" +
			"  advice  traffic will be lost some day: when a server dies, or a director\n" +
			"  note    good to know; it concerns other programs\n" +
			"  ok      as it should be\n\n" +
			"Exit status: 0 nothing is wrong; 2 something is; 1 the configuration, or the host, could not be read.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := load(cmd.ErrOrStderr(), path)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), doctorTimeout)
			defer cancel()
			facts, err := ground.Read(ctx, ground.Ask(cfg))
			if err != nil {
				return err
			}
			findings := ground.Judge(cfg, facts)
			if asJSON {
				err = printJSON(cmd.OutOrStdout(), map[string]any{"findings": findings})
			} else {
				err = printFindings(cmd.OutOrStdout(), findings)
			}
			if err == nil && len(findings) > 0 && findings[0].Severity == ground.Wrong {
				err = exit(2)
			}
			return err
		},
	}
	cmd.Flags().StringVarP(&path, "config", "c", defaultConfig, "configuration file")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func printFindings(out io.Writer, findings []ground.Finding) error {
	p := painter(out)
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	for _, f := range findings {
		good := f.Severity == ground.Right || f.Severity == ground.Note
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", p(string(f.Severity), good), f.Object, f.Reason, f.Message)
		if f.Fix != "" {
			fmt.Fprintf(w, "%s\t\t\tfix: %s\n", p("", good), f.Fix)
		}
	}
	return w.Flush()
}
