package harm

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/script"
)

// state is a process's letter in /proc/PID/stat.
func state(t *testing.T, pid int) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))[0]
}

// One process of a daemon is stopped, goes on, starves, is fed and killed, and no other.
func TestProcess(t *testing.T) {
	cmd := exec.Command("cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	defer func() { _ = cmd.Process.Kill() }()
	// When it answers it has loaded what it needs.
	if _, err := in.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	s := &Site{Processes: func(string) map[drive.Part]int { return map[drive.Part]int{drive.Elector: pid} }}
	do := func(form string) {
		t.Helper()
		if _, done, err := s.Do(script.Clause{Form: form, Hosts: []string{"d1"}, Part: string(drive.Elector)}); !done || err != nil {
			t.Fatalf("%s: done %v, %v", form, done, err)
		}
	}
	descriptors := func() (l unix.Rlimit) {
		t.Helper()
		if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &l); err != nil {
			t.Fatal(err)
		}
		return l
	}
	do(script.Pause)
	for deadline := time.Now().Add(10 * time.Second); state(t, pid) != "T"; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("a paused process is %s", state(t, pid))
		}
	}
	do(script.Continue)
	for deadline := time.Now().Add(10 * time.Second); state(t, pid) == "T"; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a process that was continued is stopped")
		}
	}
	do(script.Starve)
	if l := descriptors(); l.Cur != 0 || l.Max == 0 {
		t.Errorf("a starved process may have %d descriptors of %d", l.Cur, l.Max)
	}
	do(script.Feed)
	if l := descriptors(); l.Cur != l.Max {
		t.Errorf("a fed process may have %d descriptors of %d", l.Cur, l.Max)
	}
	do(script.Kill)
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("a killed process ended with %v", err)
	}
	if _, _, err := s.Do(script.Clause{Form: script.Pause, Hosts: []string{"d1"}, Part: string(drive.Services)}); err == nil {
		t.Error("a part that does not run was paused")
	}
}

// What concerns a daemon as a whole is left to whoever started it.
func TestNotHere(t *testing.T) {
	for _, form := range []string{script.Kill, script.Pause, script.Continue, script.Stop, script.Reload, script.Failover, script.Status} {
		if _, done, err := new(Site).Do(script.Clause{Form: form, Hosts: []string{"d1"}}); done || err != nil {
			t.Errorf("%s: done %v, %v", form, done, err)
		}
	}
}
