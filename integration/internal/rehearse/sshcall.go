package rehearse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// SSHCommand asks nobody anything, and notices within seconds that a host hangs.
const SSHCommand = "ssh -o BatchMode=yes -o ConnectTimeout=5 -o ServerAliveInterval=2 -o ServerAliveCountMax=3"

const (
	// callLimit bounds one command on a host, and the way there. What comes after it must not wait for a host that hangs: it may be what
	// takes something back.
	callLimit = 20 * time.Second
	// hangUpTime is how long a connection may take to end when nobody wants it any more. One that is shared with others (ControlPersist) would
	// keep its standard error for as long as it lives.
	hangUpTime = time.Second
)

// command is one that runs on a host. It has no terminal: a program that would ask for a password fails instead. With ctx all of it ends
// here, also what reaches the host for it.
func (r *SSH) command(ctx context.Context, host, command string) *exec.Cmd {
	words := strings.Fields(r.Command)
	if len(words) == 0 {
		words = strings.Fields(SSHCommand)
	}
	cmd := exec.CommandContext(ctx, words[0], append(words[1:], host, remotely(command))...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = hangUpTime
	return cmd
}

// remotely is a command for whatever shell the user has there. What comes in over ssh without a terminal often has no sbin in its PATH.
func remotely(command string) string {
	return "exec sh -c " + quote("PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin; "+command)
}

// quote makes one word for a shell.
func quote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// failure is a command that did not succeed on a host.
type failure struct {
	host, command, said string
	status              int // its exit status; -1: none came
	cause               error
}

// The exit statuses that are not those of the command itself.
const (
	statusSSH     = 255 // the host was not reached, or lost
	statusUnknown = 127 // the shell there finds no such command
)

func (f *failure) Unwrap() error { return f.cause }

// Error says what to do, where that is known.
func (f *failure) Error() string {
	said := f.said
	if lines := strings.Split(said, "\n"); len(lines) > 4 {
		said = strings.Join(lines[len(lines)-4:], "\n")
	}
	if said == "" {
		said = f.cause.Error()
	}
	if errors.Is(f.cause, context.DeadlineExceeded) {
		said = fmt.Sprintf("no answer within %v", callLimit)
	}
	if hint, _ := f.hint(); hint != "" {
		said += " (" + hint + ")"
	}
	return fmt.Sprintf("%s: %s: %s", f.host, f.command, said)
}

// hint is what to do about it, if that is known. It is hopeless to ask again where the host cannot be entered, or does not let us.
func (f *failure) hint() (hint string, hopeless bool) {
	switch {
	case errors.Is(f.cause, context.DeadlineExceeded):
		return "whether it was done is not known", false
	case strings.Contains(f.said, "Host key verification failed"):
		return "enter once by hand, and compare the fingerprint", true
	case strings.Contains(f.said, "Permission denied ("):
		return "no key of yours is accepted there, and no password is asked for", true
	case f.status == statusSSH:
		return "the host was not reached, or lost meanwhile: then whether it was done is not known", true
	case f.status == statusUnknown:
		return "no such program there for a command over ssh", true
	case strings.Contains(f.said, "sudo:"):
		return "sudo must not ask: allow these commands with NOPASSWD", true
	case strings.Contains(strings.ToLower(f.said), "permission denied"), strings.Contains(f.said, "authentication required"):
		return "enter as root, or use --sudo", true
	}
	return "", false
}

// run runs a command on a director, and gives it [callLimit].
func (r *SSH) run(ctx context.Context, director, command string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	cmd := r.command(ctx, r.host(director), command)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &limited{w: &out}, &limited{w: &errs}
	err := cmd.Run()
	if err == nil || errors.Is(err, exec.ErrWaitDelay) {
		return out.String(), nil // it succeeded; the latter: though somebody keeps the connection
	}
	f := &failure{host: r.host(director), command: command, said: strings.TrimSpace(errs.String()), status: -1, cause: err}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		f.status = exit.ExitCode()
	}
	if ctx.Err() != nil {
		f.cause = ctx.Err()
	}
	return out.String(), f
}

// mostOutput is how much of what a command says is kept.
const mostOutput = 4 << 20

// limited keeps the beginning of what is written.
type limited struct {
	w    io.Writer
	kept int
}

func (l *limited) Write(p []byte) (int, error) {
	part := p[:min(len(p), mostOutput-l.kept)]
	l.kept += len(part)
	if _, err := l.w.Write(part); err != nil {
		return 0, err
	}
	return len(p), nil
}
