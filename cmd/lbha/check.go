package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/lbha/lbha/config"
)

func checkCommand() *cobra.Command {
	var asJSON, probing bool
	path := defaultConfig
	cmd := &cobra.Command{
		Use:   "check [FILE] | check --probe SERVICE [SERVER]",
		Short: "Check a configuration, all of it, without a kernel or a daemon; or probe a server once",
		Long: "check reports every error of a configuration in one run, each as file:line:column: what is wrong (what is meant).\n" +
			"Features that the file may name but this version cannot run are listed as warnings; run and reload refuse them.\n\n" +
			"With --probe it runs the health checks of a server, or of all servers of a service, once and now, and shows the whole\n" +
			"conversation, within TLS in the clear and without passwords. It asks from this host as the daemon would; the daemon\n" +
			"itself, its verdicts and the kernel's table have no part in it.\n\n" +
			"Exit status: 0 the configuration is valid, 1 it is not; of --probe: 0 all passed, 2 one failed, 1 they could not be run.",
		Example: "  lbha check /etc/lbha/lbha.toml\n  lbha check --probe www 10.9.0.3",
		Args: func(cmd *cobra.Command, args []string) error {
			if probing {
				return cobra.RangeArgs(1, 2)(cmd, args)
			}
			return cobra.MaximumNArgs(1)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if probing {
				return probeOnce(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), path, args, asJSON)
			}
			if len(args) == 1 {
				path = args[0]
			}
			cfg, err := config.Load(path)
			found, err := diagnostics(err)
			if err != nil {
				return err
			}
			var warnings config.Diagnostics
			if cfg != nil {
				warnings = cfg.Warnings
			}
			if asJSON {
				if err := printJSON(cmd.OutOrStdout(), map[string]any{"file": path, "ok": len(found) == 0, "errors": orEmpty(found), "warnings": orEmpty(warnings)}); err != nil {
					return err
				}
			} else {
				printCheck(cmd.OutOrStdout(), cmd.ErrOrStderr(), path, cfg, found, warnings)
			}
			if len(found) > 0 {
				return exit(1)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&probing, "probe", false, "run health checks once, now, and show the conversation")
	cmd.Flags().StringVarP(&path, "config", "c", path, "configuration file")
	return cmd
}

func printCheck(out, errOut io.Writer, path string, cfg *config.Config, found, warnings config.Diagnostics) {
	for _, d := range found {
		fmt.Fprintln(errOut, d)
	}
	for _, d := range warnings {
		d.Severity = config.Warning
		fmt.Fprintln(errOut, d)
	}
	if len(found) > 0 {
		fmt.Fprintf(errOut, "%s: %s\n", path, plural(len(found), "error"))
		return
	}
	servers := 0
	for _, s := range cfg.Services {
		servers += len(s.Servers)
	}
	fmt.Fprintf(out, "%s: valid: %s, %s, %s\n", path, plural(len(cfg.Instances), "instance"), plural(len(cfg.Services), "service"), plural(servers, "server"))
}

// load reads a configuration for a command that is about something else, and prints what is wrong with it.
func load(errOut io.Writer, path string) (*config.Config, error) {
	cfg, err := config.Load(path)
	found, err := diagnostics(err)
	for _, d := range found {
		fmt.Fprintln(errOut, d)
	}
	if len(found) > 0 {
		err = fmt.Errorf("%s in %s", plural(len(found), "error"), path)
	}
	return cfg, err
}

// diagnostics takes the findings out of an error of config.Load.
func diagnostics(err error) (config.Diagnostics, error) {
	if found, ok := errors.AsType[config.Diagnostics](err); ok {
		return found, nil
	}
	return nil, err
}

func orEmpty(d config.Diagnostics) config.Diagnostics {
	if d == nil {
		return config.Diagnostics{}
	}
	return d
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
