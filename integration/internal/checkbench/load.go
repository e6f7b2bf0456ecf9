package checkbench

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"github.com/lbha/lbha/integration/internal/drive"
)

// Load is a number of servers, and how they are checked.
type Load struct {
	Type     string        `json:"type"` // tcp or http
	Servers  int           `json:"servers"`
	Interval time.Duration `json:"interval"`
	Silent   int           `json:"silent,omitempty"` // of the servers: what is sent to them is lost
}

func (l Load) String() string {
	text := fmt.Sprintf("%d servers, %s each %v", l.Servers, l.Type, l.Interval)
	if l.Silent > 0 {
		text += fmt.Sprintf(", %d of them silent", l.Silent)
	}
	return text
}

const (
	port = 80
	// each is the number of servers of a service.
	each = 10
	// fall is the number of failures in a row that take a server out.
	fall = 3
)

// timeout of a check: as long as it may be without probes of one server that overlap, and no longer than people choose.
func (l Load) timeout() time.Duration { return min(l.Interval, time.Second) }

// silent reports whether a server is one that does not answer: each tenth, if it is a tenth of them.
func (l Load) silent(n int) bool { return l.Silent > 0 && n%(l.Servers/l.Silent) == 0 }

// address of a server; the silent ones have a network of their own, which leads nowhere.
func (l Load) address(n int) netip.Addr {
	network := byte(20)
	if l.silent(n) {
		network = 21
	}
	return netip.AddrFrom4([4]byte{10, network, byte(n >> 8), byte(n)})
}

func vip(service int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 30, byte(service >> 8), byte(service)})
}

// config is the configuration of a daemon.
func (l Load) config(kind drive.Kind, host string) string {
	if kind == drive.Keepalived {
		return l.keepalived(host)
	}
	return l.lbha(host)
}

func (l Load) lbha(host string) string {
	var b strings.Builder
	dir := filepath.Join("/run/lab", host)
	fmt.Fprintf(&b, `[global]
name = %q
control = %q
state_dir = %q
log = { level = "info", format = "text" }

[defaults.service]
scheduler = "wlc"
forward = "dr"
[defaults.service.check]
type = %q
interval = %q
timeout = %q
rise = 1
fall = %d
`, host, filepath.Join(dir, "lbha.sock"), dir, l.Type, l.Interval, l.timeout(), fall)
	if l.Type == "http" {
		b.WriteString("path = \"/healthz\"\nstatus = [\"200\"]\n")
	}
	for n := range l.Servers {
		if n%each == 0 {
			fmt.Fprintf(&b, "\n[[service]]\nname = \"s%d\"\naddress = \"%v:%d\"\n", n/each, vip(n/each), port)
		}
		fmt.Fprintf(&b, "[[service.server]]\naddress = \"%v:%d\"\n", l.address(n), port)
	}
	return b.String()
}

func (l Load) keepalived(host string) string {
	check := "TCP_CHECK {\n"
	if l.Type == "http" {
		check = "HTTP_GET {\n            url {\n                path /healthz\n                status_code 200\n            }\n"
	}
	// retry counts the attempts after the first.
	check += fmt.Sprintf("            connect_timeout %g\n            retry %d\n            delay_before_retry %g\n        }\n",
		l.timeout().Seconds(), fall-1, l.Interval.Seconds())
	var b strings.Builder
	fmt.Fprintf(&b, "global_defs {\n    router_id %s\n}\n", host)
	for n := range l.Servers {
		if n%each == 0 {
			fmt.Fprintf(&b, "virtual_server %v %d {\n    delay_loop %g\n    lvs_sched wlc\n    lvs_method DR\n    protocol TCP\n", vip(n/each), port, l.Interval.Seconds())
		}
		fmt.Fprintf(&b, "    real_server %v %d {\n        weight 1\n        %s    }\n", l.address(n), port, check)
		if n%each == each-1 {
			b.WriteString("}\n")
		}
	}
	return b.String()
}

// addresses lists the servers.
func (l Load) addresses() (list []netip.Addr) {
	for n := range l.Servers {
		list = append(list, l.address(n))
	}
	return list
}
