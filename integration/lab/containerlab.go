//go:build linux

package main

import (
	"context"
	"encoding/json"
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
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "containerlab",
		Short: "deploy examples/containerlab with Docker and containerlab, and break its master",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			report, err := runContainerlab(cmd.Context())
			if err != nil {
				return err
			}
			if err := show(report, asJSON); err != nil {
				return err
			}
			if !report.OK() {
				return errFailed
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the whole report as JSON")
	return cmd
}

// runContainerlab prepares a world with Docker, and deploys there.
func runContainerlab(ctx context.Context) (*clab.Report, error) {
	if _, err := exec.LookPath("containerlab"); err != nil {
		return nil, errNoContainerlab
	}
	report := new(clab.Report)
	// Not in namespaces of the running kernel, whatever is asked for: Docker would share its own with the host's.
	v := visit{world: sandbox.UserMode, job: "containerlab", deadline: clabDeadline, memory: clabMemory}
	kind, err := v.enter(ctx, func(work string) (any, error) {
		return prepareContainers(ctx, work)
	}, report)
	report.World = string(kind)
	return report, err
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

// containerlabJob is the inside of a run.
func containerlabJob(ctx context.Context, in *sandbox.Inside) (any, error) {
	var o clab.Options
	if err := json.Unmarshal(in.Arg, &o); err != nil {
		return nil, err
	}
	report, err := clab.Run(ctx, o, sandbox.Say)
	if err != nil {
		return nil, err
	}
	report.Kernel = sandbox.KernelRelease()
	return report, nil
}
