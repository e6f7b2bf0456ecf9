package ground

import (
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestFixes: on a host with every ailment that needs no IPVS, on an interface with a dot in its name, the fixes that are
// commands, carried out as they stand, leave nothing to find of them.
func TestFixes(t *testing.T) {
	if unix.Geteuid() != 0 {
		t.Skip("a network namespace can be made by root only")
	}
	cfg := load(t, `
[[vrrp]]
name = "web"
interface = "eth0.7"
id = 51
addresses = ["10.9.0.100/32"]
[[vrrp]]
name = "web6"
interface = "eth0.7"
id = 51
addresses = ["fe80::100/128", "fd00::100/128"]
[[service]]
name = "nat"
address = "10.9.0.100:80"
forward = "nat"
[[service.server]]
address = "10.9.0.3:80"
[[service]]
name = "nat6"
address = "[fd00::100]:80"
forward = "nat"
[[service.server]]
address = "[fd00::3]:80"
[[service]]
name = "dr"
address = "10.9.0.100:81"
forward = "dr"
[service.check]
type = "tcp"
through = "vip"
[[service.server]]
address = "10.9.0.3:81"
`)
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread ends with its namespace
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Error(err)
			return
		}
		run := func(line string) {
			if out, err := exec.Command("sh", "-ec", line).CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", line, err, out)
			}
		}
		run(`ip link set lo up
ip link add eth0.7 type veth peer name far0
ip link add eth1 type veth peer name far1
for i in far0 far1 eth1; do ip link set $i up; done
ip addr add 10.8.0.1/24 dev eth1
ip addr add 10.9.0.1/24 dev eth0.7
ip addr add fd00::1/64 dev eth1 nodad
ip link set eth0.7 up
ip route add default via 10.8.0.254
echo 1 >/proc/sys/net/ipv4/ip_forward
echo 0 >/proc/sys/net/ipv4/conf/eth0.7/forwarding
echo 0 >/proc/sys/net/ipv6/conf/all/forwarding
echo 0 >/proc/sys/net/ipv4/ip_nonlocal_bind
echo 1 >/proc/sys/net/ipv4/conf/eth0.7/rp_filter
echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter
echo 1 >/proc/sys/net/ipv4/conf/all/send_redirects
echo 1 >/proc/sys/net/ipv6/conf/eth0.7/accept_ra
ip link set eth0.7 down`)
		look := func() (reasons []string, fixes []string) {
			facts, err := Read(t.Context(), Ask(cfg))
			if err != nil {
				t.Error(err)
			}
			for _, f := range Judge(cfg, facts) {
				if f.Severity == Right || f.Object == "ipvs" || f.Reason == "conntrack" {
					continue // of IPVS, which this kernel may have
				}
				reasons = append(reasons, f.Reason)
				if strings.HasPrefix(f.Fix, "sysctl ") || strings.HasPrefix(f.Fix, "ip ") {
					fixes = append(fixes, f.Fix)
				}
			}
			return reasons, fixes
		}
		check := func(want string) []string {
			reasons, fixes := look()
			if got := strings.Join(reasons, " "); got != want {
				t.Errorf("found %q, want %q", got, want)
			}
			return fixes
		}
		for _, fix := range check("no-interface no-interface no-forwarding rp-filter accept-ra accept-ra nonlocal-bind") {
			run(fix)
		}
		// Up, it has a route, of which the rest is a matter. The kernel says so a little later.
		run(`for i in $(seq 100); do ip link show eth0.7 | grep -q 'state UP' && break; sleep 0.1; done`)
		for _, fix := range check("no-forwarding send-redirects accept-local") {
			run(fix)
		}
		check("")
	}()
	<-done
}
