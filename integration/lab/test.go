//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/lbha/lbha/integration/internal/drill"
	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/sandbox"
	"github.com/lbha/lbha/integration/internal/suite"
	"github.com/spf13/cobra"
)

// kernelDeadline is when kernel tests that hang are killed.
const kernelDeadline = 20 * time.Minute

func testCommand(world *sandbox.Kind) *cobra.Command {
	var quick bool
	cmd := &cobra.Command{
		Use:   "test",
		Short: "every test there is, the kernel's among them, and the drill",
		Long: "test runs gofmt, go vet and go test with the race detector on this machine, then, in the lab's world, whatever was skipped here\n" +
			"for want of IPVS, then the drill. It prints what was skipped and why. Exit status: 0 when nothing failed.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runTests(cmd.Context(), *world, quick) },
	}
	cmd.Flags().BoolVar(&quick, "quick", false, "without the race detector and without the drill")
	return cmd
}

// runTests runs everything, and goes on after a failure: one run tells all.
func runTests(ctx context.Context, world sandbox.Kind, quick bool) error {
	root, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	if _, err := sandbox.Choose(ctx, world, say); err != nil {
		return err
	}
	// What tests on this machine use; one that misses something is skipped.
	if err := sandbox.Install(ctx, say, testPackages...); err != nil {
		return err
	}
	passed, failed := 0, 0
	count := func(ok bool) {
		if ok {
			passed++
		} else {
			failed++
		}
	}
	goroot, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return fmt.Errorf("go env GOROOT: %w", err)
	}
	count(static(ctx, root, filepath.Join(strings.TrimSpace(string(goroot)), "bin", "gofmt"), "-l", "."))
	count(static(ctx, root, "go", "vet", "./..."))

	tally := suite.NewTally()
	if err := hostTests(ctx, root, quick, tally); err != nil {
		return err
	}
	if err := kernelTests(ctx, world, root, tally); err != nil {
		say("%v", err)
		count(false)
	}
	if !quick {
		report, err := runDrill(ctx, world, drill.Options{Director: drive.LBHA, Peer: drive.LBHA})
		if err != nil {
			say("drill: %v", err)
			count(false)
		} else {
			report.Print(os.Stdout)
			p, f := report.Count()
			passed, failed = passed+p, failed+f
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for _, pkg := range tally.Broken() {
		fmt.Printf("failed: %s as a whole\n", pkg)
	}
	for _, t := range tally.Skipped() {
		fmt.Printf("skipped: %v: %s\n", t, tally.Reason(t))
	}
	if quick {
		fmt.Println("not run: the race detector, the drill (--quick)")
	}
	p, f, s := tally.Count()
	fmt.Printf("%d passed, %d failed, %d skipped\n", passed+p, failed+f, s)
	if failed+f > 0 {
		return errFailed
	}
	return nil
}

// testPackages are the programs that tests of the module use.
var testPackages = []sandbox.Package{
	{Brings: "ip", Name: "iproute2"}, {Brings: "ipvsadm", Name: "ipvsadm"}, {Brings: "keepalived", Name: "keepalived"}, {Brings: "nginx", Name: "nginx-light"},
	{Brings: "nft", Name: "nftables"}, {Brings: "/etc/services", Name: "netbase"},
}

// static runs a check that is silent when all is well.
func static(ctx context.Context, root, name string, args ...string) bool {
	title := filepath.Base(name) + " " + strings.Join(args, " ")
	say("%s", title)
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	if err == nil && len(out) == 0 {
		return true
	}
	fmt.Printf("%s: failed\n%s", title, out)
	return false
}

// hostTests runs go test on this machine.
func hostTests(ctx context.Context, root string, quick bool, tally *suite.Tally) error {
	args := []string{"test", "-json", "-count=1"}
	if why := noRace(ctx); quick || why != "" {
		if !quick {
			fmt.Println("not run: the race detector:", why)
		}
	} else {
		args = append(args, "-race")
	}
	args = append(args, "./...")
	say("go %s", strings.Join(args, " "))
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Stderr = root, os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	err = tally.Read(out, os.Stdout)
	// The exit status says no more than the events did, unless there were none.
	if waited := cmd.Wait(); waited != nil && !errors.As(waited, new(*exec.ExitError)) {
		err = errors.Join(err, waited)
	}
	return err
}

// noRace says why the race detector cannot be used; empty: it can.
func noRace(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "go", "env", "CGO_ENABLED", "CC").Output()
	if err != nil {
		return "go env: " + err.Error()
	}
	fields := strings.Fields(string(out))
	if len(fields) < 2 || fields[0] != "1" {
		return "it needs cgo, which is off or lacks a C compiler (apt-get install gcc libc6-dev)"
	}
	if _, err := exec.LookPath(fields[1]); err != nil {
		return "it needs a C compiler (apt-get install gcc libc6-dev)"
	}
	return ""
}

// kernelTests tries again in a world what the host had to skip.
func kernelTests(ctx context.Context, world sandbox.Kind, root string, tally *suite.Tally) error {
	tests := tally.Skipped()
	if len(tests) == 0 {
		return nil
	}
	say("%d tests were skipped here: in the lab's world once more", len(tests))
	var said []string
	var list []suite.Binary
	_, err := visit{world: world, job: "tests", deadline: kernelDeadline}.enter(ctx, func(work string) (any, error) {
		dir := filepath.Join(work, "tests")
		if err := os.Mkdir(dir, 0o755); err != nil {
			return nil, err
		}
		var err error
		list, err = suite.Compile(ctx, root, dir, tests, append(os.Environ(), "CGO_ENABLED=0"))
		return list, err
	}, &said)
	if err != nil {
		return fmt.Errorf("kernel tests: %w", err)
	}
	for i, text := range said {
		cmd := exec.CommandContext(ctx, "go", "tool", "test2json", "-t", "-p", list[i].Package)
		cmd.Stdin = strings.NewReader(text)
		events, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("test2json: %w", err)
		}
		if err := tally.Read(strings.NewReader(string(events)), io.Writer(os.Stdout)); err != nil {
			return err
		}
	}
	return nil
}

// testsJob is the inside of the kernel tests.
func testsJob(ctx context.Context, in *sandbox.Inside) (any, error) {
	var list []suite.Binary
	if err := json.Unmarshal(in.Arg, &list); err != nil {
		return nil, err
	}
	return suite.RunBinaries(ctx, list, sandbox.Say), nil
}
