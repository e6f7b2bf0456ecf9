package harm

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// Whatever was in the place of the file, the next thing takes it.
func TestWreck(t *testing.T) {
	const text = "[global]\nname = \"d1\"\n"
	path := filepath.Join(t.TempDir(), "lbha.toml")
	for _, step := range []struct {
		what string
		mode os.FileMode
		read string // of a regular file
	}{
		{"directory", os.ModeDir, ""},
		{"fifo", os.ModeNamedPipe, ""},
		{"half", 0, "[global]\nname "},
		{"empty", 0, ""},
	} {
		if err := Wreck(path, text, step.what); err != nil {
			t.Fatal(err)
		}
		info, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Type() != step.mode {
			t.Errorf("%s is %v", step.what, info.Mode())
		}
		if step.mode != 0 {
			continue
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != step.read {
			t.Errorf("%s has %q, %v", step.what, got, err)
		}
	}
	if err := Wreck(path, text, "garbage"); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || len(got) != garbageSize || bytes.Contains(got, []byte("name")) {
		t.Errorf("garbage is %d bytes, %v", len(got), err)
	}
	if err := Wreck(path, text, "missing"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("a missing file is there: %v", err)
	}
}
