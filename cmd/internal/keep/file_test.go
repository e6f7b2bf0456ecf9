package keep

import (
	"errors"
	"os"
	"testing"
)

// tmpfs is a directory on one, as /run is.
func tmpfs(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "lbha-test-")
	if err != nil {
		t.Skipf("no tmpfs to test on: %v", err)
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
