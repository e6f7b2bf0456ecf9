//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/lbha/lbha/integration/internal/drill"
	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/faults"
	"github.com/lbha/lbha/integration/internal/interop"
	"github.com/lbha/lbha/integration/internal/lvs"
	"github.com/lbha/lbha/integration/internal/rehearse"
	"github.com/lbha/lbha/integration/internal/sandbox"
	"github.com/lbha/lbha/integration/internal/suite"
	"github.com/spf13/cobra"
)

func testCommand(world *sandbox.Kind) *cobra.Command {
	var p parts
	cmd := &cobra.Command{
		Use:   "test",
		Short: "every test there is: of Go, of the kernel, interoperation, forwarding, systemd, containerlab, ssh, scenarios, a soak, the drill",
		Long: "test runs gofmt, go vet and go test with the race detector on this machine, then, in the lab's world, whatever was skipped here\n" +
			"for want of IPVS, then lbha beside keepalived and FRR, then what it forwards, then its package under systemd, then the example for\n" +
			"containerlab where that is installed, then a pair that is reached by ssh alone, then the scenarios that the drill has nothing like,\n" +
			"two minutes of a soak, and the drill. It prints what was skipped and why. Exit status: 0 when nothing failed.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := p.check(); err != nil {
				return err
			}
			p.long = p.long || p.faults != ""
			return runTests(cmd.Context(), *world, p)
		},
	}
	cmd.Flags().BoolVar(&p.quick, "quick", false, "tests of Go only, without the race detector")
	cmd.Flags().StringSliceVar(&p.only, "only", nil, "run only these `parts`: "+strings.Join(allParts, ", "))
	cmd.Flags().BoolVar(&p.long, "long", false, "play every scenario of integration/scenarios, also those like the drill's")
	cmd.Flags().StringVar(&p.faults, "faults", "", "write the list of faults, with what became of each, to this `file`; implies --long")
	return cmd
}

// module is the path of go.mod.
const module = "github.com/lbha/lbha"

// writeFaults makes the page of faults of what became of the tests.
func writeFaults(path string, outcomes faults.Outcomes) error {
	var page strings.Builder
	if err := faults.Page(&page, outcomes, "The results are those of the run of "+time.Now().UTC().Format(time.DateOnly)+"."); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(page.String()), 0o644)
}

// The parts of all tests, in the order in which they run.
const (
	partGo      = "go" // gofmt, vet, go test here and in the lab's world
	partInterop = "interop"
	partLVS     = "lvs" // packets, schedulers, load, failover
	partSystemd = "systemd"
	partClab    = "containerlab"
	partSSH     = "ssh"       // scenarios on a pair that is reached by ssh alone
	partFiles   = "scenarios" // the files in integration/scenarios
	partSoak    = "soak"      // two minutes of it
	partDrill   = "drill"
)

var allParts = []string{partGo, partInterop, partLVS, partSystemd, partClab, partSSH, partFiles, partSoak, partDrill}

// counted is what became of a part.
type counted interface {
	report
	Count() (passed, failed int)
	// Outcomes says of each scenario, by its name, whether it passed.
	Outcomes() map[string]bool
}

// part is one that is played in a world.
type part struct {
	name string
	play func() (counted, error)
}

// played are the parts that are no tests of Go.
func played(ctx context.Context, world sandbox.Kind, long bool) []part {
	return []part{
		{partInterop, func() (counted, error) { return runInterop(ctx, world, interop.Options{Busy: busyTime}) }},
		{partLVS, func() (counted, error) { return runLVS(ctx, world, lvs.Options{}) }},
		{partSystemd, func() (counted, error) { return runSystemd(ctx, world) }},
		{partClab, func() (counted, error) { return runContainerlab(ctx) }},
		{partSSH, func() (counted, error) { return runLabSSH(ctx, world) }},
		{partFiles, func() (counted, error) { return runScenarioFiles(ctx, world, long) }},
		{partSoak, func() (counted, error) {
			// The same rounds each time: what a change broke is to be seen, and what is new is for `lab soak` to find.
			return runSoak(ctx, world, rehearse.SoakOptions{For: 2 * time.Minute, Seed: 1})
		}},
		{partDrill, func() (counted, error) {
			return runDrill(ctx, world, drill.Options{Director: drive.LBHA, Peer: drive.LBHA})
		}},
	}
}

// parts is what the caller wants of all tests.
type parts struct {
	quick  bool
	only   []string
	long   bool   // every scenario file, not only those that the drill has nothing like
	faults string // where to write the list of faults; empty: nowhere
}

func (p parts) check() error {
	for _, name := range p.only {
		if !slices.Contains(allParts, name) {
			return fmt.Errorf("no such part: %q; there are %s", name, strings.Join(allParts, ", "))
		}
	}
	return nil
}

// has reports whether a part is wanted.
func (p parts) has(name string) bool {
	if len(p.only) > 0 {
		return slices.Contains(p.only, name)
	}
	return !p.quick || name == partGo
}

// left lists what is not run.
func (p parts) left() (list []string) {
	for _, name := range allParts {
		if !p.has(name) {
			list = append(list, name)
		}
	}
	if p.quick {
		list = append(list, "the race detector")
	}
	return list
}

// runTests runs everything, and goes on after a failure: one run tells all.
func runTests(ctx context.Context, world sandbox.Kind, p parts) error {
	root, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	if p.has(partGo) || p.has(partLVS) || p.has(partSystemd) || p.has(partFiles) || p.has(partSoak) || p.has(partDrill) {
		// One that cannot be had is said before anything else runs.
		if _, err := sandbox.Choose(ctx, world, say); err != nil {
			return err
		}
	}
	// What tests on this machine use; one that misses something is skipped.
	if err := sandbox.Install(ctx, say, testPackages...); err != nil {
		return err
	}
	all := sum{tally: suite.NewTally(), outcomes: faults.Outcomes{}}
	if p.has(partGo) {
		if err := all.tests(ctx, world, root, p.quick); err != nil {
			return err
		}
	}
	for _, part := range played(ctx, world, p.long) {
		if p.has(part.name) {
			all.play(part)
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	err = all.print(p.left())
	if p.faults != "" {
		if err := writeFaults(p.faults, all.everything()); err != nil {
			return err
		}
	}
	return err
}

// sum is what has become of everything so far.
type sum struct {
	passed, failed, skipped int // beside the tests of Go
	tally                   *suite.Tally
	outcomes                faults.Outcomes // of the parts that are played
}

func (s *sum) count(ok bool) {
	if ok {
		s.passed++
	} else {
		s.failed++
	}
}

// tests runs the tests of Go, and what is looked at without running it.
func (s *sum) tests(ctx context.Context, world sandbox.Kind, root string, quick bool) error {
	goroot, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return fmt.Errorf("go env GOROOT: %w", err)
	}
	s.count(static(ctx, root, filepath.Join(strings.TrimSpace(string(goroot)), "bin", "gofmt"), "-l", "."))
	s.count(static(ctx, root, "go", "vet", "./..."))
	if err := hostTests(ctx, root, quick, s.tally); err != nil {
		return err
	}
	if err := kernelTests(ctx, world, root, s.tally); err != nil {
		say("%v", err)
		s.count(false)
	}
	return nil
}

// play plays a part and prints its report.
func (s *sum) play(part part) {
	report, err := part.play()
	switch {
	case errors.Is(err, errNoContainerlab):
		fmt.Printf("skipped: %s: %v\n", part.name, err)
		s.skipped++
		return
	case err != nil:
		say("%s: %v", part.name, err)
		s.count(false)
		return
	}
	report.Print(os.Stdout)
	passed, failed := report.Count()
	if failed == 0 && !report.OK() {
		fmt.Printf("failed: %s: nothing was shown\n", part.name)
		failed++
	}
	s.passed, s.failed = s.passed+passed, s.failed+failed
	if r, ok := report.(*rehearse.Report); ok {
		s.skipped += len(r.Skipped)
	}
	for name, ok := range report.Outcomes() {
		s.outcomes[part.name+" "+name] = ok
	}
}

// everything is the outcomes of parts and of tests of Go.
func (s *sum) everything() faults.Outcomes {
	outcomes := maps.Clone(s.outcomes)
	for t, ok := range s.tally.Outcomes() {
		outcomes["go "+strings.TrimPrefix(t.Package, module+"/")+" "+t.Name] = ok
	}
	return outcomes
}

// print tells what was not run, and ends with the numbers. Its error is that something failed.
func (s *sum) print(left []string) error {
	for _, pkg := range s.tally.Broken() {
		fmt.Printf("failed: %s as a whole\n", pkg)
	}
	for _, t := range s.tally.Skipped() {
		fmt.Printf("skipped: %v: %s\n", t, s.tally.Reason(t))
	}
	if len(left) > 0 {
		fmt.Println("not run, as asked:", strings.Join(left, ", "))
	}
	passed, failed, skipped := s.tally.Count()
	fmt.Printf("%d passed, %d failed, %d skipped\n", s.passed+passed, s.failed+failed, s.skipped+skipped)
	if s.failed+failed > 0 {
		return errFailed
	}
	return nil
}
