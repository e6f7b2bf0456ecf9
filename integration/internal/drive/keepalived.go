package drive

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/lbha/lbha/integration/internal/netlab"
)

// keepalived drives Debian's keepalived with its documented defaults; where it does VRRP alone, with the same real-time class and locked
// memory as lbha's elector takes by itself.
type keepalived struct{ vrrpOnly bool }

func (k keepalived) config(s Settings) string {
	var b strings.Builder
	fmt.Fprintf(&b, "global_defs {\n    router_id %s\n", s.Name)
	if k.vrrpOnly {
		// The limit on processor time without a wait is 10 ms by default. Many virtual routers need more, and the kernel kills it.
		b.WriteString("    vrrp_rt_priority 50\n    vrrp_rlimit_rttime 5000000\n    vrrp_no_swap\n")
	}
	b.WriteString("}\n")
	for _, r := range s.routers() {
		fmt.Fprintf(&b, "vrrp_instance %s {\n    state BACKUP\n    interface %s\n    virtual_router_id %d\n    version %d\n    priority %d\n    advert_int %s\n",
			r.Name, netlab.Interface, r.VRID, r.Version, r.Priority, seconds(r.Interval))
		if u := r.Unicast; u != nil {
			fmt.Fprintf(&b, "    unicast_src_ip %s\n    unicast_peer {\n        %s\n    }\n", u.Source, u.Peer)
		}
		if r.Password != "" {
			fmt.Fprintf(&b, "    authentication {\n        auth_type PASS\n        auth_pass %s\n    }\n", r.Password)
		}
		b.WriteString("    virtual_ipaddress {\n")
		for _, vip := range r.VIPs {
			fmt.Fprintf(&b, "        %s\n", vip)
		}
		b.WriteString("    }\n}\n")
	}
	if k.vrrpOnly {
		return b.String()
	}
	for _, service := range []struct {
		port     int
		protocol string
		options  string
	}{{PortHTTP, "TCP", ""}, {PortEcho, "UDP", "    ops\n"}} {
		fmt.Fprintf(&b, "virtual_server %s %d {\n    delay_loop %s\n    lvs_sched %s\n    lvs_method DR\n    protocol %s\n%s",
			netlab.VIP, service.port, seconds(s.Check.Interval), s.scheduler(), service.protocol, service.options)
		for _, server := range s.Servers {
			// retry counts the attempts after the first.
			fmt.Fprintf(&b, `    real_server %s %d {
        weight 1
        HTTP_GET {
            url {
                path /healthz
                status_code 200
            }
            connect_ip %s
            connect_port %d
            connect_timeout %s
            retry %d
            delay_before_retry %s
        }
    }
`, server, service.port, server, PortHTTP, seconds(s.Check.Timeout), s.Check.Fall-1, seconds(s.Check.Interval))
		}
		b.WriteString("}\n")
	}
	return b.String()
}

// seconds renders a duration as keepalived reads it.
func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) }

func (k keepalived) command(dir string) *exec.Cmd {
	args := []string{"--dont-fork", "--log-console", "--use-file", configPath(dir),
		"--pid", filepath.Join(dir, "supervisor.pid"),
		"--vrrp_pid", filepath.Join(dir, "elector.pid"),
		"--checkers_pid", filepath.Join(dir, "director.pid")}
	if k.vrrpOnly {
		args = append(args, "--vrrp")
	}
	return exec.Command("keepalived", args...)
}

func (keepalived) processes(dir string, _ int) map[Part]int {
	parts := map[Part]int{}
	for _, part := range []Part{Elector, Services} {
		if pid := runningPID(filepath.Join(dir, string(part)+".pid")); pid != 0 {
			parts[part] = pid
		}
	}
	return parts
}

// runningPID reads a file with the number of a process, and returns 0 for one that does not run: the file survives a killed process.
func runningPID(path string) int {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || syscall.Kill(pid, 0) != nil {
		return 0
	}
	return pid
}

// reload signals: keepalived gives no answer.
func (keepalived) reload(d *Director) (string, error) {
	return "", d.Signal(Supervisor, syscall.SIGHUP)
}

func (keepalived) status(*Director) (string, error) { return "", ErrNotOffered }

func (keepalived) journal(*Director) (string, error) { return "", ErrNotOffered }
