//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/lbha/lbha/integration/internal/drill"
	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/sandbox"
	"github.com/lbha/lbha/integration/internal/stage"
	"github.com/spf13/cobra"
)

// shellOptions cross into the world.
type shellOptions struct {
	drill.Options
	Command string `json:"command"` // empty: an interactive shell
}

func shellCommand(world *sandbox.Kind) *cobra.Command {
	var o shellOptions
	cmd := &cobra.Command{
		Use:   "shell",
		Short: "leave the network up, with both directors running, to play in",
		Long: "shell starts the lab of the drill, clients included, and a shell inside. Each host is a network namespace:\n\n" +
			"  on d1 ipvsadm -Ln          run a command on a host: d1 d2 rs1 rs2 rs3 client observer sw\n" +
			"  on observer tcpdump -ni eth0 vrrp or arp\n" +
			"  lbha-d1 status             the command line of the lbha on d1; lbha-d2 likewise\n" +
			"  cat /run/lab/d1/log        what a daemon said; its configuration is beside it\n\n" +
			"Leaving the shell ends the lab.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Peer == "" {
				o.Peer = o.Director
			}
			v := visit{world: *world, job: "shell", deadline: 24 * time.Hour}
			if o.Command == "" {
				v.stdin = os.Stdin
			}
			return v.enter(cmd.Context(), func(work string) (any, error) {
				return &o, prepareDirectors(cmd.Context(), work, &o.Binary, o.Director, o.Peer)
			}, nil)
		},
	}
	directorFlags(cmd, &o.Options)
	cmd.Flags().StringVarP(&o.Command, "command", "c", "", "run this `command` instead of an interactive shell")
	return cmd
}

// shellFunctions is what the shell knows beyond bash.
const shellFunctions = `PS1='lab \w# '
on() { local host=$1; shift; ip netns exec "$host" "$@"; }
lbha-d1() { LBHA_SOCKET=/run/lab/d1/lbha.sock %[1]s "$@"; }
lbha-d2() { LBHA_SOCKET=/run/lab/d2/lbha.sock %[1]s "$@"; }
`

// shellJob is the inside of a shell.
func shellJob(ctx context.Context, in *sandbox.Inside) (any, error) {
	var o shellOptions
	if err := json.Unmarshal(in.Arg, &o); err != nil {
		return nil, err
	}
	report := sandbox.Say
	if o.Command == "" {
		report = say // the console is the user's
	}
	s, err := stage.Set(in.Self(), report)
	if err != nil {
		return nil, err
	}
	if err := s.Use(stage.Pair{Director: o.Director, Peer: o.Peer, Binary: o.Binary, Interval: time.Second}); err != nil {
		return nil, err
	}
	if err := s.Start(); err != nil {
		return nil, err
	}
	if err := s.Rest(ctx, stage.RestLimit); err != nil {
		report("%v", err)
	}
	rc := "/run/lab/bashrc"
	if err := os.WriteFile(rc, fmt.Appendf(nil, shellFunctions, o.Binary), 0o644); err != nil {
		return nil, err
	}
	shell := exec.Command("bash", "--rcfile", rc, "-i")
	shell.Stdin, shell.Stdout, shell.Stderr = os.Stdin, os.Stdout, os.Stderr
	if o.Command != "" {
		shell = exec.Command("bash", "-c", ". "+rc+"; "+o.Command)
		out, err := shell.CombinedOutput()
		report("%s", out)
		return nil, err
	}
	report("the lab is up: `on d1 ipvsadm -Ln`, `lbha-d1 status`; leave with exit")
	// How somebody leaves a shell is no error of the lab.
	if err := shell.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		return nil, err
	}
	return nil, nil
}

// directorFlags are common to the commands that run a pair.
func directorFlags(cmd *cobra.Command, o *drill.Options) {
	cmd.Flags().StringVar((*string)(&o.Director), "director", string(drive.LBHA), "daemon of d1, the director that is broken: lbha, keepalived or frr")
	cmd.Flags().StringVar((*string)(&o.Peer), "peer", "", "daemon of d2: lbha, keepalived or frr (default: as d1)")
}
