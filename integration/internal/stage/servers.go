package stage

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/load"
	"github.com/lbha/lbha/integration/internal/mono"
	"github.com/lbha/lbha/integration/internal/netlab"
)

// clients starts the two judges.
func (s *Stage) clients() (err error) {
	if s.tcp, err = StartClient(s.Self, s.Net.Client, "tcp", drive.PortHTTP, tcpPeriod, runDir); err != nil {
		return err
	}
	s.udp, err = StartClient(s.Self, s.Net.Client, "udp", drive.PortEcho, udpPeriod, runDir)
	return err
}

// StartClient starts a client of the virtual address on a host, as a process of the program self, which lives as long as the world. Its record is a
// file in a directory.
func StartClient(self string, h *netlab.Host, kind string, port uint16, period time.Duration, dir string) (*load.Record, error) {
	path := filepath.Join(dir, kind+".record")
	r, err := load.CreateRecord(path)
	if err != nil {
		return nil, err
	}
	return r, startParty(self, h, kind, netip.AddrPortFrom(vip, port).String(), period.String(), giveUpAfter.String(), path)
}

// startParty starts a process of this program on a host. It lives as long as the world.
func startParty(self string, h *netlab.Host, args ...string) error {
	cmd := exec.Command(self, append([]string{PartyCommand}, args...)...)
	cmd.Stderr = os.Stdout
	if err := h.Start(cmd); err != nil {
		return fmt.Errorf("start %s on %s: %w", args[0], h.Name, err)
	}
	return nil
}

// StartWeb starts the web server of a real server.
func (s *Stage) StartWeb(i int) error {
	h := s.Net.Real[i]
	dir := filepath.Join(runDir, h.Name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	config := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(config, []byte(nginxConfig(dir, h.Name)), 0o644); err != nil {
		return err
	}
	cmd := exec.Command("nginx", "-p", dir, "-c", config)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stdout
	if err := h.Start(cmd); err != nil {
		return fmt.Errorf("start nginx on %s: %w", h.Name, err)
	}
	s.web[i] = cmd
	load.RealTime(cmd.Process.Pid)
	return s.waitWeb(i)
}

// EnsureWeb starts the web server of a real server unless it runs.
func (s *Stage) EnsureWeb(i int) error {
	if s.web[i] != nil {
		return nil
	}
	return s.StartWeb(i)
}

// waitWeb waits until a real server's web server listens.
func (s *Stage) waitWeb(i int) error {
	h := s.Net.Real[i]
	var err error
	for deadline := mono.Now().Add(5 * time.Second); mono.Now() < deadline; time.Sleep(5 * time.Millisecond) {
		err = h.Do(func() error {
			c, err := net.Dial("tcp4", netip.AddrPortFrom(h.Addr, drive.PortHTTP).String())
			if err != nil {
				return err
			}
			return c.Close()
		})
		if err == nil {
			return nil
		}
	}
	return fmt.Errorf("nginx on %s does not listen: %w", h.Name, err)
}

// StopWeb kills the web server of a real server: its port refuses from now on.
func (s *Stage) StopWeb(i int) error {
	cmd := s.web[i]
	if cmd == nil {
		return nil
	}
	s.web[i] = nil
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	_ = cmd.Wait() // killed: there is nothing to learn from how it ended
	return nil
}

// nginxConfig answers with the server's name, in one process.
func nginxConfig(dir, name string) string {
	var temp strings.Builder
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&temp, "    %s_temp_path %s/%s;\n", kind, dir, kind)
	}
	return fmt.Sprintf(`daemon off;
master_process off;
pid %[1]s/nginx.pid;
error_log %[1]s/nginx.log crit;
events { worker_connections 4096; }
http {
    access_log off;
    server_tokens off;
    default_type text/plain;
%[3]s    server {
        listen 80 backlog=4096;
        location / { return 200 "%[2]s"; }
        location = /healthz { return 200 "well"; }
    }
}
`, dir, name, temp.String())
}
