//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/lbha/lbha/integration/internal/sandbox"
	"golang.org/x/sys/unix"
)

// jobs are what runs inside a world, by name.
var jobs = map[string]sandbox.Job{
	"bench":         playing(playBench),
	"bench-checks":  playing(playBenchChecks),
	"bench-vrrp":    playing(playBenchVRRP),
	"drill":         playing(playDrill),
	"interop":       playing(playInterop),
	"lvs":           playing(playLVS),
	"scale":         playing(playScale),
	"scenarios":     playing(playScenarios),
	"scenarios-cl":  playing(playScenariosInContainers),
	"scenarios-ssh": playing(playScenariosOverLabSSH),
	"shell":         shellJob,
	"soak":          playing(playSoak),
	"ssh":           playing(playLabSSH),
	"systemd":       playing(playSystemd),
	"tests":         testsJob,
}

// visit is one job in a world of its own.
type visit struct {
	world    sandbox.Kind // empty: the best that this machine offers
	job      string
	deadline time.Duration
	memory   int64                                                                                        // bytes of a user-mode kernel; 0: what the lab needs
	stdin    *os.File                                                                                     // for an interactive job
	choose   func(ctx context.Context, want sandbox.Kind, say func(string, ...any)) (sandbox.Kind, error) // nil: one with IPVS
}

// enter makes a work directory, lets prepare fill it, runs the job in a world, and removes the directory. Only one lab at a time is
// at work on a machine: two would measure each other.
func (v visit) enter(ctx context.Context, prepare func(work string) (arg any, err error), result any) error {
	choose := v.choose
	if choose == nil {
		choose = sandbox.Choose
	}
	kind, err := choose(ctx, v.world, say)
	if err != nil {
		return err
	}
	unlock, err := lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := sweep(); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", workPrefix)
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	arg, err := prepare(work)
	if err != nil {
		return err
	}
	w := &sandbox.World{
		Kind: kind, Work: work, Deadline: v.deadline, Job: v.job, Arg: arg, Stdin: v.stdin, Memory: v.memory,
		Progress: func(line string) { say("%s", line) },
	}
	return w.Run(ctx, result)
}

// workPrefix is how the names of work directories begin.
const workPrefix = "lbha-lab-"

// sweep removes the work directories of labs that were killed. Whoever has the lock is the only one at work.
func sweep() error {
	dirs, err := filepath.Glob(filepath.Join(os.TempDir(), workPrefix+"*"))
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("remove what a lab left that was killed: %w", err)
		}
	}
	return nil
}

// lock waits until no other lab runs on this machine. The kernel drops the lock with the process.
func lock(ctx context.Context) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(os.TempDir(), "lbha-lab.lock"), os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, err
	}
	for waits := 0; ; waits++ {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
		}
		if waits == 0 {
			say("another lab is at work on this machine: waiting for it to end")
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, context.Cause(ctx)
		case <-time.After(time.Second):
		}
	}
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
