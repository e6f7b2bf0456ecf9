package rehearse

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/netlab"
	"github.com/lbha/lbha/integration/internal/script"
)

// LabSSH is a pair of the lab that is reached by ssh alone: a real server runs on each director, and commands come from a third host. It is how
// [SSH] is tried without a pair that matters. The pair does VRRP and nothing else, which needs no IPVS.
type LabSSH struct {
	SSH
	net       *netlab.Network
	binary    string
	directors [2]*drive.Director
}

const (
	sshdPath = "/usr/sbin/sshd"
	sshdDir  = "/run/lab/ssh" // keys, which end with the world
)

// NewLabSSH makes the network, and starts a server on each director, with keys of its own. binary is the path of lbha.
func NewLabSSH(binary string) (*LabSSH, error) {
	p := &LabSSH{binary: binary}
	// The other is where the server separates its privileges.
	if err := errors.Join(os.MkdirAll(sshdDir, 0o700), os.MkdirAll("/run/sshd", 0o755)); err != nil {
		return nil, err
	}
	for _, key := range []string{"user", "host"} {
		if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(sshdDir, key)).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("ssh-keygen: %w: %s", err, out)
		}
	}
	public, err := os.ReadFile(filepath.Join(sshdDir, "host.pub"))
	if err != nil {
		return nil, err
	}
	if p.net, err = netlab.Pair("ssh", false); err != nil {
		return nil, err
	}
	var known strings.Builder
	for i, h := range p.hosts() {
		p.Hosts[i] = h.Addr.String()
		fmt.Fprintf(&known, "%s %s", h.Addr, public)
		if err := serve(h, filepath.Dir(binary)); err != nil {
			return nil, err
		}
	}
	hosts := filepath.Join(sshdDir, "known")
	p.Command = fmt.Sprintf("ip netns exec %s ssh -F none -i %s -o UserKnownHostsFile=%s -o BatchMode=yes", p.net.Switch.Name, filepath.Join(sshdDir, "user"), hosts)
	return p, os.WriteFile(hosts, []byte(known.String()), 0o600)
}

func (p *LabSSH) hosts() [2]*netlab.Host { return [2]*netlab.Host{p.net.D1, p.net.D2} }

// serve starts a server on a director. Whoever enters finds lbha, and it its daemon.
func serve(h *netlab.Host, bin string) error {
	config := filepath.Join(sshdDir, h.Name)
	text := fmt.Sprintf(`ListenAddress %s
HostKey %s/host
AuthorizedKeysFile %[2]s/user.pub
PidFile none
StrictModes no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
SetEnv LBHA_SOCKET=/run/lab/%[3]s/lbha.sock PATH=%[4]s:/usr/bin:/bin
`, h.Addr, sshdDir, h.Name, bin)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return err
	}
	log, err := os.Create(config + ".log")
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(sshdPath, "-D", "-e", "-f", config)
	cmd.Stdout, cmd.Stderr = log, log
	if err := h.Start(cmd); err != nil {
		return fmt.Errorf("start sshd on %s: %w", h.Name, err)
	}
	go func() { _ = cmd.Wait() }() // it lives as long as the world
	return nil
}

// Prepare is part of [Place]: the scenario's pair is started afresh, and then ssh must see it at rest.
func (p *LabSSH) Prepare(ctx context.Context, s *script.Scenario) error {
	for i, h := range p.hosts() {
		if d := p.directors[i]; d != nil {
			d.Kill()
			if err := errors.Join(d.Forget(), h.Flush(netip.PrefixFrom(netlab.VIP, netlab.VIP.BitLen()))); err != nil {
				return err
			}
		}
		d, err := drive.New(drive.LBHA, h, p.binary, drive.Settings{Name: h.Name, Priority: s.Directors[i].Priority, Interval: s.Interval})
		if err != nil {
			return err
		}
		p.directors[i] = d
		if err := d.Start(); err != nil {
			return err
		}
	}
	return p.SSH.Prepare(ctx, s)
}
