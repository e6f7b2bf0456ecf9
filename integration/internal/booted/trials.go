package booted

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

func (b *bench) install(ctx context.Context) error {
	if _, err := b.Command(ctx, "dpkg", "-i", "/root/lbha.deb"); err != nil {
		return err
	}
	out, err := b.Command(ctx, "lbha", "version")
	b.see(err == nil, "%s", strings.TrimSpace(out))
	b.see(b.unit(ctx, "ActiveState") == "inactive", "the unit is %s", b.unit(ctx, "ActiveState"))
	b.see(b.unit(ctx, "UnitFileState") == "disabled", "and %s", b.unit(ctx, "UnitFileState"))
	out, err = b.Command(ctx, "lbha", "check")
	b.see(err == nil, "its configuration: %s", strings.TrimSpace(out))
	for _, path := range []string{"usr/share/man/man8/lbha.8.gz", "usr/share/man/man8/lbha-reload.8.gz", "usr/share/bash-completion/completions/lbha", "usr/lib/modules-load.d/lbha.conf"} {
		_, err := os.Stat(filepath.Join(b.Root, path))
		b.see(err == nil, "/%s", path)
	}
	if out, err = b.Command(ctx, "systemctl", "start", "lbha"); err != nil {
		return err
	}
	b.see(b.unit(ctx, "ActiveState") == "active", "started with it, it does nothing: %s", b.unit(ctx, "StatusText"))
	_, err = b.Command(ctx, "systemctl", "stop", "lbha")
	return err
}

func (b *bench) start(ctx context.Context) error {
	if err := b.configure(configuration("")); err != nil {
		return err
	}
	if _, err := b.Command(ctx, "systemctl", "enable", "lbha"); err != nil {
		return err
	}
	if _, err := b.Command(ctx, "systemctl", "start", "lbha"); err != nil {
		return err
	}
	// Type=notify: start has returned, so the daemon answers.
	in, err := b.status(ctx)
	b.see(err == nil && in.State != "", "systemctl start returned when the daemon was ready: %s is %s", in.Name, in.State)
	order := b.unit(ctx, "After")
	b.see(strings.Contains(order, "network-online.target") && strings.Contains(order, "systemd-modules-load.service"), "ordered after network-online.target and systemd-modules-load.service")
	if err := b.peer.Start(); err != nil {
		return err
	}
	if err := b.master(ctx, patience); err != nil {
		return err
	}
	b.see(true, "it is master, and its peer backup")
	return nil
}

// hardening looks at the running process, not at the unit.
func (b *bench) hardening(ctx context.Context) error {
	pid := strconv.Itoa(b.mainPID(ctx))
	text, err := b.Command(ctx, "cat", "/proc/"+pid+"/status")
	if err != nil {
		return err
	}
	field := func(name string) string {
		for line := range strings.Lines(text) {
			if value, ok := strings.CutPrefix(line, name+":"); ok {
				return strings.TrimSpace(value)
			}
		}
		return ""
	}
	// CAP_NET_ADMIN 12, CAP_NET_RAW 13, CAP_IPC_LOCK 14, CAP_SYS_NICE 23.
	const capabilities = "0000000000807000"
	b.see(field("CapBnd") == capabilities, "its capabilities can never be more than NET_ADMIN, NET_RAW, IPC_LOCK, SYS_NICE (%s)", field("CapBnd"))
	b.see(field("NoNewPrivs") == "1", "it cannot gain privileges (NoNewPrivs %s)", field("NoNewPrivs"))
	b.see(field("Seccomp") == "2", "its system calls are filtered (Seccomp %s)", field("Seccomp"))
	for _, try := range []struct{ what, command string }{
		{"write to /etc", "touch /etc/lbha/x"},
		{"write to /usr", "touch /usr/x"},
		{"write to /proc/sys", "echo 1 > /proc/sys/net/ipv4/ip_forward"},
		{"see /home", "ls /home/*"},
		{"see disks", "ls /dev/ubda /dev/vda /dev/sda /dev/mem"},
	} {
		// In its mount namespace, which is what the unit changes for a file; as root, which it is.
		out, err := b.Command(ctx, "nsenter", "--target", pid, "--mount", "--", "sh", "-c", try.command)
		lines := strings.Split(strings.TrimSpace(out), "\n")
		b.see(err != nil, "it cannot %s: %s", try.what, lines[len(lines)-1])
	}
	out, err := b.Command(ctx, "nsenter", "--target", pid, "--mount", "--", "sh", "-c", "touch /run/lbha/x && rm /run/lbha/x")
	b.see(err == nil, "it can write to /run/lbha %s", strings.TrimSpace(out))
	out, err = b.Command(ctx, "systemd-analyze", "security", "--no-pager", "lbha")
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	verdict := lines[len(lines)-1]
	b.see(strings.Contains(verdict, "OK"), "systemd-analyze security: %s", strings.TrimLeft(verdict, "→ "))
	return nil
}

func (b *bench) journal(ctx context.Context) error {
	out, err := b.Command(ctx, "journalctl", "--no-pager", "-o", "json", "-u", "lbha", "LBHA_EVENT=transition")
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	var entry map[string]any
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &entry); err != nil {
		return fmt.Errorf("no transition in the journal: %w: %s", err, out)
	}
	for _, key := range []string{"MESSAGE", "PRIORITY", "LBHA_EVENT", "LBHA_OBJECT", "LBHA_REASON"} {
		value, ok := entry[key].(string)
		b.see(ok && value != "", "%s=%s", key, value)
	}
	return nil
}

func (b *bench) badReload(ctx context.Context) error {
	if err := b.configure(strings.Replace(configuration(""), "id = 51", "id = 0", 1)); err != nil {
		return err
	}
	pid := b.mainPID(ctx)
	out, err := b.Command(ctx, "systemctl", "reload", "lbha")
	b.see(err != nil, "systemctl reload fails: %s", strings.ReplaceAll(strings.TrimSpace(out), "\n", " "))
	log, err := b.Command(ctx, "journalctl", "--no-pager", "-o", "cat", "-n", "20", "-u", "lbha")
	if err != nil {
		return err
	}
	reason := ""
	for line := range strings.Lines(log) {
		if strings.Contains(line, "lbha.toml:") {
			reason = strings.TrimSpace(line)
		}
	}
	b.see(reason != "", "the journal says why: %s", reason)
	b.see(b.mainPID(ctx) == pid && b.unit(ctx, "ActiveState") == "active", "the daemon runs on, %s", b.unit(ctx, "ActiveState"))
	in, err := b.status(ctx)
	b.see(err == nil && in.State == "master", "as %s", in.State)
	return nil
}

func (b *bench) reload(ctx context.Context) error {
	if err := b.configure(configuration("preempt_delay = \"1s\"\n")); err != nil {
		return err
	}
	before, err := b.peerStatus()
	if err != nil {
		return err
	}
	_, err = b.Command(ctx, "systemctl", "reload", "lbha")
	b.see(err == nil, "systemctl reload succeeds: %s", b.unit(ctx, "StatusText"))
	after, err := b.peerStatus()
	if err != nil {
		return err
	}
	b.see(before.Transitions == after.Transitions, "the peer made %d transitions", after.Transitions-before.Transitions)
	return nil
}

func (b *bench) restart(ctx context.Context) error {
	pid := b.mainPID(ctx)
	err := b.undisturbed(ctx, func() error {
		_, err := b.Command(ctx, "systemctl", "restart", "lbha")
		return err
	})
	b.see(b.mainPID(ctx) != pid, "another process: %d, was %d", b.mainPID(ctx), pid)
	return err
}

func (b *bench) upgrade(ctx context.Context) error {
	if b.Again != nil { // it is upgraded
		if _, err := b.Command(ctx, "dpkg", "--force-confold", "-i", "/root/lbha.deb"); err != nil {
			return err
		}
		if err := b.master(ctx, patience); err != nil {
			return err
		}
	}
	before, err := b.Command(ctx, "lbha", "version")
	if err != nil {
		return err
	}
	if err := b.undisturbed(ctx, func() error {
		_, err := b.Command(ctx, "dpkg", "--force-confold", "-i", "/root/upgraded.deb")
		return err
	}); err != nil {
		return err
	}
	after, err := b.Command(ctx, "lbha", "version")
	if err != nil {
		return err
	}
	b.see(before != after, "%s, was %s", strings.TrimSpace(after), strings.TrimSpace(before))
	text, err := os.ReadFile(filepath.Join(b.Root, "etc/lbha/lbha.toml"))
	b.see(err == nil && strings.Contains(string(text), "id = 51"), "the configuration is the operator's")
	running, err := b.Command(ctx, "readlink", fmt.Sprintf("/proc/%d/exe", b.mainPID(ctx)))
	b.see(err == nil && strings.TrimSpace(running) == "/usr/sbin/lbha", "the new binary runs: %s", strings.TrimSpace(running))
	return nil
}

func (b *bench) crash(ctx context.Context) error {
	restarts := b.unit(ctx, "NRestarts")
	err := b.undisturbed(ctx, func() error {
		_, err := b.Command(ctx, "systemctl", "kill", "--kill-whom=all", "-s", "KILL", "lbha")
		return err
	})
	b.see(b.unit(ctx, "NRestarts") != restarts, "systemd started it again (NRestarts %s, was %s)", b.unit(ctx, "NRestarts"), restarts)
	return err
}

// child is the pid, on the machine, of one of the daemon's processes.
func (b *bench) child(ctx context.Context, title string) (string, error) {
	out, err := b.Command(ctx, "pgrep", "-f", "^"+title)
	return strings.TrimSpace(out), err
}

func (b *bench) stuckElector(ctx context.Context) error {
	pid, err := b.child(ctx, "lbha: vrrp")
	if err != nil {
		return err
	}
	began := time.Now()
	if _, err := b.Command(ctx, "kill", "-STOP", pid); err != nil {
		return err
	}
	if err := until(ctx, patience, "the peer takes over", func() bool {
		in, err := b.peerStatus()
		return err == nil && in.State == "master"
	}); err != nil {
		return err
	}
	b.see(!holds(b.Host), "the peer is master after %v, and the machine without the address", time.Since(began).Round(100*time.Millisecond))
	if err := b.master(ctx, 40*time.Second); err != nil {
		return err
	}
	now, err := b.child(ctx, "lbha: vrrp")
	b.see(err == nil && now != pid, "the watchdog killed the stuck process, and its successor is master after %v", time.Since(began).Round(time.Second))
	return nil
}

// stuckSupervisor: the processes that serve are well, and go on until systemd notices.
func (b *bench) stuckSupervisor(ctx context.Context) error {
	restarts := b.unit(ctx, "NRestarts")
	return b.undisturbed(ctx, func() error {
		began := time.Now()
		if _, err := b.Command(ctx, "kill", "-STOP", strconv.Itoa(b.mainPID(ctx))); err != nil {
			return err
		}
		err := until(ctx, 40*time.Second, "systemd's watchdog acts", func() bool { return b.unit(ctx, "NRestarts") != restarts })
		b.see(err == nil, "systemd's watchdog killed it after %v and started it again", time.Since(began).Round(time.Second))
		return err
	})
}

func (b *bench) stop(ctx context.Context) error {
	began := time.Now()
	if _, err := b.Command(ctx, "systemctl", "stop", "lbha"); err != nil {
		return err
	}
	took := time.Since(began).Round(100 * time.Millisecond)
	in, err := b.peerStatus()
	if err != nil {
		return err
	}
	b.see(in.State == "master" && in.Reason == "preempted", "when systemctl stop returned, after %v, the peer was %s (%s): handed over, not dropped", took, in.State, in.Reason)
	b.see(!holds(b.Host), "the address has left the machine")
	b.see(b.unit(ctx, "Result") == "success", "the unit's result: %s", b.unit(ctx, "Result"))
	if _, err := b.Command(ctx, "systemctl", "start", "lbha"); err != nil {
		return err
	}
	return b.master(ctx, 2*patience)
}

func (b *bench) remove(ctx context.Context) error {
	if _, err := b.Command(ctx, "dpkg", "--purge", "lbha"); err != nil {
		return err
	}
	in, err := b.peerStatus()
	if err != nil {
		return err
	}
	b.see(in.State == "master", "the peer is %s (%s)", in.State, in.Reason)
	b.see(!holds(b.Host), "the address has left the machine")
	for _, pattern := range []string{"etc/lbha*", "etc/systemd/system/*/lbha*", "usr/sbin/lbha*", "lib/systemd/system/lbha*"} {
		left, _ := filepath.Glob(filepath.Join(b.Root, pattern))
		b.see(len(left) == 0, "/%s: nothing is left %s", pattern, strings.Join(left, " "))
	}
	return nil
}
