package program

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/lbha/lbha/config"
)

const (
	// maxOutput is what is kept of the output, in bytes. A program may write more.
	maxOutput = 4 << 10
	// grace is how long a program that has ended may leave its output open in the hands of others.
	grace = 50 * time.Millisecond
	path  = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
)

// ErrTimeout is that of an [End] of a program that was killed at its deadline.
var ErrTimeout = errors.New("killed at its deadline")

// End is how a program ended.
type End struct {
	// Err is nil for exit status 0, ErrTimeout, or another end: "exit status 1", "signal: killed".
	Err    error
	Output string // its first line that is not empty, of what was kept
	Took   time.Duration
}

// String returns the end in a line: "exit status 1 after 12ms: no route".
func (e End) String() string {
	text := "exit status 0"
	if e.Err != nil {
		text = e.Err.Error()
	}
	text += " after " + e.Took.Round(time.Millisecond).String()
	if e.Output != "" {
		text += ": " + e.Output
	}
	return text
}

// Program is a command and whom it runs as.
type Program struct {
	command []string
	user    string
}

// New makes a program of an absolute path and arguments. An empty user is ours.
func New(command []string, user string) *Program { return &Program{command, user} }

// String returns the path of the program.
func (p *Program) String() string { return p.command[0] }

// Run runs the program with more arguments and an environment ("KEY=value"). The deadline is that of ctx. The error is
// one of ours, or ctx's if it was canceled: the program was not run, or nothing can be said of its end. It does not name
// the program: whoever runs one does.
func (p *Program) Run(ctx context.Context, env []string, args ...string) (End, error) {
	if err := config.CheckProgram(p.command[0]); err != nil {
		return End{}, fmt.Errorf("cannot be run: %w", err)
	}
	credential, err := credentialOf(p.user)
	if err != nil {
		return End{}, fmt.Errorf("cannot be run as %s: %w", p.user, err)
	}
	// The kernel counts a thread as the parent that the program must not outlive, so this one stays.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	start := time.Now()
	var output head
	cmd := exec.CommandContext(ctx, p.command[0], append(p.command[1:len(p.command):len(p.command)], args...)...)
	cmd.Env, cmd.Dir = append([]string{path}, env...), "/"
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, Credential: credential}
	cmd.WaitDelay = grace
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if err := cmd.Start(); err != nil {
		if named := (*os.PathError)(nil); errors.As(err, &named) {
			err = named.Err
		}
		return End{}, fmt.Errorf("cannot be started: %w", err)
	}
	err = cmd.Wait()
	// What the program left behind of its group goes, too. The number cannot be that of another group yet: numbers go
	// round before they come again.
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	end := End{Output: output.line(), Took: time.Since(start)}
	switch state := cmd.ProcessState; {
	case state == nil:
		return End{}, fmt.Errorf("wait: %w", err)
	case state.Success():
	case state.Exited():
		end.Err = errors.New(state.String())
	case errors.Is(ctx.Err(), context.Canceled):
		return End{}, ctx.Err()
	case ctx.Err() != nil:
		end.Err = ErrTimeout
	default:
		end.Err = errors.New(state.String())
	}
	return end, nil
}

// credentialOf is whom a program runs as; nil is us. It has no groups but its first.
func credentialOf(name string) (*syscall.Credential, error) {
	if name == "" {
		return nil, nil
	}
	u, err := user.Lookup(name)
	switch {
	case errors.As(err, new(user.UnknownUserError)):
		return nil, errors.New("there is no such user")
	case err != nil:
		return nil, err
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	switch os.Geteuid() {
	case 0:
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	case int(uid):
		return nil, nil
	}
	return nil, errors.New("only root can run programs as others")
}

// head keeps the beginning of what is written to it.
type head struct{ kept bytes.Buffer }

func (h *head) Write(b []byte) (int, error) {
	h.kept.Write(b[:min(len(b), maxOutput-h.kept.Len())])
	return len(b), nil
}

// line is the first line that is not empty, without what a terminal would obey.
func (h *head) line() string {
	line, _, _ := strings.Cut(strings.TrimSpace(h.kept.String()), "\n")
	line = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return '.'
		}
		return r
	}, line)
	const most = 160
	if len(line) > most {
		line = strings.ToValidUTF8(line[:most], "") + "…"
	}
	return line
}
