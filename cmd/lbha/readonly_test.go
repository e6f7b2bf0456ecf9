package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/cmd/internal/admin"
)

// A director whose state directory cannot be written serves all the same: it becomes master, reloads, gets its VRRP process
// back without a transition, and says what it cannot keep.
func TestAReadOnlyDiskMovesNothing(t *testing.T) {
	l := newLAN(t)
	a, b := l.director(0, 200, "100ms"), l.director(1, 100, "100ms")
	a.state = filepath.Join(t.TempDir(), "state")
	if err := os.Mkdir(a.state, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("none", a.state, "tmpfs", unix.MS_RDONLY, "size=64k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(a.state, unix.MNT_DETACH) })
	a.write(200, "100ms")
	a.start()
	a.until("master")
	b.start()
	b.until("backup")
	before := b.transitions()
	a.more = "preempt_delay = \"1s\"\n"
	a.write(200, "100ms")
	if r, err := a.client.Reload(t.Context(), admin.ReloadRequest{}); err != nil || !r.OK {
		t.Errorf("reload: %+v, %v", r, err)
	}
	a.kill("lbha: vrrp")
	for deadline := time.Now().Add(15 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if in := a.until("master"); in.Reason == "resumed" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("its VRRP process did not resume")
		}
	}
	if n := b.transitions(); n != before {
		t.Errorf("the other director made %d transitions", n-before)
	}
	text, err := os.ReadFile(a.log.Name())
	if err != nil || !strings.Contains(string(text), "read-only file system") {
		t.Errorf("the log does not say what is the matter: %v\n%s", err, text)
	}
}
