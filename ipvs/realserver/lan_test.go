//go:build linux

package realserver

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lbha/lbha/integration/lan"
)

// host is a host of the segment, eth0 its interface there. The N-th has the
// addresses 10.77.0.N/24 and fd77::N/64, and the MAC 02:00:00:00:00:0N.
type host struct {
	*lan.Host
	t   testing.TB
	mac string
}

// segment makes n hosts on one Ethernet segment. Without root it skips the test.
func segment(t testing.TB, n int) []*host {
	t.Helper()
	hosts := make([]*host, 0, n)
	for i, on := range lan.Prepared(t, n, plain) {
		h := &host{on, t, on.MAC}
		h.ip(fmt.Sprintf("address add fd77::%d/64 dev eth0 nodad", i+1))
		hosts = append(hosts, h)
	}
	for _, h := range hosts {
		h.untilUp()
	}
	return hosts
}

// plain undoes what a new namespace inherits from the first, and makes IPv6
// addresses usable at once.
func plain(h *lan.Host) {
	h.Sysctl("net/ipv6/conf/eth0/accept_dad", "0")
	for _, on := range []string{"all", "eth0"} {
		for _, key := range []string{"rp_filter", "arp_ignore", "arp_announce"} {
			h.Sysctl("net/ipv4/conf/"+on+"/"+key, "0")
		}
	}
}

// untilUp waits for the kernel's link watch, which sees a carrier late: before
// that an interface has no IPv6 route.
func (h *host) untilUp() {
	h.t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !strings.Contains(h.run("ip", "-oneline", "link", "show", "eth0"), " state UP "); {
		if time.Now().After(deadline) {
			h.t.Fatalf("eth0 is not up:\n%s", h.run("ip", "link", "show", "eth0"))
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (h *host) do(f func())            { h.Do(f) }
func (h *host) sysctl(path, to string) { h.t.Helper(); h.Sysctl(path, to) }

// ip runs ip(8) for each command, which may begin with an option.
func (h *host) ip(commands ...string) {
	h.t.Helper()
	for _, c := range commands {
		h.Run("ip", strings.Fields(c)...)
	}
}

func (h *host) run(name string, args ...string) string {
	h.t.Helper()
	return h.Run(name, args...)
}

func (h *host) try(name string, args ...string) (string, error) { return h.Try(name, args...) }
