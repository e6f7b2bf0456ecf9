//go:build linux

package realserver

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// host is a network namespace with one interface, eth0, on the segment.
type host struct {
	t  testing.TB
	ns int
	// mac is the interface's, 02:00:00:00:00:0N for the N-th host, which has the
	// addresses 10.77.0.N/24 and fd77::N/64.
	mac string
}

// segment makes n hosts on one Ethernet segment. Without root it skips the test.
func segment(t testing.TB, n int) []*host {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	bridge := netns(t)
	bridge.ip("link add br0 type bridge mcast_snooping 0 forward_delay 0", "link set br0 up")
	hosts := make([]*host, n)
	for i := range hosts {
		h := netns(t)
		h.mac = fmt.Sprintf("02:00:00:00:00:%02x", i+1)
		h.ip("link set lo up",
			fmt.Sprintf("link add eth0 address %s type veth peer name port%d netns /proc/%d/fd/%d", h.mac, i+1, os.Getpid(), bridge.ns))
		h.sysctl("net/ipv6/conf/eth0/accept_dad", "0")
		// A new namespace inherits these from the first.
		for _, on := range []string{"all", "eth0"} {
			for _, key := range []string{"rp_filter", "arp_ignore", "arp_announce"} {
				h.sysctl("net/ipv4/conf/"+on+"/"+key, "0")
			}
		}
		h.ip("link set eth0 up", fmt.Sprintf("address add 10.77.0.%d/24 dev eth0", i+1), fmt.Sprintf("address add fd77::%d/64 dev eth0 nodad", i+1))
		bridge.ip(fmt.Sprintf("link set port%d master br0 up", i+1))
		hosts[i] = h
	}
	// The kernel's link watch sees a carrier late; before that a port does not
	// forward, and an interface has no IPv6 route.
	ready := func() bool {
		for _, h := range hosts {
			if !strings.Contains(h.run("ip", "-oneline", "link", "show", "eth0"), " state UP ") {
				return false
			}
		}
		return strings.Count(bridge.run("bridge", "link"), "state forwarding") == n
	}
	for deadline := time.Now().Add(5 * time.Second); !ready(); {
		if time.Now().After(deadline) {
			t.Fatalf("the bridge does not forward:\n%s", bridge.run("bridge", "link"))
		}
		time.Sleep(5 * time.Millisecond)
	}
	return hosts
}

func netns(t testing.TB) *host {
	h := &host{t: t}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home := openNS(t)
	defer unix.Close(home)
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatalf("unshare: %v", err)
	}
	h.ns = openNS(t)
	t.Cleanup(func() { unix.Close(h.ns) })
	enter(t, home)
	return h
}

// do runs f on a thread inside the namespace; goroutines that f starts are not.
func (h *host) do(f func()) {
	h.t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home := openNS(h.t)
	defer unix.Close(home)
	enter(h.t, h.ns)
	defer enter(h.t, home)
	f()
}

func (h *host) ip(commands ...string) {
	h.t.Helper()
	for _, c := range commands {
		h.run("ip", strings.Fields(c)...)
	}
}

func (h *host) run(name string, args ...string) string {
	h.t.Helper()
	out, err := h.try(name, args...)
	if err != nil {
		h.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

func (h *host) try(name string, args ...string) (string, error) {
	var out []byte
	var err error
	h.do(func() { out, err = exec.Command(name, args...).CombinedOutput() })
	return string(out), err
}

func (h *host) sysctl(path, value string) {
	h.t.Helper()
	var err error
	h.do(func() { err = os.WriteFile("/proc/sys/"+path, []byte(value), 0) })
	if err != nil {
		h.t.Fatal(err)
	}
}

func openNS(t testing.TB) int {
	fd, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatalf("open namespace: %v", err)
	}
	return fd
}

// enter moves the thread. A thread that cannot go home must run nothing else.
func enter(t testing.TB, ns int) {
	if err := unix.Setns(ns, unix.CLONE_NEWNET); err != nil {
		runtime.LockOSThread()
		t.Errorf("setns: %v", err)
	}
}
