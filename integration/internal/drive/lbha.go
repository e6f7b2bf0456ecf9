package drive

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/lbha/lbha/integration/internal/netlab"
)

// lbha drives the program under test.
type lbha struct{ binary string }

func (lbha) config(s Settings) string {
	dir := filepath.Join("/run/lab", s.Name)
	var b strings.Builder
	fmt.Fprintf(&b, `[global]
name = %q
control = %q
state_dir = %q
log = { level = "info", format = "text" }
`, s.Name, filepath.Join(dir, "lbha.sock"), dir)
	for _, r := range s.routers() {
		writeRouter(&b, r)
	}
	if len(s.Servers) == 0 {
		return b.String()
	}
	// The table remembers a connection for minutes after its end. A pair at rest has no server that still drains.
	fmt.Fprintf(&b, "\n[defaults.service]\nscheduler = %q\nforward = \"dr\"\ndrain_timeout = \"5s\"\n", s.scheduler())
	for _, service := range []struct {
		name, protocol string
		port           int
		options        string
	}{{"www", "tcp", PortHTTP, ""}, {"echo", "udp", PortEcho, "one_packet = true\n"}} {
		fmt.Fprintf(&b, `
[[service]]
name = %q
address = "%s:%d"
protocol = %q
%s[service.check]
type = "http"
port = %d
path = "/healthz"
status = ["200"]
interval = %q
timeout = %q
rise = %d
fall = %d
`, service.name, netlab.VIP, service.port, service.protocol, service.options, PortHTTP,
			s.Check.Interval, s.Check.Timeout, s.Check.Rise, s.Check.Fall)
		for _, server := range s.Servers {
			fmt.Fprintf(&b, "[[service.server]]\naddress = \"%s:%d\"\n", server, service.port)
		}
	}
	return b.String()
}

func writeRouter(b *strings.Builder, r Router) {
	var vips []string
	for _, vip := range r.VIPs {
		vips = append(vips, strconv.Quote(vip.String()))
	}
	fmt.Fprintf(b, `
[[vrrp]]
name = %q
interface = %q
id = %d
version = %d
priority = %d
interval = %q
addresses = [%s]
`, r.Name, netlab.Interface, r.VRID, r.Version, r.Priority, r.Interval, strings.Join(vips, ", "))
	if u := r.Unicast; u != nil {
		fmt.Fprintf(b, "unicast = { source = \"%s\", peers = [\"%s\"] }\n", u.Source, u.Peer)
	}
	if r.Password != "" {
		fmt.Fprintf(b, "auth = { type = \"pass\", key = %q }\n", r.Password)
	}
}

func (l lbha) command(dir string) *exec.Cmd {
	return exec.Command(l.binary, "run", "-c", configPath(dir))
}

// processes finds the children by the names that they give themselves: "lbha: vrrp" and "lbha: director".
func (lbha) processes(_ string, pid int) map[Part]int { return Children(pid) }

// Children finds the two processes of a supervisor of lbha.
func Children(pid int) map[Part]int {
	parts := map[Part]int{}
	for _, child := range children(pid) {
		switch name := commandLine(child); {
		case strings.HasPrefix(name, "lbha: vrrp"):
			parts[Elector] = child
		case strings.HasPrefix(name, "lbha: director"):
			parts[Services] = child
		}
	}
	return parts
}

// ask runs a command of lbha that speaks to the daemon on d.
func (l lbha) ask(d *Director, args ...string) *exec.Cmd {
	cmd := exec.Command(l.binary, args...)
	cmd.Env = append(os.Environ(), "LBHA_SOCKET="+filepath.Join(d.dir, "lbha.sock"))
	return cmd
}

func (l lbha) reload(d *Director) (string, error) {
	out, err := l.ask(d, "reload").CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("lbha reload: %w", err)
	}
	return string(out), nil
}

func (l lbha) status(d *Director) (string, error) {
	out, err := l.ask(d, "status", "--json").Output()
	if err != nil {
		return "", fmt.Errorf("lbha status: %w", err)
	}
	return string(out), nil
}

func (l lbha) journal(d *Director) (string, error) {
	out, err := l.ask(d, "explain", "--lines", "200").Output()
	if err != nil {
		return "", fmt.Errorf("lbha explain: %w", err)
	}
	return string(out), nil
}

// children lists the child processes of pid.
func children(pid int) (list []int) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return nil
	}
	for _, task := range tasks {
		text, err := os.ReadFile(task)
		if err != nil {
			continue // the thread is gone
		}
		for _, field := range strings.Fields(string(text)) {
			if child, err := strconv.Atoi(field); err == nil {
				list = append(list, child)
			}
		}
	}
	return list
}

// commandLine is the first argument of a process: a daemon's child writes its title there.
func commandLine(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return ""
	}
	name, _, _ := strings.Cut(string(text), "\x00")
	return name
}
