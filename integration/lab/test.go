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

// kernelDeadline is when kernel tests that hang are killed.
const kernelDeadline = 20 * time.Minute

func testCommand(world *sandbox.Kind) *cobra.Command {
	var p parts
	cmd := &cobra.Command{
		Use:   "test",
		Short: "every test there is: of Go, of the kernel, interoperation, forwarding, systemd, containerlab, scenarios, a soak, the drill",
		Long: "test runs gofmt, go vet and go test with the race detector on this machine, then, in the lab's world, whatever was skipped here\n" +
			"for want of IPVS, then lbha beside keepalived and FRR, then what it forwards, then its package under systemd, then the example for\n" +
			"containerlab where that is installed, then the scenarios that the drill has nothing like, two minutes of a soak, and the drill. It prints what was skipped and why. Exit status: 0 when nothing failed.",
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
	partFiles   = "scenarios" // the files in integration/scenarios
	partSoak    = "soak"      // two minutes of it
	partDrill   = "drill"
)

var allParts = []string{partGo, partInterop, partLVS, partSystemd, partClab, partFiles, partSoak, partDrill}

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
	passed, failed, skipped := 0, 0, 0
	count := func(ok bool) {
		if ok {
			passed++
		} else {
			failed++
		}
	}
	tally, outcomes := suite.NewTally(), faults.Outcomes{}
	if p.has(partGo) {
		goroot, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
		if err != nil {
			return fmt.Errorf("go env GOROOT: %w", err)
		}
		count(static(ctx, root, filepath.Join(strings.TrimSpace(string(goroot)), "bin", "gofmt"), "-l", "."))
		count(static(ctx, root, "go", "vet", "./..."))
		if err := hostTests(ctx, root, p.quick, tally); err != nil {
			return err
		}
		if err := kernelTests(ctx, world, root, tally); err != nil {
			say("%v", err)
			count(false)
		}
	}
	for _, part := range played(ctx, world, p.long) {
		if !p.has(part.name) {
			continue
		}
		report, err := part.play()
		switch {
		case errors.Is(err, errNoContainerlab):
			fmt.Printf("skipped: %s: %v\n", part.name, err)
			skipped++
		case err != nil:
			say("%s: %v", part.name, err)
			count(false)
		default:
			report.Print(os.Stdout)
			good, bad := report.Count()
			passed, failed = passed+good, failed+bad
			for name, ok := range report.Outcomes() {
				outcomes[part.name+" "+name] = ok
			}
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
	if p.faults != "" {
		for t, ok := range tally.Outcomes() {
			outcomes["go "+strings.TrimPrefix(t.Package, module+"/")+" "+t.Name] = ok
		}
		if err := writeFaults(p.faults, outcomes); err != nil {
			return err
		}
	}
	if left := p.left(); len(left) > 0 {
		fmt.Println("not run, as asked:", strings.Join(left, ", "))
	}
	good, bad, not := tally.Count()
	fmt.Printf("%d passed, %d failed, %d skipped\n", passed+good, failed+bad, skipped+not)
	if failed+bad > 0 {
		return errFailed
	}
	return nil
}

// testPackages are the programs that tests of the module use.
var testPackages = []sandbox.Package{
	{Brings: "ip", Name: "iproute2"}, {Brings: "ipvsadm", Name: "ipvsadm"}, {Brings: "keepalived", Name: "keepalived"}, {Brings: "nft", Name: "nftables"},
	{Brings: "/etc/services", Name: "netbase"},
	// A server of each kind that health checks ask.
	{Brings: "nginx", Name: "nginx-light"}, {Brings: "openssl", Name: "openssl"}, {Brings: "/usr/lib/python3/dist-packages/grpc", Name: "python3-grpcio"},
	{Brings: "dnsmasq", Name: "dnsmasq-base"}, {Brings: "postfix", Name: "postfix"}, {Brings: "redis-server", Name: "redis-server"},
	{Brings: "mariadbd", Name: "mariadb-server"}, {Brings: "/usr/lib/postgresql", Name: "postgresql"}, {Brings: "slapd", Name: "slapd"},
	{Brings: "/usr/lib/dovecot/imap", Name: "dovecot-imapd"}, {Brings: "/usr/lib/dovecot/pop3", Name: "dovecot-pop3d"}, {Brings: "vsftpd", Name: "vsftpd"},
	{Brings: "kamailio", Name: "kamailio"}, {Brings: "freeradius", Name: "freeradius"},
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

// exhaustive are packages that play fewer random schedules under the race detector, which makes each eight times as long and has nothing
// to find in code of one goroutine.
var exhaustive = []string{"./vrrp/vrrptest"}

// hostTests runs go test on this machine: everything with the race detector, and then in full length without it what that shortens.
func hostTests(ctx context.Context, root string, quick bool, tally *suite.Tally) error {
	why := noRace(ctx)
	if why != "" && !quick {
		fmt.Println("not run: the race detector:", why)
	}
	if quick || why != "" {
		return goTest(ctx, root, tally, "./...")
	}
	if err := goTest(ctx, root, tally, "-race", "./..."); err != nil {
		return err
	}
	return goTest(ctx, root, tally, exhaustive...)
}

// goTest runs go test once.
func goTest(ctx context.Context, root string, tally *suite.Tally, args ...string) error {
	args = append([]string{"test", "-json", "-count=1"}, args...)
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
	err := visit{world: world, job: "tests", deadline: kernelDeadline}.enter(ctx, func(work string) (any, error) {
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
