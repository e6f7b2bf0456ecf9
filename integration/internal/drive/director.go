package drive

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/lbha/lbha/integration/internal/netlab"
)

// Kind names a daemon.
type Kind string

// The daemons.
const (
	LBHA       Kind = "lbha"
	Keepalived Kind = "keepalived"
	FRR        Kind = "frr" // vrrpd and the zebra that it needs; it does VRRP only, and a table beside it is static
)

// Part names a process of a daemon by what it does.
type Part string

// The processes that both daemons have.
const (
	Supervisor Part = "supervisor" // the parent; what systemd sees
	Elector    Part = "elector"    // VRRP
	Services   Part = "director"   // checks and table
	Companion  Part = "companion"  // what a daemon needs beside it: FRR's zebra
)

// Settings is what a director is configured with: everything that scenarios vary, and no more.
type Settings struct {
	Name      string
	Priority  int
	Interval  time.Duration // of advertisements
	Routers   []Router      // virtual routers; none: the drill's, with the priority and the interval above
	Servers   []netip.Addr  // real servers of the two services; none: VRRP only
	Check     Check
	Scheduler string        // of the services; empty: rr
	Drift     time.Duration // within which a foreign edit of the table is repaired; fixed in both daemons
	Append    string        // what follows the rest of the configuration, in the daemon's own words
}

// Check is how real servers are checked.
type Check struct {
	Interval, Timeout time.Duration
	Rise, Fall        int
}

// Ports of the two virtual services.
const (
	PortHTTP = 80   // TCP: nginx
	PortEcho = 5000 // UDP: the lab's own echo
)

// daemon is what differs between the daemons.
type daemon interface {
	// config renders the configuration file.
	config(s Settings) string
	// command is how the daemon runs in the foreground with its state in dir.
	command(dir string) *exec.Cmd
	// processes finds the running parts of the daemon whose first process is pid.
	processes(dir string, pid int) map[Part]int
	// reload applies the configuration file and returns what the daemon said. An error means that it refused.
	reload(d *Director) (string, error)
	// status returns the daemon's own view, if it gives one.
	status(d *Director) (string, error)
	// journal returns the daemon's record of what happened, if it keeps one.
	journal(d *Director) (string, error)
}

// companion is a daemon that cannot be started on a bare host.
type companion interface {
	// recruit prepares the host and starts what the daemon needs beside it, unless it runs.
	recruit(d *Director) error
	// dismiss ends what runs beside the daemon.
	dismiss(d *Director)
	// restore makes the host what it was before recruit, but for the table.
	restore(d *Director) error
}

// ErrNotOffered is returned where a daemon has no such thing.
var ErrNotOffered = errors.New("this daemon does not offer it")

// Director is one host with one daemon.
type Director struct {
	Kind     Kind
	Host     *netlab.Host
	Settings Settings
	daemon   daemon
	dir      string
	cmd      *exec.Cmd
	exited   chan struct{} // closed when cmd has been waited for
}

// New prepares a director. binary is the path of lbha; keepalived is found in PATH.
func New(kind Kind, host *netlab.Host, binary string, s Settings) (*Director, error) {
	d := &Director{Kind: kind, Host: host, Settings: s, dir: filepath.Join("/run/lab", host.Name)}
	switch kind {
	case LBHA:
		d.daemon = lbha{binary: binary}
	case Keepalived:
		d.daemon = keepalived{vrrpOnly: len(s.Servers) == 0}
	case FRR:
		d.daemon = frr{}
	default:
		return nil, fmt.Errorf("no such daemon: %q", kind)
	}
	if err := os.MkdirAll(d.dir, 0o755); err != nil {
		return nil, err
	}
	return d, d.Configure(s)
}

// ConfigPath is the director's configuration file. It is not where the daemon keeps its state and its log: /etc is not /run.
func (d *Director) ConfigPath() string { return configPath(d.dir) }

func configPath(dir string) string { return dir + ".config" }

// LogPath is where everything goes that the daemon says on standard output and standard error.
func (d *Director) LogPath() string { return filepath.Join(d.dir, "log") }

// Configure writes the configuration file and applies nothing.
func (d *Director) Configure(s Settings) error {
	d.Settings = s
	return d.ConfigureText(d.Text(s))
}

// ConfigureText writes any text as the configuration file, whatever is in its place.
func (d *Director) ConfigureText(text string) error {
	if err := os.RemoveAll(d.ConfigPath()); err != nil {
		return err
	}
	return os.WriteFile(d.ConfigPath(), []byte(text), 0o644)
}

// Text returns the configuration that the settings give.
func (d *Director) Text(s Settings) string { return d.daemon.config(s) + s.Append }

// Start starts the daemon and does not wait for anything.
func (d *Director) Start() error {
	if c, ok := d.daemon.(companion); ok {
		if err := c.recruit(d); err != nil {
			return fmt.Errorf("prepare %s for %s: %w", d.Host.Name, d.Kind, err)
		}
	}
	log, err := d.openLog()
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := d.daemon.command(d.dir)
	cmd.Stdout, cmd.Stderr = log, log
	if err := d.Host.Start(cmd); err != nil {
		return fmt.Errorf("start %s on %s: %w", d.Kind, d.Host.Name, err)
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ends is for the scenario to judge; that it ends is seen in Running
		close(exited)
	}()
	d.cmd, d.exited = cmd, exited
	return nil
}

func (d *Director) openLog() (*os.File, error) {
	return os.OpenFile(d.LogPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
}

// Running reports whether the daemon's first process lives.
func (d *Director) Running() bool {
	if d.cmd == nil {
		return false
	}
	select {
	case <-d.exited:
		return false
	default:
		return true
	}
}

// Processes returns the running parts of the daemon.
func (d *Director) Processes() map[Part]int {
	if !d.Running() {
		return nil
	}
	parts := d.daemon.processes(d.dir, d.cmd.Process.Pid)
	parts[Supervisor] = d.cmd.Process.Pid
	return parts
}

// Complete is how many processes the daemon has when none is missing.
func (d *Director) Complete() int {
	if d.Kind == FRR {
		return 2 // vrrpd and zebra
	}
	return 3
}

// Signal sends a signal to one part.
func (d *Director) Signal(part Part, signal syscall.Signal) error {
	pid := d.Processes()[part]
	if pid == 0 {
		return fmt.Errorf("%s on %s has no running %s", d.Kind, d.Host.Name, part)
	}
	return syscall.Kill(pid, signal)
}

// SignalAll sends a signal to every part, the supervisor first: it must not have the time to replace the others. All are stopped before
// any is killed: keepalived's VRRP process would resign when its parent dies.
func (d *Director) SignalAll(signal syscall.Signal) error {
	parts := d.Processes()
	if len(parts) == 0 {
		return fmt.Errorf("%s on %s does not run", d.Kind, d.Host.Name)
	}
	if signal == syscall.SIGKILL {
		if err := d.signalParts(parts, syscall.SIGSTOP); err != nil {
			return err
		}
	}
	return d.signalParts(parts, signal)
}

func (d *Director) signalParts(parts map[Part]int, signal syscall.Signal) error {
	for _, part := range []Part{Supervisor, Elector, Services, Companion} {
		pid := parts[part]
		if pid == 0 {
			continue
		}
		// A child may have died with its parent already.
		if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
	return nil
}

// Stop asks the daemon to end and returns at once.
func (d *Director) Stop() error { return d.Signal(Supervisor, syscall.SIGTERM) }

// Wait waits until the daemon has ended, at most for the given time, and kills what does not end.
func (d *Director) Wait(limit time.Duration) error {
	if d.cmd == nil {
		return nil
	}
	select {
	case <-d.exited:
		return nil
	case <-time.After(limit):
	}
	_ = d.SignalAll(syscall.SIGKILL)
	<-d.exited
	return fmt.Errorf("%s on %s did not end within %v", d.Kind, d.Host.Name, limit)
}

// Kill ends the daemon at once, whatever state it is in. Nothing that it holds is given back.
func (d *Director) Kill() {
	if d.cmd == nil {
		return
	}
	_ = d.SignalAll(syscall.SIGKILL) // none of it may be left to kill
	<-d.exited
	if c, ok := d.daemon.(companion); ok {
		c.dismiss(d)
	}
}

// Retire takes back what the daemon's start did to the host: another daemon is to run there. The table stays, for that one to find.
func (d *Director) Retire() error {
	c, ok := d.daemon.(companion)
	if !ok {
		return nil
	}
	c.dismiss(d)
	return c.restore(d)
}

// Forget removes what the daemon keeps for its next start. Its log stays.
func (d *Director) Forget() error {
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if path := filepath.Join(d.dir, entry.Name()); path != d.LogPath() {
			if err := os.RemoveAll(path); err != nil {
				return err
			}
		}
	}
	return nil
}

// Reload applies the configuration file and returns what the daemon said.
func (d *Director) Reload() (string, error) { return d.daemon.reload(d) }

// Journal returns the daemon's record of what happened.
func (d *Director) Journal() (string, error) { return d.daemon.journal(d) }

// Status returns the daemon's own view: the part of it that scenarios judge.
func (d *Director) Status() (*Status, error) {
	text, err := d.daemon.status(d)
	if err != nil {
		return nil, err
	}
	s := new(Status)
	if err := json.Unmarshal([]byte(text), s); err != nil {
		return nil, fmt.Errorf("decode the status of %s: %w", d.Host.Name, err)
	}
	return s, nil
}

// LogSize is how much the daemon has said so far, in bytes.
func (d *Director) LogSize() int64 {
	info, err := os.Stat(d.LogPath())
	if err != nil {
		return 0
	}
	return info.Size()
}

// Log returns what the daemon said from one position to another.
func (d *Director) Log(from, to int64) string {
	f, err := os.Open(d.LogPath())
	if err != nil {
		return ""
	}
	defer f.Close()
	text := make([]byte, max(to-from, 0))
	n, _ := f.ReadAt(text, from)
	return string(text[:n])
}

// MasterDown is how long a backup of these settings waits after the last advertisement of a master with the same interval: RFC 9568
// §6.1.
func (s Settings) MasterDown() time.Duration {
	return 3*s.Interval + time.Duration(256-s.Priority)*s.Interval/256
}
