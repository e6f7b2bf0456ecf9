package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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

func pairOf(t *testing.T, interval string) (a, b *daemon) {
	l := newLAN(t)
	a, b = l.director(0, 200, interval), l.director(1, 100, interval)
	a.start()
	a.until("master")
	b.start()
	b.until("backup")
	a.untilHeld(true, time.Second)
	return a, b
}

func TestAPairElectsAndHandsOver(t *testing.T) {
	a, b := pairOf(t, "100ms")
	for deadline := time.Now().Add(5 * time.Second); b.until("backup").Master != "10.9.0.1"; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the backup believes that the master is %q", b.until("backup").Master)
		}
	}
	if b.holds() {
		t.Error("the backup holds the address")
	}

	// A stop is make before break: the successor is master before the address has left the old one.
	if err := a.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	in := b.until("master")
	if in.Reason != "preempted" {
		t.Errorf("the successor's reason is %q, want preempted: the old master must not have resigned", in.Reason)
	}
	if err := a.cmd.Wait(); err != nil {
		t.Errorf("a stop ends with %v, want exit status 0", err)
	}
	if a.holds() {
		t.Error("the stopped director still holds the address")
	}
	b.untilHeld(true, time.Second)

	// And back: the higher priority preempts.
	a.start()
	a.until("master")
	b.until("backup")
	b.untilHeld(false, time.Second)

	// A command does the same without a stop, and holds until it is lifted.
	if err := a.client.Failover(t.Context(), admin.FailoverRequest{}); err != nil {
		t.Fatal(err)
	}
	b.until("master")
	a.until("backup")
	time.Sleep(time.Second)
	a.until("backup")
	if err := a.client.Failover(t.Context(), admin.FailoverRequest{Lift: true}); err != nil {
		t.Fatal(err)
	}
	a.until("master")
}

func TestADeadProcessReturnsAndNobodyNotices(t *testing.T) {
	a, b := pairOf(t, "1s")
	for _, title := range []string{"lbha: vrrp", "lbha: director"} {
		before := b.transitions()
		pid := a.child(title)
		a.kill(title)
		for deadline := time.Now().Add(8 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
			if !a.holds() {
				t.Fatalf("%s killed: the address left the master", title)
			}
			if st := a.status(); st != nil && st.Elector.Connected && a.child(title) != pid && time.Until(deadline) < 3500*time.Millisecond {
				break
			}
		}
		in := a.until("master")
		if title == "lbha: vrrp" && in.Reason != "resumed" {
			t.Errorf("%s killed: the master's reason is %q, want resumed", title, in.Reason)
		}
		if got := b.transitions(); got != before {
			t.Errorf("%s killed: the other director made %d transitions", title, got-before)
		}
	}
}

// TestARestartIsNoFailover: with its state on a tmpfs, as /run is, all of the daemon may go and return within a
// master-down interval: on purpose, or by a crash.
func TestARestartIsNoFailover(t *testing.T) {
	l := newLAN(t)
	a, b := l.director(0, 200, "1s"), l.director(1, 100, "1s")
	state, err := os.MkdirTemp("/dev/shm", "lbha-test-")
	if err != nil {
		t.Skipf("no directory can be made on the tmpfs /dev/shm: %v", err)
	}
	t.Cleanup(func() { os.RemoveAll(state) })
	a.state = state
	a.write(200, "1s")
	a.start()
	a.until("master")
	b.start()
	b.until("backup")
	before := b.transitions()
	for _, end := range []syscall.Signal{syscall.SIGUSR2, syscall.SIGKILL} {
		if err := a.cmd.Process.Signal(end); err != nil {
			t.Fatal(err)
		}
		if err := a.cmd.Wait(); end == syscall.SIGUSR2 && err != nil {
			t.Errorf("leaving for a successor ends with %v, want exit status 0", err)
		}
		a.start()
		if in := a.until("master"); in.Reason != "resumed" {
			t.Errorf("after %v the master's reason is %q, want resumed", end, in.Reason)
		}
		for end := time.Now().Add(4 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			if !a.holds() {
				t.Fatal("the address left the master")
			}
		}
		if got := b.transitions(); got != before {
			t.Errorf("after %v the other director made %d transitions", end, got-before)
		}
	}

	// A reload of what the file says now follows.
	a.write(150, "1s")
	a.cmd.Process.Signal(syscall.SIGUSR2)
	a.cmd.Wait()
	a.start()
	for deadline := time.Now().Add(10 * time.Second); a.until("master").Priority != 150; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the restarted daemon does not apply its file")
		}
	}
	if got := b.transitions(); got != before {
		t.Errorf("after a change the other director made %d transitions", got-before)
	}
	a.cmd.Process.Signal(syscall.SIGTERM)
	b.until("master")
	a.cmd.Wait()
	if left, _ := filepath.Glob(filepath.Join(state, "*.memory")); len(left) > 0 {
		t.Errorf("a stop left %v", left)
	}
}

func TestAKilledDaemonLosesItsAddressByItself(t *testing.T) {
	a, b := pairOf(t, "100ms")
	a.cmd.Process.Kill() // the supervisor; its processes die with it
	a.cmd.Wait()
	b.until("master")
	a.untilHeld(false, 2*time.Second) // lease 1 s, removed at most 0.4 s late
	a.start()                         // and returns
	a.until("master")
	b.until("backup")
	b.untilHeld(false, time.Second)
}

func TestAnInterfaceMayComeLateAndGo(t *testing.T) {
	l := newLAN(t)
	l.ip("-n", l.hosts[0], "link", "del", "eth0")
	a := l.director(0, 200, "100ms")
	a.start()
	if in := a.until("fault"); !strings.HasPrefix(in.Reason, "link-down") {
		t.Errorf("without its interface the reason is %q, want link-down", in.Reason)
	}
	l.cable()
	a.until("master")
	a.untilHeld(true, time.Second)
	l.ip("-n", l.hosts[0], "link", "del", "eth0")
	a.until("fault")
	l.cable()
	a.until("master")
	a.untilHeld(true, time.Second)
}

func TestAnAddressThatSomebodyRemovedIsBackAtOnce(t *testing.T) {
	a, b := pairOf(t, "1s")
	l := &lan{t: t, hosts: [2]string{a.host, b.host}}
	for range 5 {
		before := time.Now()
		l.ip("-n", a.host, "addr", "del", "10.9.0.100/32", "dev", "eth0")
		a.untilHeld(true, time.Second)
		if took := time.Since(before); took > 100*time.Millisecond {
			t.Errorf("the address was back after %v, want 100ms", took)
		}
	}
	if st := a.status(); st.Instances[0].State != "master" || st.Instances[0].Transition != 2 { // to backup at the start, to master
		t.Errorf("it made the master do something else: %+v", st.Instances[0])
	}
	events, err := a.client.Events(t.Context(), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(events.Events, func(e observe.Event) bool { return e.Reason == "address-lost" }) {
		t.Error("the journal does not tell of it")
	}
}

// TestAnAddressThatABackupShouldNotHaveIsFound: it answers beside the master's.
func TestAnAddressThatABackupShouldNotHaveIsFound(t *testing.T) {
	l := newLAN(t)
	a, b := l.director(0, 200, "100ms"), l.director(1, 100, "100ms")
	a.start()
	a.until("master")
	b.start()
	b.until("backup")
	strays := func() int {
		n := 0
		for _, f := range b.status().Findings {
			if f.Object == "web" && f.Reason == "stray-address" {
				n++
			}
		}
		return n
	}
	untilStrays := func(want int) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); strays() != want; time.Sleep(50 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d findings of a stray address, want %d: %+v", strays(), want, b.status().Findings)
			}
		}
	}
	untilStrays(0)
	for _, prefix := range []string{"10.9.0.100/32", "10.9.0.100/24"} { // or as somebody adds it who thinks of the network
		l.ip("-n", b.host, "addr", "add", prefix, "dev", "eth0")
		untilStrays(1)
		if !b.holds() {
			t.Errorf("%s was removed: it is not ours", prefix)
		}
		if in := b.until("backup"); in.Transition != b.transitions() {
			t.Errorf("%s moved the backup", prefix)
		}
		l.ip("-n", b.host, "addr", "del", prefix, "dev", "eth0")
		untilStrays(0)
	}
}

// TestTheElectorsMemoryIsLocked: swapping must not delay an advert.
func TestTheElectorsMemoryIsLocked(t *testing.T) {
	l := newLAN(t)
	a := l.director(0, 200, "100ms")
	a.start()
	a.until("master")
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", a.child("lbha: vrrp")))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "VmLck:"); ok && strings.TrimSpace(value) == "0 kB" {
			t.Error("the kernel says that it is not")
		}
	}
}

// TestReloadsLeaveNothingBehind: neither descriptors nor memory, in any of the processes.
func TestReloadsLeaveNothingBehind(t *testing.T) {
	l := newLAN(t)
	a, b := l.director(0, 200, "100ms"), l.director(1, 100, "100ms")
	a.start()
	a.until("master")
	b.start()
	b.until("backup")
	before := b.transitions()
	reload := func(n int) {
		for i := range n {
			a.more = fmt.Sprintf("preempt_delay = \"%ds\"\n", i%2)
			a.write(200-i%2, "100ms")
			if _, err := a.client.Reload(t.Context(), admin.ReloadRequest{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	reload(10)
	usage := func() (descriptors, kilobytes int) {
		for _, title := range []string{"lbha: vrrp", "lbha: director"} {
			pid := a.child(title)
			list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
			if err != nil {
				t.Fatal(err)
			}
			descriptors += len(list)
			text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
			for line := range strings.Lines(string(text)) {
				var kb int
				if n, _ := fmt.Sscanf(line, "RssAnon: %d kB", &kb); n == 1 {
					kilobytes += kb
				}
			}
		}
		return descriptors, kilobytes
	}
	descriptors, memory := usage()
	reload(100)
	nowDescriptors, nowMemory := usage()
	t.Logf("after 10 reloads %d descriptors and %d kB, after 110 %d and %d", descriptors, memory, nowDescriptors, nowMemory)
	if nowDescriptors > descriptors+4 { // a client that is just leaving
		t.Errorf("%d descriptors, were %d", nowDescriptors, descriptors)
	}
	if nowMemory > memory+64<<10 { // with the race detector memory is not what it is without
		t.Errorf("%d kB of memory, were %d", nowMemory, memory)
	}
	if got := b.transitions(); got != before {
		t.Errorf("the other director made %d transitions", got-before)
	}
}

func TestAReloadOfThePriorityMovesTheMaster(t *testing.T) {
	a, b := pairOf(t, "100ms")
	a.write(50, "100ms")
	if r, err := a.client.Reload(t.Context(), admin.ReloadRequest{}); err != nil || !r.OK {
		t.Fatalf("reload: %+v, %v", r, err)
	}
	b.until("master")
	if in := a.until("backup"); in.Priority != 50 {
		t.Errorf("priority %d is shown, want 50", in.Priority)
	}
	b.untilHeld(true, time.Second)
	a.untilHeld(false, time.Second)
}

func TestAUnicastPair(t *testing.T) {
	l := newLAN(t)
	a, b := l.director(0, 200, "100ms"), l.director(1, 100, "100ms")
	a.more = "unicast = { source = \"10.9.0.1\", peers = [\"10.9.0.2\", \"10.9.0.77\"] }\n" // one of them is not there
	b.more = "unicast = { peers = [\"10.9.0.1\"] }\n"
	a.write(200, "100ms")
	b.write(100, "100ms")
	a.start()
	a.until("master")
	b.start()
	b.until("backup")
	for deadline := time.Now().Add(10 * time.Second); b.until("backup").Received < 5; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the backup received %d adverts", b.until("backup").Received)
		}
	}
	a.cmd.Process.Signal(syscall.SIGTERM)
	b.until("master")
	b.untilHeld(true, time.Second)

	// A peer that is not expected is counted, on the side that is told of nobody.
	b.more = "unicast = { peers = [\"10.9.0.77\"] }\n"
	b.write(100, "100ms")
	if r, err := b.client.Reload(t.Context(), admin.ReloadRequest{}); err != nil || !r.OK {
		t.Fatalf("reload: %+v, %v", r, err)
	}
	a.cmd.Wait()
	a.start()
	a.until("master")
	for deadline := time.Now().Add(5 * time.Second); b.status().Instances[0].Dropped["unknown-peer"] == 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("adverts of an unknown peer are not counted: %v", b.status().Instances[0].Dropped)
		}
	}
}
