package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/lbha/lbha/cmd/internal/admin"
	"github.com/lbha/lbha/cmd/internal/director"
	"github.com/lbha/lbha/cmd/internal/elector"
	"github.com/lbha/lbha/cmd/internal/supervisor"
)

const (
	defaultConfig = "/etc/lbha/lbha.toml"
	defaultSocket = "/run/lbha/lbha.sock"
	socketEnv     = "LBHA_SOCKET"
)

// exit is an error that only carries an exit status: everything has been said.
type exit int

func (e exit) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

func main() {
	// The supervisor starts this binary again for its two processes and tells them by environment what they are.
	role := os.Getenv(supervisor.EnvRole)
	if role != "" {
		// What ps, top and the journal call it: otherwise "exe", after the path by which it was started.
		_ = os.WriteFile("/proc/self/comm", []byte(os.Args[0]), 0)
	}
	switch role {
	case "elector":
		os.Exit(elector.Main())
	case "director":
		os.Exit(director.Main(os.Getenv(supervisor.EnvConfig), version()))
	}
	os.Exit(status(root().Execute()))
}

// status turns the error of a command into the exit status, and prints it.
func status(err error) int {
	var code exit
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int(code)
	}
	fmt.Fprintln(os.Stderr, "lbha:", err)
	return 1
}

func root() *cobra.Command {
	var socket string
	cmd := &cobra.Command{
		Use:           "lbha",
		Short:         "A load-balancer director with high availability",
		Long:          "lbha turns two or more Linux hosts into a highly available load-balancer director: they elect a master by VRRP,\nthe master holds the virtual IPs, and each keeps the kernel's IPVS table equal to its configuration and its health checks.",
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       version(),
	}
	cmd.SetVersionTemplate("lbha {{.Version}}\n")
	cmd.PersistentFlags().StringVar(&socket, "socket", envOr(socketEnv, defaultSocket), "control socket of the daemon; also by "+socketEnv)
	client := func() *admin.Client { return admin.NewClient(socket) }
	cmd.AddCommand(
		runCommand(),
		checkCommand(),
		planCommand(client),
		reloadCommand(client),
		confirmCommand(client),
		statusCommand(client),
		explainCommand(client),
		failoverCommand(client),
		serverCommand(client),
		ipvsCommand(),
		realserverCommand(),
		doctorCommand(),
		scanCommand(),
		importCommand(),
		manCommand(),
		versionCommand(),
	)
	cmd.InitDefaultCompletionCmd()
	refuseUnknown(cmd)
	return cmd
}

// refuseUnknown makes a mistyped subcommand an error below the root, too: by itself cobra prints help there, and exits with 0, as
// if a server had been drained.
func refuseUnknown(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		refuseUnknown(sub)
		if sub.HasSubCommands() && !sub.Runnable() {
			sub.Args = cobra.NoArgs
			sub.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
	}
}

func envOr(key, fallback string) string {
	if v := os.Getenv(key); v != "" {
		return v
	}
	return fallback
}
