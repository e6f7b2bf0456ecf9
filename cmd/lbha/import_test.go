package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestReadIncluded: a pattern is relative to the file that it stands in, and passes over directories.
func TestReadIncluded(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "conf.d", "b.off"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "c"} {
		if err := os.WriteFile(filepath.Join(dir, "conf.d", name), []byte("# "+name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files, err := readIncluded(filepath.Join(dir, "k.conf"), "conf.d/*")
	if err != nil || len(files) != 2 || files[0].Text != "# a" || files[1].Text != "# c" {
		t.Errorf("got %v, %v", files, err)
	}
}
