package main

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

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
