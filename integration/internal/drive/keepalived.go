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

// keepalived drives Debian's keepalived with its documented defaults.
type keepalived struct{}

func (keepalived) config(s Settings) string {
	var b strings.Builder
	fmt.Fprintf(&b, "global_defs {\n    router_id %s\n}\n", s.Name)
	fmt.Fprintf(&b, `vrrp_instance web {
    state BACKUP
    interface %s
    virtual_router_id 51
    version 3
    priority %d
    advert_int %s
    virtual_ipaddress {
        %s/32
    }
}
`, netlab.Interface, s.Priority, seconds(s.Interval), netlab.VIP)
	for _, service := range []struct {
		port     int
		protocol string
		options  string
	}{{PortHTTP, "TCP", ""}, {PortEcho, "UDP", "    ops\n"}} {
		fmt.Fprintf(&b, "virtual_server %s %d {\n    delay_loop %s\n    lvs_sched rr\n    lvs_method DR\n    protocol %s\n%s",
			netlab.VIP, service.port, seconds(s.Check.Interval), service.protocol, service.options)
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

func (keepalived) command(dir string) *exec.Cmd {
	return exec.Command("keepalived", "--dont-fork", "--log-console", "--use-file", filepath.Join(dir, "config"),
		"--pid", filepath.Join(dir, "supervisor.pid"),
		"--vrrp_pid", filepath.Join(dir, "elector.pid"),
		"--checkers_pid", filepath.Join(dir, "director.pid"))
}

func (keepalived) processes(dir string, _ int) map[Part]int {
	parts := map[Part]int{}
	for _, part := range []Part{Elector, Services} {
		text, err := os.ReadFile(filepath.Join(dir, string(part)+".pid"))
		if err != nil {
			continue
		}
		// The file survives a killed process.
		if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && syscall.Kill(pid, 0) == nil {
			parts[part] = pid
		}
	}
	return parts
}

// reload signals: keepalived gives no answer.
func (keepalived) reload(d *Director) (string, error) {
	return "", d.Signal(Supervisor, syscall.SIGHUP)
}

func (keepalived) status(*Director) (string, error) { return "", ErrNotOffered }

func (keepalived) journal(*Director) (string, error) { return "", ErrNotOffered }
