package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/lbha/lbha/integration/internal/sandbox"
)

// jobs are what runs inside a world, by name.
var jobs = map[string]sandbox.Job{
	"drill": drillJob,
}

// enter makes a work directory, lets prepare fill it, runs a job in a world, and removes the directory.
func enter(ctx context.Context, job string, deadline time.Duration, prepare func(work string) (arg any, err error), result any) (sandbox.Kind, error) {
	kind, err := sandbox.Choose(ctx, say)
	if err != nil {
		return "", err
	}
	work, err := os.MkdirTemp("", "lbha-lab-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	arg, err := prepare(work)
	if err != nil {
		return kind, err
	}
	w := &sandbox.World{
		Kind: kind, Work: work, Deadline: deadline, Job: job, Arg: arg,
		Progress: func(line string) { say("%s", line) },
	}
	return kind, w.Run(ctx, result)
}

// build compiles a command of this module, statically, for the inside of a world.
func build(ctx context.Context, pkg, to string) error {
	say("go build %s", pkg)
	cmd := exec.CommandContext(ctx, "go", "build", "-o", to, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	root, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	return nil
}

// moduleRoot is the directory of go.mod.
func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	path := strings.TrimSpace(string(out))
	if path == "" || path == os.DevNull {
		return "", fmt.Errorf("run the lab from the directory of its module")
	}
	return filepath.Dir(path), nil
}
