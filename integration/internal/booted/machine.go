package booted

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/integration/internal/netlab"
)

const (
	// bootLimit is how long systemd may take to its default target.
	bootLimit = 60 * time.Second
	// commandLimit bounds every command inside.
	commandLimit = 60 * time.Second
)

// Machine is a host whose first process is systemd, with a root of its own: the tree of the world that it lives in, with
// a layer in memory above it, and without the services that are enabled there.
type Machine struct {
	Host *netlab.Host
	Root string

	container *exec.Cmd
	console   bytes.Buffer
	leader    int // systemd, as this world counts processes
}

// Boot starts systemd in the network namespace of host and waits for its default target.
func Boot(ctx context.Context, host *netlab.Host, dir string) (*Machine, error) {
	m := &Machine{Host: host, Root: filepath.Join(dir, "root")}
	if err := m.layer(dir); err != nil {
		return nil, err
	}
	if err := m.bare(); err != nil {
		return nil, err
	}
	m.container = exec.Command("systemd-nspawn", "--quiet", "--boot", "--directory="+m.Root, "--machine="+host.Name,
		"--network-namespace-path=/run/netns/"+host.Name, "--register=no", "--keep-unit", "--capability=all", "--console=pipe")
	// The container's own filter of system calls is not what is tested.
	m.container.Env = append(os.Environ(), "SYSTEMD_SECCOMP=0")
	m.container.Stdout, m.container.Stderr = &m.console, &m.console
	if err := m.container.Start(); err != nil {
		return nil, fmt.Errorf("systemd-nspawn: %w", err)
	}
	return m, m.await(ctx)
}

// layer mounts the root.
func (m *Machine) layer(dir string) error {
	if err := os.MkdirAll("/sys/fs/cgroup", 0o755); err != nil {
		return err
	}
	if err := unix.Mount("cgroup2", "/sys/fs/cgroup", "cgroup2", 0, ""); err != nil && !errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("mount cgroup2: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=755"); err != nil {
		return fmt.Errorf("mount tmpfs on %s: %w", dir, err)
	}
	for _, sub := range []string{"upper", "scratch", "root"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return err
		}
	}
	options := fmt.Sprintf("lowerdir=/,upperdir=%s/upper,workdir=%[1]s/scratch", dir)
	if err := unix.Mount("overlay", m.Root, "overlay", 0, options); err != nil {
		return fmt.Errorf("mount the root of %s: %w", m.Host.Name, err)
	}
	return nil
}

// bare leaves of what is enabled in the tree only what systemd itself needs.
func (m *Machine) bare() error {
	units := filepath.Join(m.Root, "etc/systemd/system")
	if err := os.RemoveAll(units); err != nil {
		return err
	}
	if err := os.MkdirAll(units, 0o755); err != nil {
		return err
	}
	for _, name := range []string{"etc/machine-id", "etc/fstab"} {
		if err := os.WriteFile(filepath.Join(m.Root, name), nil, 0o644); err != nil {
			return err
		}
	}
	return os.Symlink("/lib/systemd/system/basic.target", filepath.Join(units, "default.target"))
}

// await waits until systemd has reached its default target.
func (m *Machine) await(ctx context.Context) error {
	for deadline := time.Now().Add(bootLimit); ; {
		if m.leader == 0 {
			m.leader = m.find()
		}
		if m.leader != 0 {
			if out, _ := m.Command(ctx, "systemctl", "is-system-running"); strings.TrimSpace(out) == "running" || strings.TrimSpace(out) == "degraded" {
				return nil
			}
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("systemd did not reach its target within %v; its console:\n%s", bootLimit, &m.console)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// find is the process that the container's leader is: the child of systemd-nspawn.
func (m *Machine) find() int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", m.container.Process.Pid))
	if err != nil {
		return 0
	}
	for _, field := range strings.Fields(string(text)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			continue
		}
		if name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); strings.TrimSpace(string(name)) == "systemd" {
			return pid
		}
	}
	return 0
}

// Command runs a command on the machine and returns all that it printed.
func (m *Machine) Command(ctx context.Context, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, commandLimit)
	defer cancel()
	args = append([]string{"--target", strconv.Itoa(m.leader), "--all", "--wd=/", "--", name}, args...)
	cmd := exec.CommandContext(ctx, "nsenter", args...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("%s: %s: %w: %s", m.Host.Name, strings.Join(args[5:], " "), err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}

// Close powers the machine off.
func (m *Machine) Close() {
	if m.container == nil || m.container.Process == nil {
		return
	}
	_ = m.container.Process.Kill()
	_ = m.container.Wait()
}
