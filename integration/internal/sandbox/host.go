package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// Choose finds the world that this machine can offer, or says in one line why it offers none. It installs the user-mode kernel
// when that is what is missing. want forces a kind; empty: the running kernel if it can carry the lab.
func Choose(ctx context.Context, want Kind, say func(format string, args ...any)) (Kind, error) {
	if os.Geteuid() != 0 {
		return "", errors.New("the lab makes network namespaces: run it as root")
	}
	var why error
	switch want {
	case "", Host:
		if why = hostIPVS(ctx); why == nil {
			say("this kernel has IPVS: the lab runs on it, in namespaces of its own")
			return Host, nil
		}
		if want == Host {
			return "", fmt.Errorf("the lab cannot run on this kernel: %w", why)
		}
		say("not on this kernel: %v", why)
	case UserMode:
		why = errors.New("the user-mode kernel is asked for")
	default:
		return "", fmt.Errorf("no such world: %q; there are %q and %q", want, Host, UserMode)
	}
	if runtime.GOARCH != "amd64" {
		return "", fmt.Errorf("%w, and the user-mode kernel exists for amd64 only", why)
	}
	// The kernel inside calls modprobe for what else it is asked for.
	if err := Install(ctx, say, Package{Brings: "linux.uml", Name: "user-mode-linux"}, Package{Brings: "modprobe", Name: "kmod"}); err != nil {
		return "", err
	}
	say("the lab boots a user-mode kernel over this file tree, read-only")
	return UserMode, nil
}

// ChooseNetwork is [Choose] for a job that needs namespaces and no IPVS. The running kernel is preferred: it is faster than a user-mode
// one, and has all of the machine's processors.
func ChooseNetwork(ctx context.Context, want Kind, say func(format string, args ...any)) (Kind, error) {
	if os.Geteuid() != 0 || want == UserMode {
		return Choose(ctx, want, say)
	}
	if err := namespaces(ctx); err != nil {
		return Choose(ctx, want, say)
	}
	say("this needs no IPVS: it runs on this kernel, in namespaces of its own")
	return Host, nil
}

// namespaces finds out whether namespaces can be made.
func namespaces(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, "true")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("namespaces cannot be made (%v)", err)
	}
	return nil
}

// hostIPVS finds out whether the running kernel can carry the lab: namespaces can be made, and IPVS is there.
func hostIPVS(ctx context.Context) error {
	if err := namespaces(ctx); err != nil {
		return err
	}
	if HasIPVS() {
		return nil
	}
	if err := exec.CommandContext(ctx, "modprobe", "-q", "ip_vs").Run(); err != nil || !HasIPVS() {
		return errors.New("it has no IPVS")
	}
	return nil
}

// Package is what the lab needs, a program or the absolute path of a file, and the Debian package that brings it.
type Package struct{ Brings, Name string }

func (p Package) installed() bool {
	if filepath.IsAbs(p.Brings) {
		_, err := os.Stat(p.Brings)
		return err == nil
	}
	_, err := exec.LookPath(p.Brings)
	return err == nil
}

// Install installs what is missing through apt-get. Their services are not started.
func Install(ctx context.Context, say func(format string, args ...any), packages ...Package) error {
	var missing []string
	for _, p := range packages {
		if !p.installed() {
			missing = append(missing, p.Name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	names := strings.Join(missing, " ")
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("missing: %s; there is no apt-get here to install it with", names)
	}
	restore, err := keepServicesDown()
	if err != nil {
		return err
	}
	defer restore()
	say("apt-get install %s", names)
	if apt(ctx, append([]string{"install", "-y", "-q", "--no-install-recommends"}, missing...)) == nil {
		return nil
	}
	say("apt-get update")
	if err := apt(ctx, []string{"update", "-q"}); err != nil {
		return err
	}
	return apt(ctx, append([]string{"install", "-y", "-q", "--no-install-recommends"}, missing...))
}

func apt(ctx context.Context, args []string) error {
	cmd := exec.CommandContext(ctx, "apt-get", args...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	out, err := cmd.CombinedOutput()
	if err != nil {
		lines := strings.Split(string(bytes.TrimSpace(out)), "\n")
		return fmt.Errorf("apt-get %s: %w: %s", args[0], err, lines[len(lines)-1])
	}
	return nil
}

// keepServicesDown forbids that an installed package starts its daemon: policy-rc.d is Debian's own switch for that. A policy
// that is already there is left alone.
func keepServicesDown() (restore func(), err error) {
	const policy = "/usr/sbin/policy-rc.d"
	f, err := os.OpenFile(policy, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if errors.Is(err, os.ErrExist) {
		return func() {}, nil
	}
	if err != nil {
		return nil, err
	}
	restore = func() { _ = os.Remove(policy) }
	if _, err := f.WriteString("#!/bin/sh\nexit 101\n"); err != nil {
		f.Close()
		restore()
		return nil, err
	}
	return restore, f.Close()
}
