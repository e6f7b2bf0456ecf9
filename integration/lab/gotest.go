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

	"github.com/lbha/lbha/integration/internal/sandbox"
	"github.com/lbha/lbha/integration/internal/suite"
)

// kernelDeadline is when kernel tests that hang are killed.
const kernelDeadline = 20 * time.Minute

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
