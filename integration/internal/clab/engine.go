package clab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	engineLimit  = time.Minute
	commandLimit = 3 * time.Minute
)

// startEngine starts Docker's daemon in a world that has nothing of it yet. Images and containers are in memory.
func startEngine(ctx context.Context) (stop func(), err error) {
	for _, m := range []struct{ source, target, fstype string }{
		{"cgroup2", "/sys/fs/cgroup", "cgroup2"}, {"tmpfs", "/var/lib/docker", "tmpfs"}, {"tmpfs", "/var/lib/containerd", "tmpfs"},
	} {
		if err := os.MkdirAll(m.target, 0o755); err != nil {
			return nil, err
		}
		if err := unix.Mount(m.source, m.target, m.fstype, 0, ""); err != nil && !errors.Is(err, unix.EBUSY) {
			return nil, fmt.Errorf("mount %s on %s: %w", m.fstype, m.target, err)
		}
	}
	log, err := os.Create("/run/dockerd.log")
	if err != nil {
		return nil, err
	}
	defer log.Close()
	// Containers reach each other by the topology's bridge: Docker's own networks are not used, and need no firewall.
	cmd := exec.Command("dockerd", "--iptables=false", "--ip6tables=false", "--bridge=none", "--data-root=/var/lib/docker")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("dockerd: %w", err)
	}
	stop = func() {
		_ = cmd.Process.Signal(unix.SIGTERM)
		done := make(chan struct{})
		go func() { _ = cmd.Wait(); close(done) }()
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			_ = cmd.Process.Kill()
		}
	}
	for deadline := time.Now().Add(engineLimit); ; time.Sleep(200 * time.Millisecond) {
		if _, err = run(ctx, "docker", "info", "--format", "{{.ServerVersion}}"); err == nil {
			return stop, nil
		}
		if time.Now().After(deadline) {
			stop()
			said, _ := os.ReadFile(log.Name())
			return nil, fmt.Errorf("dockerd is not ready after %v; it said:\n%s", engineLimit, said)
		}
	}
}

// buildImage makes the example's image on a base of busybox that is made here: no registry is asked.
func buildImage(ctx context.Context, example, binary, dir string) error {
	const base = "lab/busybox"
	root := filepath.Join(dir, "base")
	for _, sub := range []string{"bin", "usr/sbin", "etc", "tmp", "root"} {
		if err := os.MkdirAll(filepath.Join(root, sub), 0o755); err != nil {
			return err
		}
	}
	if err := copyFile("/bin/busybox", filepath.Join(root, "bin/busybox")); err != nil {
		return err
	}
	applets, err := run(ctx, "/bin/busybox", "--list")
	if err != nil {
		return err
	}
	for _, applet := range strings.Fields(applets) {
		if err := os.Symlink("busybox", filepath.Join(root, "bin", applet)); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	tar := filepath.Join(dir, "base.tar")
	if _, err := run(ctx, "tar", "-C", root, "-cf", tar, "."); err != nil {
		return err
	}
	if _, err := run(ctx, "docker", "import", "--change", "ENV PATH=/usr/sbin:/bin", tar, base); err != nil {
		return err
	}
	image := filepath.Join(dir, "image")
	if err := os.MkdirAll(image, 0o755); err != nil {
		return err
	}
	if err := copyFile(binary, filepath.Join(image, "lbha")); err != nil {
		return err
	}
	_, err = run(ctx, "docker", "build", "--build-arg", "BASE="+base, "-t", "lbha", "-f", filepath.Join(example, "Dockerfile"), image)
	return err
}

func copyFile(from, to string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o755)
}

// run runs a command and returns what it printed; the error has what it said.
func run(ctx context.Context, name string, args ...string) (string, error) {
	return output(ctx, filepath.Base(name)+" "+strings.Join(args, " "), name, args...)
}

// output is that with another title of the command, for errors.
func output(ctx context.Context, title, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, commandLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "DOCKER_BUILDKIT=0")
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return string(out), fmt.Errorf("%s: %w: %s%s", title, err, out, errs.String())
	}
	return string(out), nil
}

// versions names the programs that deploy.
func versions(ctx context.Context) (string, error) {
	docker, err := run(ctx, "docker", "info", "--format", "{{.ServerVersion}}")
	if err != nil {
		return "", err
	}
	lab, err := run(ctx, "containerlab", "version", "--short")
	return "containerlab " + strings.TrimSpace(lab) + ", Docker " + strings.TrimSpace(docker), err
}
