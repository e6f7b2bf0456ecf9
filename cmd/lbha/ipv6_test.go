package main

import (
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// sixConfig is an instance of IPv6 which also holds an address of IPv4.
func sixConfig(priority int) string {
	return fmt.Sprintf("[[vrrp]]\nname = \"six\"\ninterface = \"eth0\"\nid = 51\npriority = %d\ninterval = \"100ms\"\n"+
		"addresses = [\"fd00:9::100\", \"fe80::100\"]\nextra_addresses = [\"10.9.0.100\"]\n", priority)
}

// untilHolds waits until the host has all addresses of sixConfig, or none.
func (d *daemon) untilHolds(want bool) {
	d.t.Helper()
	for _, addr := range []string{"fd00:9::100/128", "fe80::100/128", "10.9.0.100/32"} {
		for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			out, err := exec.Command("ip", "-n", d.host, "-o", "addr", "show", "to", addr).Output()
			if err == nil && len(out) > 0 == want {
				break
			}
			if time.Now().After(deadline) {
				d.t.Fatalf("%s: %s held is %v, want %v", d.host, addr, !want, want)
			}
		}
	}
}

// TestAPairOverIPv6 takes the interfaces as the kernel makes them, whose link-local addresses are not ready at once.
func TestAPairOverIPv6(t *testing.T) {
	l := newLAN(t)
	a, b := l.director(0, 200, "100ms"), l.director(1, 100, "100ms")
	a.configure(sixConfig(200))
	b.configure(sixConfig(100))
	a.start()
	a.until("master")
	a.untilHolds(true)
	b.start()
	for deadline := time.Now().Add(10 * time.Second); !strings.HasPrefix(b.until("backup").Master, "fe80::"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the backup believes that the master is %q", b.until("backup").Master)
		}
	}
	b.untilHolds(false)
	if in := a.until("master"); len(in.Held) != 3 {
		t.Errorf("the master says that it holds %v", in.Held)
	}

	if err := a.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	b.until("master")
	if err := a.cmd.Wait(); err != nil {
		t.Errorf("a stop ends with %v, want exit status 0", err)
	}
	a.untilHolds(false)
	b.untilHolds(true)
	a.start()
	a.until("master")
	b.until("backup")
	b.untilHolds(false)

	a.cmd.Process.Kill() // the supervisor; its processes die with it
	a.cmd.Wait()
	b.until("master")
	a.untilHolds(false)
	b.untilHolds(true)
}
