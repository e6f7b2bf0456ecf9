package probe

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/healthcheck"
)

// childEnv makes the test binary the process that runs out of descriptors; its
// value is the address to probe.
const childEnv = "PROBE_TEST_WITHOUT_DESCRIPTORS"

// TestOutOfDescriptors: not having a descriptor is no failure of the server.
func TestOutOfDescriptors(t *testing.T) {
	target := says(okHeader(0)).listen(t, "127.0.0.1:0")
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childEnv+"="+target.String())
	got, err := child.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, got)
	}
	var want strings.Builder
	for _, typ := range Types() {
		what := "socket: "
		switch typ {
		case "file":
			what = "open /: "
		case "script":
			what = "start: open /dev/null: "
		}
		fmt.Fprintf(&want, "%s local: %stoo many open files\n", typ, what)
	}
	if diff := cmp.Diff(want.String(), string(got)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func withoutDescriptors() int {
	target := netip.MustParseAddrPort(os.Getenv(childEnv))
	probe := func(typ healthcheck.Type) healthcheck.Result {
		o := sample(typ)
		o.Target = target
		p, err := New(o)
		if err != nil {
			panic(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		return p.Probe(ctx)
	}
	if r := probe("http"); !r.OK() { // opens the runtime's poller
		fmt.Println(r)
		return 1
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: 3}); err != nil {
		fmt.Println(err)
		return 1
	}
	for _, typ := range Types() {
		fmt.Println(typ, probe(typ))
	}
	return 0
}

// namespace runs a test on a thread of its own in a new network namespace with
// loopback and an interface veth0, 192.0.2.1/24, whose neighbour 192.0.2.9 gets
// packets and answers none.
func namespace(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("a network namespace needs root")
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // for ever: the thread ends with the goroutine
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Errorf("unshare: %v", err)
			return
		}
		for _, args := range []string{"link set lo up", "link add veth0 type veth peer name veth1", "link set veth0 up", "link set veth1 up",
			"address add 192.0.2.1/24 dev veth0", "neighbour add 192.0.2.9 lladdr 02:00:00:00:00:09 dev veth0"} {
			if !ip(t, args) {
				return
			}
		}
		test(t)
	}()
	<-done
}

// ip runs ip(8) in the namespace of the calling thread.
func ip(t *testing.T, args string) bool {
	t.Helper()
	out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput()
	if err != nil {
		t.Errorf("ip %s: %v\n%s", args, err, out)
	}
	return err == nil
}

// TestPaths: how the outcome depends on routes and on the options of Dial.
func TestPaths(t *testing.T) {
	namespace(t, func(t *testing.T) {
		for _, args := range []string{
			"route add unreachable 203.0.113.1", "route add prohibit 203.0.113.2",
			"rule add fwmark 7 pref 10 table 7", "route add unreachable default table 7",
		} {
			if !ip(t, args) {
				return
			}
		}
		seen := make(chan string, 2) // each probe asks twice: see runFor
		server := peer(func(c net.Conn) { seen <- c.RemoteAddr().(*net.TCPAddr).IP.String() }).listen(t, "0.0.0.0:0").Port()
		var got strings.Builder
		for _, test := range []struct {
			name, target string
			dial         Dial
		}{
			{"lost", "192.0.2.9", Dial{}},
			{"no route", "198.51.100.1", Dial{}},
			{"route of type unreachable", "203.0.113.1", Dial{}},
			{"route of type prohibit", "203.0.113.2", Dial{}},
			{"no IPv6", "2001:db8::1", Dial{}},
			{"unknown zone", "fe80::1%nowhere", Dial{}},
			{"source", "127.0.0.1", Dial{Source: netip.MustParseAddr("127.0.0.9")}},
			{"source that is not ours", "127.0.0.1", Dial{Source: netip.MustParseAddr("192.0.2.77")}},
			{"interface", "127.0.0.1", Dial{Interface: "lo"}},
			{"interface that is elsewhere", "127.0.0.1", Dial{Interface: "veth0"}},
			{"interface that is not", "127.0.0.1", Dial{Interface: "nowhere"}},
			{"mark", "192.0.2.9", Dial{Mark: 7}},
		} {
			o := Options{Type: "tcp", Target: netip.AddrPortFrom(netip.MustParseAddr(test.target), server), Dial: test.dial}
			r := run(t, o)
			fmt.Fprintf(&got, "%s: %s", test.name, steady(r))
			if r.OK() {
				from, again := <-seen, <-seen
				if fmt.Fprintf(&got, " from %s", from); again != from {
					t.Errorf("%s: from %s, and by a Poller from %s", test.name, from, again)
				}
			}
			got.WriteByte('\n')
		}
		want := `lost: timeout: timeout in connect after TIMEOUT
no route: unreachable: network is unreachable
route of type unreachable: unreachable: no route to host
route of type prohibit: local: connect: permission denied
no IPv6: unreachable: network is unreachable
unknown zone: local: zone: route ip+net: no such network interface
source: ok: connected in T from 127.0.0.9
source that is not ours: local: source 192.0.2.77: cannot assign requested address
interface: ok: connected in T from 127.0.0.1
interface that is elsewhere: timeout: timeout in connect after TIMEOUT
interface that is not: local: interface nowhere: no such device
mark: unreachable: no route to host
`
		if diff := cmp.Diff(want, got.String()); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

// TestOutOfPorts: not having a port is no failure of the server.
func TestOutOfPorts(t *testing.T) {
	namespace(t, func(t *testing.T) {
		if err := os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte("40000 40001"), 0); err != nil {
			t.Error(err)
			return
		}
		target := peer(hangup).listen(t, "127.0.0.1:8080")
		o := Options{Type: "tcp", Target: target}
		for range 50 { // two ports do, as none stays in TIME_WAIT
			if r := run(t, o); !r.OK() {
				t.Errorf("with ports: %v", r)
			}
		}
		table, err := os.ReadFile("/proc/thread-self/net/tcp")
		if err != nil {
			t.Error(err)
		}
		if n := strings.Count(string(table), ":1F90 06 "); n > 0 {
			t.Errorf("%d ports in TIME_WAIT\n%s", n, table)
		}
		for range 2 {
			c, err := net.Dial("tcp", target.String())
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
		}
		if got := run(t, o).String(); got != "local: connect: cannot assign requested address" {
			t.Errorf("without ports: %s", got)
		}
	})
}
