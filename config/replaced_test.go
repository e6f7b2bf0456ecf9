package config

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Somebody puts a named pipe in the place of the file, again and again, between two looks at it. Whoever opened that to read would wait for a writer
// for ever, and a reload with it.
func TestAFileThatBecomesAPipeHoldsNobody(t *testing.T) {
	dir := t.TempDir()
	file, pipe, path := filepath.Join(dir, "file"), filepath.Join(dir, "pipe"), filepath.Join(dir, "lbha.toml")
	if err := errors.Join(os.WriteFile(file, []byte("text"), 0o600), syscall.Mkfifo(pipe, 0o600), os.Link(file, path)); err != nil {
		t.Fatal(err)
	}
	end := time.Now().Add(300 * time.Millisecond)
	replaced := make(chan error)
	go func() {
		next := filepath.Join(dir, "next")
		var err error
		for i := 0; err == nil && time.Now().Before(end); i++ {
			err = errors.Join(os.Link([]string{pipe, file}[i%2], next), os.Rename(next, path))
		}
		replaced <- err
	}()
	read := make(chan error)
	go func() {
		for time.Now().Before(end) {
			if text, _, err := (disk{}).read(path, 100); err == nil && string(text) != "text" || err != nil && !errors.Is(err, errNotRegular) {
				read <- errors.Join(errors.New("read: "+string(text)), err)
				return
			}
		}
		read <- nil
	}()
	if err := <-replaced; err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-read:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("it waits for somebody who writes to the pipe")
	}
}
