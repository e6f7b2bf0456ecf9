//go:build linux

package segment

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/net/ipv4"

	"github.com/lbha/lbha/integration/lan"
)

// No packet wakes the Go runtime: its poller does not know the descriptors.
func TestNotInTheRuntimePoller(t *testing.T) {
	c := openOn(t, lan.New(t, 1)[0], wants51)
	// Something that is in it, so that it exists and the test can see it.
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	raw, err := r.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var pipe int
	raw.Control(func(fd uintptr) { pipe = int(fd) })

	polled := map[int]bool{}
	fds, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range fds {
		if target, _ := os.Readlink(path); target != "anon_inode:[eventpoll]" {
			continue
		}
		info, err := os.ReadFile("/proc/self/fdinfo/" + filepath.Base(path))
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(info) {
			var fd int
			if _, err := fmt.Sscanf(string(line), "tfd: %d", &fd); err == nil {
				polled[fd] = true
			}
		}
	}
	if !polled[pipe] {
		t.Fatal("the runtime's poller was not found")
	}
	for name, fd := range map[string]int{"hot": c.FD(), "audit": c.auditFD()} {
		if polled[fd] {
			t.Errorf("the %s socket is in the runtime's poller", name)
		}
	}
}

func (c *Conn) auditFD() int { return int(c.audit.(*ipv4.PacketConn).PacketConn.(*socket).fd) }
