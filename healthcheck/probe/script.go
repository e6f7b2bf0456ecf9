package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/lbha/lbha/healthcheck"
)

const (
	// maxOutput is what is kept of a script's output, in bytes. It may write more.
	maxOutput = 4 << 10

	// scriptGrace is how long a script that has ended or was killed may leave its
	// output open in the hands of others. The checker allows for 100 ms.
	scriptGrace = 50 * time.Millisecond
)

// A scriptProber runs a program: exit status 0 is a healthy server. If it is dynamic, in
// keepalived's sense, so are those from 2 on: with a weight of 2 less.
//
// It is run without a shell, as a user of its own, in a process group of its own
// that is killed with it at the deadline, without input, and with nothing in its
// environment but a PATH and which server is meant.
type scriptProber struct {
	command    []string
	env        []string
	dynamic    bool
	credential *syscall.Credential // nil: ours
}

func newScript(o Options) (*scriptProber, error) {
	if len(o.Script.Command) == 0 || !filepath.IsAbs(o.Script.Command[0]) {
		return nil, fmt.Errorf("script %.100q: want an absolute path and arguments", o.Script.Command)
	}
	p := &scriptProber{command: o.Script.Command, dynamic: o.Script.Dynamic, env: []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"LBHA_SERVER_ADDRESS=" + o.Target.Addr().String(),
		"LBHA_SERVER_PORT=" + strconv.Itoa(int(o.Target.Port())),
	}}
	if o.Script.User == "" {
		return p, nil
	}
	u, err := user.Lookup(o.Script.User)
	if err != nil {
		return nil, err
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	switch os.Geteuid() {
	case 0:
		p.credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)} // and no other groups
	case int(uid):
	default:
		return nil, fmt.Errorf("only root can run a script as %s", o.Script.User)
	}
	return p, nil
}

func (p *scriptProber) Probe(ctx context.Context) healthcheck.Result {
	start := time.Now()
	var output head
	cmd := exec.CommandContext(ctx, p.command[0], p.command[1:]...)
	cmd.Env, cmd.Dir = p.env, "/"
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: p.credential}
	cmd.WaitDelay = scriptGrace
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if err := cmd.Start(); err != nil {
		return failed(ctx, start, phaseRequest, local("start", err))
	}
	err := cmd.Wait()
	// What the script left behind of its group goes, too. The number cannot be that
	// of another group yet: numbers go round before they come again.
	syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	tracerIn(ctx).ran(p.command, &output)
	switch state := cmd.ProcessState; {
	case ctx.Err() != nil && (state == nil || !state.Exited()):
		return failed(ctx, start, "script", ctx.Err())
	case state != nil && state.Success():
		return healthcheck.Passed(strings.TrimSuffix(fmt.Sprintf("exit 0 in %v: %s", rounded(time.Since(start)), output.line()), ": "))
	case state != nil && state.Exited() && p.dynamic && state.ExitCode() >= 2:
		weight := healthcheck.Weigh(state.ExitCode() - 2)
		r := healthcheck.Passed(strings.TrimSuffix(fmt.Sprintf("exit %d, weight %v, in %v: %s", state.ExitCode(), weight, rounded(time.Since(start)), output.line()), ": "))
		r.Weight = weight
		return r
	case state != nil && state.Exited():
		return healthcheck.Failed(healthcheck.FailureExit, strings.TrimSuffix(fmt.Sprintf("exit %d: %s", state.ExitCode(), output.line()), ": "))
	case state != nil:
		return healthcheck.Failed(healthcheck.FailureExit, state.String()) // a signal
	}
	return failed(ctx, start, "script", local("wait", err))
}

// A head keeps the beginning of what is written to it.
type head struct{ kept bytes.Buffer }

func (h *head) Write(b []byte) (int, error) {
	h.kept.Write(b[:min(len(b), maxOutput-h.kept.Len())])
	return len(b), nil
}

// line is the first line that is not empty.
func (h *head) line() string {
	line, _, _ := strings.Cut(strings.TrimSpace(h.kept.String()), "\n")
	return line
}
