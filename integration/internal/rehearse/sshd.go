package rehearse

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/netlab"
	"github.com/lbha/lbha/integration/internal/script"
)

// LabSSH is a pair of the lab that is reached by ssh alone: a real server runs on each director, and commands come from a third host. It is how
// [SSH] is tried without a pair that matters. The pair does VRRP and nothing else, which needs no IPVS.
type LabSSH struct {
	SSH
	net    *netlab.Network
	binary string
	units  [2]*unit
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
		if p.units[i], err = newUnit(h); err != nil {
			return nil, err
		}
		if err := serve(h, p.units[i].dir, filepath.Dir(binary)); err != nil {
			return nil, err
		}
		if err := p.net.Switch.Do(func() error { return knock(h.Addr) }); err != nil {
			return nil, err
		}
	}
	p.Command = p.reach("known")
	return p, os.WriteFile(filepath.Join(sshdDir, "known"), []byte(known.String()), 0o600)
}

// Serves is part of [Place].
func (p *LabSSH) Serves() bool { return false }

// reach is the command that reaches a director from the third host, which knows the host keys of a file.
func (p *LabSSH) reach(known string) string {
	options := strings.TrimPrefix(SSHCommand, "ssh ")
	return fmt.Sprintf("ip netns exec %s ssh -F none -i %s -o UserKnownHostsFile=%s %s", p.net.Switch.Name, filepath.Join(sshdDir, "user"), filepath.Join(sshdDir, known), options)
}

// knock waits until a server listens.
func knock(addr netip.Addr) error {
	to := netip.AddrPortFrom(addr, 22).String()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.DialTimeout("tcp", to, time.Second)
		if err == nil {
			return conn.Close()
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("sshd: %w", err)
		}
	}
}

func (p *LabSSH) hosts() [2]*netlab.Host { return [2]*netlab.Host{p.net.D1, p.net.D2} }

// serve starts a server on a director. Whoever enters finds lbha, and it its daemon, and a systemctl for it.
func serve(h *netlab.Host, dir, bin string) error {
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
SetEnv LBHA_SOCKET=/run/lab/%[3]s/lbha.sock PATH=%[4]s:%[5]s:/usr/bin:/bin
`, h.Addr, sshdDir, h.Name, dir, bin)
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
	for i, u := range p.units {
		if err := u.replace(p.binary, drive.Settings{Name: u.host.Name, Priority: s.Directors[i].Priority, Interval: s.Interval}); err != nil {
			return err
		}
	}
	return p.SSH.Prepare(ctx, s)
}

// Refusal tries what must not be done. A scenario that may hurt somebody is refused while that is not allowed, before anything is asked of a
// host. One that hurts nobody is not played over a connection to a host whose key nobody knows.
func (p *LabSSH) Refusal(ctx context.Context, s *script.Scenario) *Result {
	pair := p.SSH
	pair.Really, pair.Say = false, nil
	r := &Result{Name: s.Name + " without --yes-really", Title: "refused before anything is done: " + s.Title}
	want := ErrHarmful.Error()
	if len(Possible(&pair, s)) == 0 {
		r.Name, r.Title = s.Name+" with a host key that is not known", "no connection, and what to do about it: "+s.Title
		pair.Command, want = p.reach("nobody"), "compare the fingerprint"
	}
	before, begin := p.entered(), time.Now()
	got := Play(ctx, &pair, s, func(string, ...any) {})
	entered := p.entered() - before
	r.Took = time.Since(begin)
	r.OK = !got.OK && strings.Contains(got.Error, want) && entered == 0
	r.Findings = []script.Finding{{Demand: "refused: " + want, OK: r.OK, Measured: fmt.Sprintf("%d connections; %s", entered, firstLine(got.Error))}}
	return r
}

// entered is how often somebody has entered a director.
func (p *LabSSH) entered() (n int) {
	for _, h := range p.hosts() {
		log, err := os.ReadFile(filepath.Join(sshdDir, h.Name+".log"))
		if err != nil {
			return -1
		}
		n += strings.Count(string(log), "Accepted publickey")
	}
	return n
}
