//go:build linux

package main

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/lbha/lbha/integration/internal/clab"
	"github.com/lbha/lbha/integration/internal/sandbox"
	"github.com/spf13/cobra"
)

const (
	// clabDeadline is when a run that hangs is killed; a whole one takes some three minutes.
	clabDeadline = 10 * time.Minute
	// clabMemory holds Docker's images and containers, too.
	clabMemory = 3 << 30
)

// errNoContainerlab: there is no Debian package to install.
var errNoContainerlab = errors.New("containerlab is not installed (https://containerlab.dev/install)")

func containerlabCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "containerlab",
		Short: "deploy examples/containerlab with Docker and containerlab, and break its master",
		Args:  cobra.NoArgs,
	}
	reporting(cmd, func(ctx context.Context, _ []string) (report, error) { return runContainerlab(ctx) })
	return cmd
}

// runContainerlab prepares a world with Docker, and deploys there.
func runContainerlab(ctx context.Context) (*clab.Report, error) {
	if _, err := exec.LookPath("containerlab"); err != nil {
		return nil, errNoContainerlab
	}
	// Not in namespaces of the running kernel, whatever is asked for: Docker would share its own with the host's.
	v := visit{world: sandbox.UserMode, job: "containerlab", deadline: clabDeadline, memory: clabMemory}
	return play[clab.Report](ctx, v, func(work string) (any, error) { return prepareContainers(ctx, work) })
}

// prepareContainers installs and compiles what the topology needs, beside containerlab itself.
func prepareContainers(ctx context.Context, work string) (o clab.Options, err error) {
	root, err := moduleRoot(ctx)
	if err != nil {
		return o, err
	}
	o = clab.Options{Example: filepath.Join(root, "examples", "containerlab"), Binary: filepath.Join(work, "bin", "lbha"), Dir: "/run/clab"}
	if err := sandbox.Install(ctx, say, sandbox.Package{Brings: "dockerd", Name: "docker.io"}, sandbox.Package{Brings: "/bin/busybox", Name: "busybox-static"},
		sandbox.Package{Brings: "ipvsadm", Name: "ipvsadm"}); err != nil {
		return o, err
	}
	return o, build(ctx, "./cmd/lbha", o.Binary)
}

// playContainerlab is the inside of a run.
func playContainerlab(ctx context.Context, _ *sandbox.Inside, o clab.Options) (*clab.Report, error) {
	return clab.Run(ctx, o, sandbox.Say)
}
