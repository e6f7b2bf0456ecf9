//go:build linux

package main

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/lbha/lbha/integration/internal/clab"
	"github.com/lbha/lbha/integration/internal/rehearse"
	"github.com/lbha/lbha/integration/internal/sandbox"
	"github.com/lbha/lbha/integration/internal/script"
	"github.com/spf13/cobra"
)

const (
	// clabDeadline bounds what comes before scenarios and after them: Docker, the image, the deployment and its end. It takes less than a minute.
	clabDeadline = 5 * time.Minute
	// clabMemory holds Docker's images and containers, too.
	clabMemory = 3 << 30
)

// errNoContainerlab: there is no Debian package to install.
var errNoContainerlab = errors.New("containerlab is not installed (https://containerlab.dev/install)")

// inContainers are the scenarios of the part "containerlab". What they do is done by other means than in the lab: by docker kill, start with a
// new cable, and pause, by commands, files and servers in containers.
var inContainers = []string{"harmless", "kill-master", "own-wreck", "pause", "real-server"}

func containerlabCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "containerlab",
		Short: "deploy examples/containerlab with Docker and containerlab, and break its master",
		Long: "containerlab plays some of the scenarios of integration/scenarios in the topology of examples/containerlab. To play others, or all that\n" +
			"containers can: lab drill --in containerlab --possible integration/scenarios/*.scenario",
		Args: cobra.NoArgs,
	}
	reporting(cmd, func(ctx context.Context, _ []string) (report, error) { return runContainerlab(ctx) })
	return cmd
}

// runContainerlab plays the scenarios of the part.
func runContainerlab(ctx context.Context) (*rehearse.Report, error) {
	root, err := moduleRoot(ctx)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, name := range inContainers {
		paths = append(paths, filepath.Join(root, "integration", "scenarios", name+".scenario"))
	}
	return runScenarios(ctx, sandbox.UserMode, scenarioOptions{place: "containerlab"}, paths)
}

// scenarioContainers is what crosses into a world with Docker.
type scenarioContainers struct {
	clab.Options
	Files []scenarioFile `json:"files"`
}

// scenariosInContainers plays files in the topology of examples/containerlab.
func scenariosInContainers(ctx context.Context, files []scenarioFile, list []*script.Scenario) (*rehearse.Report, error) {
	if _, err := exec.LookPath("containerlab"); err != nil {
		return nil, errNoContainerlab
	}
	arg := scenarioContainers{Files: files}
	v := visit{world: sandbox.UserMode, job: "scenarios-cl", deadline: clabDeadline + scenariosDeadline(list), memory: clabMemory}
	return play[rehearse.Report](ctx, v, func(work string) (any, error) {
		var err error
		arg.Options, err = prepareContainers(ctx, work)
		return arg, err
	})
}

// playScenariosInContainers is the inside of that.
func playScenariosInContainers(ctx context.Context, in *sandbox.Inside, arg scenarioContainers) (*rehearse.Report, error) {
	place, end, err := clab.Deploy(ctx, arg.Options, in.Self(), sandbox.Say)
	if err != nil {
		return nil, err
	}
	defer end()
	return playAll(ctx, place, "containerlab", arg.Files, sandbox.Say)
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
