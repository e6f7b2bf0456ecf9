package keep

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// tmpfs is a directory on one, as /run is.
func tmpfs(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "lbha-test-")
	if err != nil {
		t.Skipf("no directory can be made on the tmpfs /dev/shm: %v", err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

const testSize = 1 << 20

func file(t *testing.T, dir string) *os.File {
	t.Helper()
	f, err := File(dir, "test.memory", testSize)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestAFileOutlivesWhoHoldsIt(t *testing.T) {
	dir := tmpfs(t)
	f := file(t, dir)
	r := open(t, f)
	if err := r.Save("roles"); err != nil {
		t.Fatal(err)
	}
	r.Clock(3).Store(42)
	r.Close() // a mapping holds the lock, too
	f.Close()

	r = open(t, file(t, dir))
	var got string
	if ok, err := r.Load(&got); !ok || err != nil || got != "roles" || r.Clock(3).Load() != 42 {
		t.Fatalf("loaded %q, %v, %v, clock %d; want what was saved", got, ok, err, r.Clock(3).Load())
	}
}

func TestAFileOfAnotherBootOrSizeIsEmptied(t *testing.T) {
	for name, spoil := range map[string]func(f *os.File) error{
		"boot": func(f *os.File) error {
			_, err := f.WriteAt([]byte("lbha 1 0a0b0c0d-another-boot"), offIdentity)
			return err
		},
		"size":    func(f *os.File) error { return f.Truncate(testSize / 2) },
		"garbage": func(f *os.File) error { return os.WriteFile(f.Name(), []byte("garbage"), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := tmpfs(t)
			f := file(t, dir)
			r := open(t, f)
			if err := r.Save("roles"); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(r.Close(), spoil(f)); err != nil {
				t.Fatal(err)
			}
			f.Close()
			var got string
			if ok, err := open(t, file(t, dir)).Load(&got); ok || err != nil {
				t.Fatalf("loaded %q, %v; want nothing", got, err)
			}
		})
	}
}

func TestAFileHasOneHolder(t *testing.T) {
	dir := tmpfs(t)
	file(t, dir)
	if f, err := File(dir, "test.memory", testSize); !errors.Is(err, ErrTaken) {
		if err == nil {
			f.Close()
		}
		t.Fatalf("the second holder got %v, want ErrTaken", err)
	}
}

func TestALinkIsNotFollowed(t *testing.T) {
	dir := tmpfs(t)
	victim := dir + "/victim"
	if err := os.WriteFile(victim, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(victim, dir+"/test.memory"); err != nil {
		t.Fatal(err)
	}
	if f, err := File(dir, "test.memory", testSize); err == nil {
		f.Close()
		t.Fatal("a symbolic link was opened")
	}
	if text, _ := os.ReadFile(victim); string(text) != "precious" {
		t.Fatalf("the file behind the link is %q now", text)
	}
}

// smallTmpfs is one of the given size that only the test's thread sees.
func smallTmpfs(t *testing.T, size int) string {
	dir := t.TempDir()
	runtime.LockOSThread() // and never unlocked: the thread's mounts are its own
	if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_FS); errors.Is(err, unix.EPERM) {
		t.Skipf("a mount namespace needs root: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

// fill leaves nothing free in a directory's file system.
func fill(t *testing.T, dir string) {
	f, err := os.Create(filepath.Join(dir, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	page := make([]byte, 4096)
	for err == nil {
		_, err = f.Write(page)
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
}

// A write to a page that a full tmpfs cannot give is a SIGBUS: who keeps roles in one must not die of it.
func TestAFullFileSystemKillsNobody(t *testing.T) {
	dir := smallTmpfs(t, testSize)
	r := open(t, file(t, dir))
	if err := r.Save("first"); err != nil {
		t.Fatal(err)
	}
	fill(t, dir)
	if err := r.Save(strings.Repeat("x", testSize/4)); !errors.Is(err, ErrFull) {
		t.Fatalf("a large record: %v, want ErrFull", err)
	}
	var got string
	if ok, err := r.Load(&got); !ok || err != nil || got != "first" {
		t.Fatalf("loaded %q, %v, %v; want the record before", got, ok, err)
	}
	// What is usual has its room, in both slots and in the last of the clocks.
	for _, text := range []string{"second", "third"} {
		if err := r.Save(strings.Repeat(text, 4000)); err != nil {
			t.Fatal(err)
		}
	}
	r.Clock(Clocks - 1).Store(7)
	if ok, err := r.Load(&got); !ok || err != nil || got != strings.Repeat("third", 4000) {
		t.Fatalf("loaded %d bytes, %v, %v; want the third record", len(got), ok, err)
	}
}

// Where there is no room at the start, that is an error then, not a fault later.
func TestAFileInAFullFileSystem(t *testing.T) {
	dir := smallTmpfs(t, testSize)
	fill(t, dir)
	if f, err := File(dir, "test.memory", testSize); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("%v, %v; want ENOSPC", f, err)
	}
}
