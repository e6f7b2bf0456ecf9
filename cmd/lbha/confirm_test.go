package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lbha/lbha/cmd/internal/observe"
)

// lbha runs a command against the daemon and returns all that it printed.
func (d *daemon) lbha(args ...string) (text string, ok bool) {
	d.t.Helper()
	exe, err := os.Executable()
	if err != nil {
		d.t.Fatal(err)
	}
	cmd := exec.Command(exe, append(args, "--socket", filepath.Join(d.dir, "lbha.sock"))...)
	cmd.Env = append(os.Environ(), playMain+"=1")
	out, err := cmd.CombinedOutput()
	return string(out), err == nil
}

// untilConfigured waits until the daemon shows a configuration that is as wanted.
func (d *daemon) untilConfigured(what string, ok func(*observe.Status) bool) {
	d.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		st := d.status()
		if st != nil && len(st.Instances) == 1 && ok(st) {
			return
		}
		if time.Now().After(deadline) {
			d.t.Fatalf("never %s: %+v", what, st)
		}
	}
}

// A configuration on trial returns to the former one unless somebody confirms it, whatever dies meanwhile.
func TestAReloadOnTrial(t *testing.T) {
	l := newLAN(t)
	d := l.director(0, 200, "100ms")
	state, err := os.MkdirTemp("/dev/shm", "lbha-test-")
	if err != nil {
		t.Skipf("no directory can be made on the tmpfs /dev/shm: %v", err)
	}
	t.Cleanup(func() { os.RemoveAll(state) })
	d.state = state
	d.write(200, "100ms")
	d.start()
	d.until("master")
	try := func(priority int, within string) {
		t.Helper()
		d.write(priority, "100ms")
		if out, ok := d.lbha("reload", "--confirm", within); !ok || !strings.Contains(out, "on trial (asked for by user 0)") {
			t.Fatalf("reload --confirm %s: %v\n%s", within, ok, out)
		}
	}
	priority := func(want int) func(*observe.Status) bool {
		return func(st *observe.Status) bool { return st.Config.Trial == nil && st.Instances[0].Priority == want }
	}

	// Nobody confirms, and the process that knew is killed.
	try(150, "2s")
	d.kill("lbha: director")
	d.untilConfigured("taken back", priority(200))
	if got := d.status().Config.Reload; got == nil || got.Reverted != "nobody confirmed it within 2s" {
		t.Errorf("last reload %+v", got)
	}
	if out, _ := d.lbha("status"); !strings.Contains(out, "lbha.toml says otherwise") {
		t.Errorf("the status does not say that the file differs:\n%s", out)
	}

	// Somebody confirms: it stays, for the next process too.
	try(150, "1h")
	if out, ok := d.lbha("reload"); ok || !strings.Contains(out, "is on trial for another 1h") && !strings.Contains(out, "is on trial for another 59m") {
		t.Errorf("another reload: %v\n%s", ok, out)
	}
	if out, ok := d.lbha("confirm"); !ok || !strings.HasPrefix(out, "confirmed: ") {
		t.Errorf("confirm: %v\n%s", ok, out)
	}
	if out, _ := d.lbha("status"); strings.Contains(out, "was refused") {
		t.Errorf("after the confirmation the status holds on to what was refused because of the trial:\n%s", out)
	}
	pid := d.child("lbha: director")
	d.kill("lbha: director")
	d.untilConfigured("confirmed", func(st *observe.Status) bool {
		return priority(150)(st) && st.Elector.Connected && d.child("lbha: director") != pid
	})
	if out, ok := d.lbha("confirm"); ok || out != "lbha: nothing waits for confirmation\n" {
		t.Errorf("confirm again: %v\n%s", ok, out)
	}

	// All of it is killed and started: with the file as it was on trial that is no confirmation.
	try(120, "1h")
	d.kill("lbha: director")
	if err := d.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	d.cmd.Wait()
	d.start()
	d.untilConfigured("on trial still", func(st *observe.Status) bool { return st.Config.Trial != nil && st.Instances[0].Priority == 120 })
	if out, ok := d.lbha("confirm", "--revert"); !ok || !strings.Contains(out, "is in force again\n") {
		t.Errorf("confirm --revert: %v\n%s", ok, out)
	}
	d.untilConfigured("taken back by hand", priority(150))
	// The journal tells of both, before and after the end of all processes.
	out, _ := d.lbha("explain", "reload")
	for _, want := range []string{"was taken back (nobody confirmed it within 2s)", "stays: user 0 confirmed it", "was taken back (user 0 took it back)"} {
		if !strings.Contains(out, want) {
			t.Errorf("the journal does not say %q:\n%s", want, out)
		}
	}
}
