package scale

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"github.com/lbha/lbha/integration/internal/drive"
)

// Size is a table.
type Size struct {
	Services int `json:"services"`
	Each     int `json:"each"` // servers of each
	// Check is the time between two checks of a server; 0: there are none.
	Check time.Duration `json:"check"`
}

// Servers is how many there are in all.
func (s Size) Servers() int { return s.Services * s.Each }

func (s Size) String() string {
	if s.Check == 0 {
		return fmt.Sprintf("%d services × %d servers without checks", s.Services, s.Each)
	}
	return fmt.Sprintf("%d services × %d servers, tcp checks each %v", s.Services, s.Each, s.Check)
}

// vip is the address of a service.
func vip(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 30, byte(n >> 8), byte(n)}) }

// real is the address of a server, counted over all services. Those that reloads add come after all others.
func real(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 20, byte(n >> 8), byte(n)}) }

// servers lists the servers of a service; more are added, one each, to the services from the one in the middle on.
func (s Size) servers(service, more int) (list []netip.Addr) {
	for i := range s.Each {
		list = append(list, real(service*s.Each+i))
	}
	if n := service - s.Services/2; n >= 0 && n < more {
		list = append(list, real(s.Servers()+n))
	}
	return list
}

const port = 80

// patience is the timeout of a check.
const patience = 3 * time.Second

// config is the configuration of a daemon, with so many servers more.
func (s Size) config(kind drive.Kind, host string, more int) string {
	if kind == drive.Keepalived {
		return s.keepalived(host, more)
	}
	return s.lbha(host, more)
}

func (s Size) lbha(host string, more int) string {
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
`, host, filepath.Join(dir, "lbha.sock"), dir)
	if s.Check > 0 {
		fmt.Fprintf(&b, "[defaults.service.check]\ntype = \"tcp\"\ninterval = %q\ntimeout = %q\nrise = 1\n", s.Check, patience)
	}
	for i := range s.Services {
		fmt.Fprintf(&b, "\n[[service]]\nname = \"s%d\"\naddress = \"%v:%d\"\n", i, vip(i), port)
		for _, server := range s.servers(i, more) {
			fmt.Fprintf(&b, "[[service.server]]\naddress = \"%v:%d\"\n", server, port)
		}
	}
	return b.String()
}

func (s Size) keepalived(host string, more int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "global_defs {\n    router_id %s\n}\n", host)
	for i := range s.Services {
		fmt.Fprintf(&b, "virtual_server %v %d {\n    delay_loop %g\n    lvs_sched wlc\n    lvs_method DR\n    protocol TCP\n", vip(i), port, max(s.Check, time.Second).Seconds())
		for _, server := range s.servers(i, more) {
			fmt.Fprintf(&b, "    real_server %v %d {\n        weight 1\n", server, port)
			if s.Check > 0 {
				fmt.Fprintf(&b, "        TCP_CHECK {\n            connect_timeout %g\n        }\n", patience.Seconds())
			}
			b.WriteString("    }\n")
		}
		b.WriteString("}\n")
	}
	return b.String()
}
