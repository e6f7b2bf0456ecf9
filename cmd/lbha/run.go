package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/lbha/lbha/cmd/internal/observe"
	"github.com/lbha/lbha/cmd/internal/supervisor"
)

func runCommand() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the daemon in the foreground",
		Long: "run is the daemon: a supervisor with two processes, \"lbha: vrrp\" and \"lbha: director\". systemd is its keeper; see\n" +
			"examples/systemd/lbha.service. It needs CAP_NET_ADMIN and CAP_NET_RAW, and profits from CAP_SYS_NICE (a real-time\n" +
			"class for adverts) and CAP_IPC_LOCK (memory that is never swapped out).\n\n" +
			"Signals: HUP reload; TERM, INT stop after handing over, twice: at once; USR1 status to the log;\n" +
			"USR2 leave at once for a successor that is being started, with all addresses and services in force.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			path, err := filepath.Abs(path)
			if err != nil {
				return err
			}
			cfg, err := load(cmd.ErrOrStderr(), path)
			if err != nil {
				return fmt.Errorf("not started: %w", err)
			}
			log, flush, err := observe.NewLogger(cfg.Global.Log.Format, cfg.Global.Log.Level)
			if err != nil {
				return err
			}
			defer flush()
			for _, w := range cfg.Warnings {
				log.Warn(w.String())
			}
			// The supervisor keeps its memory there, before there is a director.
			if err := os.MkdirAll(cfg.Global.StateDir, 0o750); err != nil {
				return fmt.Errorf("state directory: %w; create it, or set global.state_dir", err)
			}
			signals := make(chan os.Signal, 8)
			signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)
			signal.Ignore(syscall.SIGPIPE)
			dir := cfg.Global.StateDir
			go debug.FreeOSMemory() // the configuration was read for its errors; its processes read it themselves
			err = supervisor.Run(path, dir, signals, log.With("process", "supervisor"))
			if errors.Is(err, supervisor.ErrFatal) {
				return exit(1) // the process that refused has said why
			}
			return err
		},
	}
	cmd.Flags().StringVarP(&path, "config", "c", defaultConfig, "configuration file")
	return cmd
}
