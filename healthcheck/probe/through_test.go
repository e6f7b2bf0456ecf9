package probe

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/healthcheck"
)

// A host is a network namespace with a thread in it.
type host struct {
	tid  int
	work chan func()
}

// newHost makes a namespace and runs work in it until the test ends.
func newHost(t *testing.T) *host {
	t.Helper()
	h := &host{work: make(chan func())}
	ready, ended := make(chan error), make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread() // for ever: the thread ends with the goroutine
		err := unix.Unshare(unix.CLONE_NEWNET)
		h.tid = unix.Gettid()
		ready <- err
		for f := range h.work {
			f()
		}
	}()
	t.Cleanup(func() { close(h.work); <-ended })
	if err := <-ready; err != nil {
		t.Fatalf("unshare: %v", err)
	}
	return h
}

// in runs f in the namespace of the host.
func (h *host) in(f func()) {
	done := make(chan struct{})
	h.work <- func() { defer close(done); f() }
	<-done
}

// commands runs programs in the namespace of the calling thread, one a line.
func commands(t *testing.T, lines string) {
	t.Helper()
	for line := range strings.Lines(lines) {
		words := strings.Fields(line)
		if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", strings.TrimSpace(line), err, out)
		}
	}
}

// TestThrough: a server that does not accept the virtual address is found by a probe
// through it, and by no other; whether the address is ours, as on the master, or not.
// Server 10.0.0.2 has it, 10.0.0.3 has not, and IPVS delivers mark 2 to the one and
// mark 3 to the other.
func TestThrough(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a network namespace needs root")
	}
	if _, err := exec.LookPath("ipvsadm"); err != nil {
		t.Skip("the command ipvsadm (package ipvsadm) is missing")
	}
	director := newHost(t)
	lacks := false
	director.in(func() { lacks = exec.Command("ipvsadm", "-l", "-n").Run() != nil })
	if lacks {
		t.Skip("kernel has no IPVS; run by the lab inside the user-mode kernel")
	}
	director.in(func() {
		commands(t, `ip link add br0 type bridge
ip link set br0 up
ip link set lo up
ip address add 10.0.0.1/24 dev br0
ip address add fd00::1/64 dev br0 nodad
`)
	})
	for n := 2; n <= 3; n++ {
		server := newHost(t)
		director.in(func() {
			commands(t, fmt.Sprintf(`ip link add v%[1]d type veth peer name eth0 netns %[2]d
ip link set v%[1]d master br0
ip link set v%[1]d up
ipvsadm -A -f %[1]d -s rr -o
ipvsadm -a -f %[1]d -r 10.0.0.%[1]d -g
ipvsadm -A -f %[1]d -6 -s rr -o
ipvsadm -a -f %[1]d -6 -r [fd00::%[1]d]:0 -g
`, n, server.tid))
		})
		server.in(func() {
			commands(t, fmt.Sprintf(`ip link set lo up
ip link set eth0 up
ip address add 10.0.0.%[1]d/24 dev eth0
ip address add fd00::%[1]d/64 dev eth0 nodad
ip link add t0 type ipip local 10.0.0.%[1]d
ip link set t0 up
sysctl -qw net.ipv4.conf.all.arp_ignore=1
sysctl -qw net.ipv4.conf.all.rp_filter=0
sysctl -qw net.ipv4.conf.t0.rp_filter=0
`, n))
			if n == 2 {
				commands(t, "ip address add 10.0.0.100/32 dev lo\nip address add fd00::100/128 dev lo nodad\n")
			}
			says(okHeader(5)+"hello").listen(t, "[::]:80")
			c, err := net.ListenPacket("udp", "10.0.0.100:53")
			if n == 3 {
				return
			}
			if err != nil {
				t.Error(err)
				return
			}
			answering(t, c, echoes)
		})
	}
	var got strings.Builder
	try := func(name string, o Options) {
		director.in(func() { fmt.Fprintf(&got, "%-52s %s\n", name, steady(run(t, o))) })
	}
	through := func(typ healthcheck.Type, vip, network string, n int) Options {
		o := Options{Type: typ, Target: netip.MustParseAddrPort(vip), Exchange: Exchange{Send: "ping"}}
		if typ == "http" {
			o.Exchange = Exchange{}
		}
		o.Dial = Dial{Mark: uint32(n), Through: netip.MustParseAddr(fmt.Sprint(network, n))}
		return o
	}
	try("2 itself", Options{Type: "http", Target: netip.MustParseAddrPort("10.0.0.2:80")})
	try("3 itself", Options{Type: "http", Target: netip.MustParseAddrPort("10.0.0.3:80")})
	round := func(role string) {
		try(role+", through the vip to 2", through("http", "10.0.0.100:80", "10.0.0.", 2))
		try(role+", through the vip to 2, udp", through("udp", "10.0.0.100:53", "10.0.0.", 2))
		try(role+", through the vip to 3", through("http", "10.0.0.100:80", "10.0.0.", 3))
	}
	round6 := func(role string) {
		try(role+", through the vip to 2, IPv6", through("http", "[fd00::100]:80", "fd00::", 2))
		try(role+", through the vip to 3, IPv6", through("http", "[fd00::100]:80", "fd00::", 3))
	}
	round("backup, dr")
	round6("backup, dr")
	director.in(func() {
		commands(t, "ip address add 10.0.0.100/32 dev br0\nip address add fd00::100/128 dev br0 nodad\n")
	})
	round("master, dr")
	round6("master, dr")
	director.in(func() { commands(t, "sysctl -qw net.ipv4.conf.br0.accept_local=1\n") })
	round("master, dr, accept_local")
	director.in(func() {
		commands(t, "ipvsadm -e -f 2 -r 10.0.0.2 -i\nipvsadm -e -f 3 -r 10.0.0.3 -i\n")
	})
	round("master, tun, accept_local")
	director.in(func() { commands(t, "ip address del 10.0.0.100/32 dev br0\n") })
	round("backup, tun")
	director.in(func() {
		commands(t, `ip link add d0 type veth peer name d1
ip link set d0 up
ip link set d1 up
ip address add 10.5.0.1/24 dev d0
ip route add 10.0.0.100/32 dev d0
sysctl -qw net.ipv4.conf.all.rp_filter=1
`)
	})
	round("backup, way back elsewhere")
	director.in(func() {
		commands(t, "sysctl -qw net.ipv4.conf.br0.rp_filter=2\n")
	})
	round("backup, elsewhere, loose")
	want := `2 itself                                             ok: http 200 in T
3 itself                                             ok: http 200 in T
backup, dr, through the vip to 2                     ok: http 200 in T
backup, dr, through the vip to 2, udp                ok: answered in T
backup, dr, through the vip to 3                     timeout: timeout in connect after TIMEOUT
backup, dr, through the vip to 2, IPv6               ok: http 200 in T
backup, dr, through the vip to 3, IPv6               timeout: timeout in connect after TIMEOUT
master, dr, through the vip to 2                     local: the answers come from 10.0.0.100, which is ours: set net.ipv4.conf.br0.accept_local=1
master, dr, through the vip to 2, udp                local: the answers come from 10.0.0.100, which is ours: set net.ipv4.conf.br0.accept_local=1
master, dr, through the vip to 3                     local: the answers come from 10.0.0.100, which is ours: set net.ipv4.conf.br0.accept_local=1
master, dr, through the vip to 2, IPv6               ok: http 200 in T
master, dr, through the vip to 3, IPv6               timeout: timeout in connect after TIMEOUT
master, dr, accept_local, through the vip to 2       ok: http 200 in T
master, dr, accept_local, through the vip to 2, udp  ok: answered in T
master, dr, accept_local, through the vip to 3       timeout: timeout in connect after TIMEOUT
master, tun, accept_local, through the vip to 2      ok: http 200 in T
master, tun, accept_local, through the vip to 2, udp ok: answered in T
master, tun, accept_local, through the vip to 3      timeout: timeout in connect after TIMEOUT
backup, tun, through the vip to 2                    ok: http 200 in T
backup, tun, through the vip to 2, udp               ok: answered in T
backup, tun, through the vip to 3                    timeout: timeout in connect after TIMEOUT
backup, way back elsewhere, through the vip to 2     local: the answers come from 10.0.0.100 by br0, and the way back is by d0: set net.ipv4.conf.br0.rp_filter=2
backup, way back elsewhere, through the vip to 2, udp local: the answers come from 10.0.0.100 by br0, and the way back is by d0: set net.ipv4.conf.br0.rp_filter=2
backup, way back elsewhere, through the vip to 3     local: the answers come from 10.0.0.100 by br0, and the way back is by d0: set net.ipv4.conf.br0.rp_filter=2
backup, elsewhere, loose, through the vip to 2       ok: http 200 in T
backup, elsewhere, loose, through the vip to 2, udp  ok: answered in T
backup, elsewhere, loose, through the vip to 3       timeout: timeout in connect after TIMEOUT
`
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
