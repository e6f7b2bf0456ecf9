package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/cmd/internal/admin"
	"github.com/lbha/lbha/cmd/internal/observe"
)

// freezer is a file system of its own on a loop device, which can be made to stand still: who writes to it sleeps, and cannot
// even be killed, as on a dead SAN.
type freezer struct {
	t    *testing.T
	dir  string
	keep io.WriteCloser // open: it is frozen; it ends with this process, whatever that dies of
	cmd  *exec.Cmd
}

func newFreezer(t *testing.T) *freezer {
	t.Helper()
	f := &freezer{t: t, dir: filepath.Join(t.TempDir(), "disk")}
	image := f.dir + ".img"
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 16<<20); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(f.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{{"mkfs.ext4", "-q", image}, {"mount", "-o", "loop", image, f.dir}} {
		out, err := exec.Command(command[0], command[1:]...).CombinedOutput()
		switch {
		case errors.Is(err, exec.ErrNotFound):
			t.Skipf("the command %s (package e2fsprogs, mount) is missing", command[0])
		case err != nil && command[0] == "mount":
			t.Skipf("no file system can be mounted from a loop device: %v: %s", err, out)
		case err != nil:
			t.Fatalf("%s: %v: %s", strings.Join(command, " "), err, out)
		}
	}
	t.Cleanup(func() {
		f.thaw()
		if out, err := exec.Command("umount", "-l", f.dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	return f
}

func (f *freezer) freeze() {
	f.t.Helper()
	f.cmd = exec.Command("sh", "-c", `fsfreeze -f "$0" && echo frozen && read line; fsfreeze -u "$0"`, f.dir)
	in, err := f.cmd.StdinPipe()
	if err != nil {
		f.t.Fatal(err)
	}
	out, err := f.cmd.StdoutPipe()
	if err != nil {
		f.t.Fatal(err)
	}
	if err := f.cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	f.keep = in
	if said, err := io.ReadAll(io.LimitReader(out, 7)); string(said) != "frozen\n" {
		f.t.Fatalf("fsfreeze: %q, %v", said, err)
	}
}

func (f *freezer) thaw() {
	if f.keep == nil {
		return
	}
	f.keep.Close()
	f.keep = nil
	_ = f.cmd.Wait()
}

// A director whose disk hangs stays what it is, reloads, answers, hands over and ends. It tells of the disk, and writes what it
// has to write when the disk is back.
func TestAHangingDiskMovesNothing(t *testing.T) {
	f := newFreezer(t)
	l := newLAN(t)
	a, b := l.director(0, 200, "500ms"), l.director(1, 100, "500ms")
	a.state = f.dir
	a.write(200, "500ms")
	a.start()
	a.until("master")
	b.start()
	b.until("backup")
	before := a.transitions() + b.transitions()
	reload := func(more string) {
		t.Helper()
		a.more = more
		a.write(200, "500ms")
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if r, err := a.client.Reload(ctx, admin.ReloadRequest{}); err != nil || !r.OK {
			t.Fatalf("reload: %+v, %v", r, err)
		}
	}
	hangs := func(want bool) {
		t.Helper()
		found := func(found observe.Finding) bool {
			return found.Object == "journal" && strings.Contains(found.Message, "its disk has not answered")
		}
		for deadline := time.Now().Add(15 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			st := a.status()
			if st != nil && slices.ContainsFunc(st.Findings, found) == want {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("a hanging disk is found is not %v: %+v", want, st)
			}
		}
	}

	f.freeze()
	reload("preempt_delay = \"1s\"\n")
	reload("")
	hangs(true)
	if now := a.transitions() + b.transitions(); now != before {
		t.Errorf("%d transitions while the disk hung", now-before)
	}
	f.thaw()
	hangs(false)
	if st := a.status().Journal; st.Lost != 0 {
		t.Errorf("%d events were lost", st.Lost)
	}
	text, err := os.ReadFile(filepath.Join(f.dir, "journal.jsonl"))
	if err != nil || strings.Count(string(text), `"reloaded"`) != 2 || !strings.Contains(string(text), "has not answered") {
		t.Errorf("the journal's file does not tell of it: %v\n%s", err, text)
	}

	f.freeze()
	reload("preempt_delay = \"1s\"\n") // there is something to write
	hangs(true)
	if err := a.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	b.until("master")
	a.untilHeld(false, 5*time.Second)
	ended := make(chan error, 1)
	go func() { ended <- a.cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("a stop ends with %v, want exit status 0", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("it does not end while its disk hangs")
	}
	// What is left of it is in nobody's way.
	a.start()
	a.until("master")
	b.until("backup")
}

// A configuration that cannot be read, because its disk does not even let it be opened, changes nothing and is said to be so. The
// next one is read as ever.
func TestAReloadFromAHangingDiskIsRefused(t *testing.T) {
	l := newLAN(t)
	a := l.director(0, 200, "500ms")
	a.start()
	before := a.until("master")
	// Who opens the file waits for our leave.
	guard, err := unix.FanotifyInit(unix.FAN_CLASS_CONTENT|unix.FAN_CLOEXEC, unix.O_RDONLY)
	if err == nil {
		err = unix.FanotifyMark(guard, unix.FAN_MARK_ADD, unix.FAN_OPEN_PERM, unix.AT_FDCWD, filepath.Join(a.dir, "lbha.toml"))
	}
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS) {
		t.Skipf("only root can make a file hang, where the kernel has fanotify: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	open := sync.OnceFunc(func() { unix.Close(guard) })
	defer open()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	r, err := a.client.Reload(ctx, admin.ReloadRequest{})
	if err != nil || r.OK || r.Applied || !strings.Contains(r.Error, "the disk does not answer") {
		t.Errorf("reload: %+v, %v; want a refusal", r, err)
	}
	if now := a.until("master"); now.Transition != before.Transition {
		t.Errorf("%d transitions", now.Transition-before.Transition)
	}
	open()
	if r, err := a.client.Reload(ctx, admin.ReloadRequest{}); err != nil || !r.OK {
		t.Errorf("reload when the disk is back: %+v, %v", r, err)
	}
}
