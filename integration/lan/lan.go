//go:build linux

package lan

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Interface is the name of the interface of every Host.
const Interface = "eth0"

// Host is a network namespace with one interface on the segment.
type Host struct {
	t  testing.TB
	ns int // descriptor of the namespace

	// Addr is the host's address, 10.77.0.N/24 for the N-th host, and MAC its
	// interface's, 02:00:00:00:00:0N.
	Addr netip.Addr
	MAC  string
	// Link6 and Addr6 are the addresses that WithIPv6 gives: fe80::N and
	// 2001:db8:77::N.
	Link6, Addr6 netip.Addr
}

// New makes a segment of n hosts, which are up and can hear each other. Without
// root it skips the test.
func New(t testing.TB, n int) []*Host {
	t.Helper()
	return Prepared(t, n, func(*Host) {})
}

// Prepared is New for hosts that are to be prepared before their interfaces come
// up.
func Prepared(t testing.TB, n int, prepare func(*Host)) []*Host {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	bridge := namespace(t)
	bridge.IP("link add br0 type bridge mcast_snooping 0 forward_delay 0", "link set br0 up")
	hosts := make([]*Host, n)
	for i := range hosts {
		h := namespace(t)
		h.Addr = netip.AddrFrom4([4]byte{10, 77, 0, byte(i + 1)})
		h.MAC = fmt.Sprintf("02:00:00:00:00:%02x", i+1)
		h.Link6 = netip.MustParseAddr(fmt.Sprintf("fe80::%x", i+1))
		h.Addr6 = netip.MustParseAddr(fmt.Sprintf("2001:db8:77::%x", i+1))
		port := fmt.Sprintf("port%d", i+1)
		h.IP(
			"link set lo up",
			fmt.Sprintf("link add %s address %s type veth peer name %s netns /proc/%d/fd/%d",
				Interface, h.MAC, port, os.Getpid(), bridge.ns),
		)
		prepare(h)
		h.IP(
			fmt.Sprintf("link set %s up", Interface),
			fmt.Sprintf("address add %s/24 dev %s", h.Addr, Interface),
		)
		bridge.IP(fmt.Sprintf("link set %s master br0 up", port))
		hosts[i] = h
	}
	// A port forwards only when the kernel's link watch has seen its carrier.
	for deadline := time.Now().Add(5 * time.Second); strings.Count(bridge.Run("bridge", "link"), "state forwarding") < n; {
		if time.Now().After(deadline) {
			t.Fatalf("the bridge does not forward:\n%s", bridge.Run("bridge", "link"))
		}
		time.Sleep(5 * time.Millisecond)
	}
	return hosts
}

// WithIPv6 gives each host its two IPv6 addresses, ready for use at once.
func WithIPv6(hosts []*Host) []*Host {
	for _, h := range hosts {
		h.IP(
			fmt.Sprintf("address add %s/64 dev %s nodad", h.Link6, Interface),
			fmt.Sprintf("address add %s/64 dev %s nodad", h.Addr6, Interface),
		)
	}
	return hosts
}

// namespace makes an empty network namespace, which lives until the test ends.
func namespace(t testing.TB) *Host {
	h := &Host{t: t}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home := open(t)
	defer unix.Close(home)
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatalf("unshare: %v", err)
	}
	h.ns = open(t)
	t.Cleanup(func() { unix.Close(h.ns) })
	enter(t, home)
	return h
}

// Do runs f on a thread inside the host's namespace. Sockets that f opens stay
// in it; goroutines that f starts are not.
func (h *Host) Do(f func()) {
	h.t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home := open(h.t)
	defer unix.Close(home)
	enter(h.t, h.ns)
	defer enter(h.t, home)
	f()
}

// IP runs ip(8) once for all of the commands in the host's namespace.
func (h *Host) IP(commands ...string) {
	h.t.Helper()
	h.Do(func() {
		cmd := exec.Command("ip", "-batch", "-")
		cmd.Stdin = strings.NewReader(strings.Join(commands, "\n") + "\n")
		if out, err := cmd.CombinedOutput(); err != nil {
			h.t.Fatalf("ip %s: %v\n%s", strings.Join(commands, "; ip "), err, out)
		}
	})
}

// Run runs a command in the host's namespace and returns what it printed.
func (h *Host) Run(name string, args ...string) string {
	h.t.Helper()
	out, err := h.Try(name, args...)
	if err != nil {
		h.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

// Try is Run for a command that may fail.
func (h *Host) Try(name string, args ...string) (string, error) {
	h.t.Helper()
	var out []byte
	var err error
	h.Do(func() { out, err = exec.Command(name, args...).CombinedOutput() })
	return string(out), err
}

// Sysctl sets a kernel parameter of the host, whose path is below /proc/sys.
func (h *Host) Sysctl(path, value string) {
	h.t.Helper()
	var err error
	h.Do(func() { err = os.WriteFile("/proc/sys/"+path, []byte(value), 0) })
	if err != nil {
		h.t.Fatal(err)
	}
}

// Readable waits until a descriptor can be read, for limit at most, and says whether it can.
func Readable(t testing.TB, fd int, limit time.Duration) bool {
	t.Helper()
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for deadline := time.Now().Add(limit); ; {
		n, err := unix.Poll(fds, int(max(0, time.Until(deadline)).Milliseconds()))
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		return n > 0
	}
}

func open(t testing.TB) int {
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
