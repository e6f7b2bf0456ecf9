package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/lbha/lbha/cmd/internal/admin"
	"github.com/lbha/lbha/cmd/internal/observe"
)

// lan is two hosts on one Ethernet, in network namespaces of their own.
type lan struct {
	t     *testing.T
	hosts [2]string
}

// lans numbers the networks of this process, for the names of their namespaces.
var lans atomic.Int64

func newLAN(t *testing.T) *lan {
	t.Helper()
	t.Parallel() // pairs share nothing, and mostly wait
	return newQuietLAN(t)
}

// newQuietLAN is newLAN for a test that is alone.
func newQuietLAN(t *testing.T) *lan {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("the command ip (package iproute2) is missing")
	}
	l := &lan{t: t}
	number := lans.Add(1)
	for i, host := range []string{"a", "b"} {
		l.hosts[i] = fmt.Sprintf("lbha-%d-%d%s", os.Getpid(), number, host)
		l.ip("netns", "add", l.hosts[i])
		t.Cleanup(func() { exec.Command("ip", "netns", "del", l.hosts[i]).Run() })
	}
	l.cable()
	return l
}

// cable connects the hosts.
func (l *lan) cable() {
	l.t.Helper()
	l.ip("-n", l.hosts[0], "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", l.hosts[1])
	for i, host := range l.hosts {
		l.ip("-n", host, "addr", "add", fmt.Sprintf("10.9.0.%d/24", i+1), "dev", "eth0")
		l.ip("-n", host, "link", "set", "eth0", "up")
		l.ip("-n", host, "link", "set", "lo", "up")
	}
}

func (l *lan) ip(args ...string) string {
	l.t.Helper()
	out, err := exec.Command("ip", args...).CombinedOutput()
	if err != nil {
		l.t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// daemon is one director on a host.
type daemon struct {
	t      *testing.T
	host   string
	dir    string
	state  string // its state_dir; empty: dir
	cmd    *exec.Cmd
	log    *os.File
	client *admin.Client
	more   string   // lines of the instance
	stderr *os.File // nil: the log
}

func (l *lan) director(i, priority int, interval string) *daemon {
	l.t.Helper()
	d := &daemon{t: l.t, host: l.hosts[i], dir: l.t.TempDir()}
	d.client = admin.NewClient(filepath.Join(d.dir, "lbha.sock"))
	d.write(priority, interval)
	return d
}

func (d *daemon) write(priority int, interval string) {
	d.t.Helper()
	text := fmt.Sprintf(`[global]
name = %q
control = %q
state_dir = %q
log = { format = "text" }
[[vrrp]]
name = "web"
interface = "eth0"
id = 51
priority = %d
interval = %q
addresses = ["10.9.0.100/32"]
%s`, d.host, filepath.Join(d.dir, "lbha.sock"), cmp.Or(d.state, d.dir), priority, interval, d.more)
	if err := os.WriteFile(filepath.Join(d.dir, "lbha.toml"), []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

func (d *daemon) start() {
	d.t.Helper()
	exe, err := os.Executable()
	if err != nil {
		d.t.Fatal(err)
	}
	if d.log, err = os.CreateTemp(d.dir, "log"); err != nil {
		d.t.Fatal(err)
	}
	d.cmd = exec.Command("ip", "netns", "exec", d.host, exe, "run", "-c", filepath.Join(d.dir, "lbha.toml"))
	d.cmd.Env = append(os.Environ(), playMain+"=1")
	d.cmd.Stderr = cmp.Or(d.stderr, d.log)
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() {
		d.cmd.Process.Kill()
		d.cmd.Wait()
		if d.t.Failed() {
			text, _ := os.ReadFile(d.log.Name())
			d.t.Logf("log of %s:\n%s", d.host, text)
		}
	})
}

func (d *daemon) status() *observe.Status {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	st, err := d.client.Status(ctx)
	if err != nil {
		return nil
	}
	return st
}

// until waits for a state of the instance. Its reason and priority are for the caller to compare.
func (d *daemon) until(state string) observe.Instance {
	d.t.Helper()
	deadline := time.Now().Add(15 * time.Second)
	for {
		st := d.status()
		if st != nil && len(st.Instances) == 1 && st.Instances[0].State == state {
			return st.Instances[0]
		}
		if time.Now().After(deadline) {
			text, _ := json.Marshal(st)
			d.t.Fatalf("%s never became %s: %s", d.host, state, text)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (d *daemon) holds() bool {
	out, err := exec.Command("ip", "-n", d.host, "-4", "-o", "addr", "show", "to", "10.9.0.100/32").Output()
	return err == nil && len(out) > 0
}

func (d *daemon) untilHeld(want bool, within time.Duration) {
	d.t.Helper()
	for deadline := time.Now().Add(within); d.holds() != want; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			d.t.Fatalf("%s: address held is %v after %v, want %v", d.host, !want, within, want)
		}
	}
}

// child is the pid of one of the daemon's processes.
func (d *daemon) child(title string) int {
	d.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		dirs, _ := filepath.Glob("/proc/[0-9]*")
		for _, dir := range dirs {
			cmdline, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
			environ, _ := os.ReadFile(filepath.Join(dir, "environ"))
			if strings.HasPrefix(string(cmdline), title) && strings.Contains(string(environ), d.dir) {
				var pid int
				fmt.Sscanf(filepath.Base(dir), "%d", &pid)
				return pid
			}
		}
	}
	d.t.Fatalf("%s has no process %q", d.host, title)
	return 0
}

func (d *daemon) kill(title string) {
	d.t.Helper()
	if err := syscall.Kill(d.child(title), syscall.SIGKILL); err != nil {
		d.t.Fatal(err)
	}
}

func (d *daemon) transitions() uint64 { return d.status().Instances[0].Transition }

// pair starts both directors: a is master, and holds the address.
func (l *lan) pair(interval string) (a, b *daemon) {
	l.t.Helper()
	a, b = l.director(0, 200, interval), l.director(1, 100, interval)
	a.start()
	a.until("master")
	b.start()
	b.until("backup")
	a.untilHeld(true, time.Second)
	return a, b
}

// pairOf is a pair on a network of its own.
func pairOf(t *testing.T, interval string) (a, b *daemon) {
	t.Helper()
	return newLAN(t).pair(interval)
}
