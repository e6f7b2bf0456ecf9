package supervisor

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The environment of a child tells it what it is. Its inherited descriptors are fixed: see the constants below.
const (
	EnvRole   = "LBHA_ROLE"   // "elector" or "director"
	EnvConfig = "LBHA_CONFIG" // path of the configuration file
)

// Inherited descriptors of a child.
const (
	FDLink   = 3 // its end of the socket pair between elector and director
	FDMemory = 4 // its memory file
	FDNotify = 5 // its socket to the supervisor
)

// ExitFatal is the exit status of a child that cannot work and says so: a broken configuration, no permission, a
// kernel without IPVS. Before the first READY=1 it ends the daemon with exit status 1; later it is a death like any
// other.
const ExitFatal = 78 // EX_CONFIG of sysexits.h

// child is one of the two processes, in all its incarnations. Its fields belong to the supervisor's loop.
type child struct {
	role   string
	title  string // what ps shows
	link   *os.File
	memory *os.File
	config string

	process *os.Process
	started time.Time
	deaths  int // in a row, each within stableAfter of its start
	ready   bool
	missed  int // watchdog periods without a pet
}

// message is what a child said on its notify socket, or that it ended.
type message struct {
	child *child
	vars  map[string]string
	ended *os.ProcessState // not nil: the process is gone
	of    *os.Process
}

// start runs a new incarnation of c. Its messages, and last its end, are sent to out. The caller must stay on one
// locked thread for the whole life of the child: the parent-death signal is bound to the thread that forked.
func (c *child) start(out chan<- message) error {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("notify socket of the %s: %w", c.role, err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "notify"), os.NewFile(uintptr(fds[1]), "notify")
	defer theirs.Close()

	cmd := &exec.Cmd{
		// Not the path: an upgrade may have replaced the file, and both halves must be of one version.
		Path:       "/proc/self/exe",
		Args:       []string{c.title},
		Env:        append(withoutSystemd(os.Environ()), EnvRole+"="+c.role, EnvConfig+"="+c.config),
		Stdout:     os.Stdout,
		Stderr:     os.Stderr,
		ExtraFiles: []*os.File{c.link, c.memory, theirs},
		SysProcAttr: &syscall.SysProcAttr{
			Pdeathsig: syscall.SIGKILL,
			Setpgid:   true, // a terminal's ^C reaches the supervisor only, which stops them in order
		},
	}
	if err := cmd.Start(); err != nil {
		ours.Close()
		return fmt.Errorf("start the %s: %w", c.role, err)
	}
	c.process, c.started, c.ready, c.missed = cmd.Process, time.Now(), false, 0

	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := ours.Read(buf)
			if n == 0 || err != nil {
				break
			}
			out <- message{child: c, vars: parse(string(buf[:n]))}
		}
		ours.Close()
		state, err := cmd.Process.Wait()
		if err != nil {
			state = nil
		}
		out <- message{child: c, ended: state, of: cmd.Process}
	}()
	return nil
}

// signal sends s to the process, if there is one.
func (c *child) signal(s os.Signal) {
	if c.process != nil {
		_ = c.process.Signal(s) // gone already: its end is on its way
	}
}

// kill ends a process that is stuck, and gives it another such time to be gone.
func (c *child) kill() {
	c.signal(syscall.SIGKILL)
	c.missed = 0
}

// parse reads the lines of one sd_notify message.
func parse(text string) map[string]string {
	vars := make(map[string]string)
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "="); ok {
			vars[key] = value
		}
	}
	return vars
}

// withoutSystemd drops what only the main process of a unit may use: a child that spoke to systemd itself would be
// refused, or worse, believed.
func withoutSystemd(env []string) []string {
	kept := env[:0:0]
	for _, v := range env {
		switch key, _, _ := strings.Cut(v, "="); key {
		case "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", EnvRole, EnvConfig:
		default:
			kept = append(kept, v)
		}
	}
	return kept
}
