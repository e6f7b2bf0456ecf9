package sandbox

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Kind says which world a job gets.
type Kind string

// The worlds.
const (
	// Host is the running kernel, in namespaces of its own.
	Host Kind = "host"
	// UserMode is a user-mode kernel booted over the host's file tree.
	UserMode Kind = "uml"
)

// World is one run of one job.
type World struct {
	Kind     Kind
	Work     string            // directory on the host that the inside shares, at the same path
	Deadline time.Duration     // the world is killed when it runs longer
	Progress func(line string) // receives each line the job reports
	Stdin    *os.File          // nil: none; a terminal for an interactive job
	Job      string            // name of the job: the inside looks it up
	Arg      any               // JSON-able argument of the job
	Memory   int64             // bytes that a user-mode kernel gets; 0: a gigabyte
	log      bytes.Buffer      // console output that is no progress: what to show when the world fails
}

// spec is the file through which the host tells the inside what to do.
type spec struct {
	Kind        Kind            `json:"kind"`
	Job         string          `json:"job"`
	Arg         json.RawMessage `json:"arg"`
	Interactive bool            `json:"interactive"`
}

// outcome is the file through which the inside answers.
type outcome struct {
	Result json.RawMessage `json:"result,omitempty"`
	Error  string          `json:"error,omitempty"`
}

const (
	specFile    = "job.json"
	outcomeFile = "result.json"
	// initName is where the program finds itself inside the work directory.
	initName = "bin/lab"
	// workEnv tells the first process of a world where its work directory is; its presence marks that process.
	workEnv = "LBHA_LAB_WORK"
	// mark starts each console line that is progress of the job and not the kernel's talk.
	mark = "lab| "
)

// ErrDeadline is returned by [World.Run] when the world had to be killed.
var ErrDeadline = errors.New("the deadline passed")

// Run starts the world, waits for its job and decodes what the job returned into result (which may be nil).
func (w *World) Run(ctx context.Context, result any) error {
	if err := w.prepare(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, w.Deadline, ErrDeadline)
	defer cancel()

	var cmd *exec.Cmd
	switch w.Kind {
	case Host:
		cmd = w.namespaces()
	case UserMode:
		var err error
		if cmd, err = w.userMode(); err != nil {
			return err
		}
	default:
		return fmt.Errorf("no such kind of world: %q", w.Kind)
	}
	if err := w.supervise(ctx, cmd); err != nil {
		return err
	}
	return w.collect(result)
}

// prepare puts the program and the job into the work directory.
func (w *World) prepare() error {
	arg, err := json.Marshal(w.Arg)
	if err != nil {
		return fmt.Errorf("encode the job's argument: %w", err)
	}
	data, err := json.Marshal(spec{Kind: w.Kind, Job: w.Job, Arg: arg, Interactive: w.Stdin != nil})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(w.Work, specFile), data, 0o644); err != nil {
		return err
	}
	// A stale answer must not be taken for this job's.
	if err := os.Remove(filepath.Join(w.Work, outcomeFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return copySelf(filepath.Join(w.Work, initName))
}

// copySelf copies the running program: "go run" keeps it where it may vanish, and the work directory is where everything of the world is.
func copySelf(to string) error {
	if _, err := os.Stat(to); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	from, err := os.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	defer from.Close()
	dst, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(dst, from); err != nil {
		dst.Close()
		return err
	}
	return dst.Close()
}

// supervise starts cmd, reads its console, and kills its process group when ctx ends.
func (w *World) supervise(ctx context.Context, cmd *exec.Cmd) error {
	// The parent-death signal is about the thread that started the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	console, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	cmd.Stderr = cmd.Stdout
	if w.Stdin != nil {
		// An interactive world owns the terminal; its console is not ours to read.
		console.Close()
		defer keepTerminal(w.Stdin)()
		cmd.Stdin, cmd.Stdout, cmd.Stderr = w.Stdin, os.Stdout, os.Stderr
	}
	if err := startFavoured(cmd, w.Kind); err != nil {
		return fmt.Errorf("start %s: %w", filepath.Base(cmd.Path), err)
	}
	done := make(chan error, 1)
	go func() {
		if w.Stdin == nil {
			w.read(console)
		}
		done <- cmd.Wait()
	}()
	select {
	case err = <-done:
	case <-ctx.Done():
		// Negative: the whole group, for a user-mode kernel has a process for each of its own.
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-done
		if cause := context.Cause(ctx); !errors.Is(cause, ErrDeadline) {
			return cause // the caller gave up, and knows why
		}
		return fmt.Errorf("the %s world was killed: %w%s", w.Kind, ErrDeadline, w.tail())
	}
	// What remains of the group after its leader is a stray of a world that is over.
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	if err != nil && w.Kind == Host {
		return fmt.Errorf("the host world ended: %w%s", err, w.tail())
	}
	return nil
}

// keepTerminal remembers the terminal's modes, which a console changes, and returns what restores them.
func keepTerminal(f *os.File) (restore func()) {
	modes, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		return func() {} // no terminal: nothing to restore
	}
	return func() { _ = unix.IoctlSetTermios(int(f.Fd()), unix.TCSETS, modes) }
}

// read hands progress to the caller and keeps the rest for the case of a failure.
func (w *World) read(console io.Reader) {
	lines := bufio.NewScanner(console)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := strings.TrimRight(lines.Text(), "\r")
		if _, after, found := strings.Cut(line, mark); found {
			if w.Progress != nil {
				w.Progress(after)
			}
			continue
		}
		if w.log.Len() > 1<<20 {
			w.log.Reset()
		}
		w.log.WriteString(line + "\n")
	}
	// A line beyond the buffer ends the scan; the writer must still not block.
	_, _ = io.Copy(io.Discard, console)
}

// tail returns the last lines of the console, for an error message.
func (w *World) tail() string {
	lines := strings.Split(strings.TrimSpace(w.log.String()), "\n")
	if len(lines) > 25 {
		lines = lines[len(lines)-25:]
	}
	if text := strings.Join(lines, "\n  "); text != "" {
		return "; its console ended with:\n  " + text
	}
	return ""
}

// collect reads the job's answer.
func (w *World) collect(result any) error {
	data, err := os.ReadFile(filepath.Join(w.Work, outcomeFile))
	if err != nil {
		if w.Stdin != nil {
			return nil // somebody left the shell by halting
		}
		return fmt.Errorf("the %s world ended without a result%s", w.Kind, w.tail())
	}
	var o outcome
	if err := json.Unmarshal(data, &o); err != nil {
		return fmt.Errorf("decode the result: %w", err)
	}
	if result != nil && len(o.Result) > 0 {
		if err := json.Unmarshal(o.Result, result); err != nil {
			return fmt.Errorf("decode the result: %w", err)
		}
	}
	if o.Error != "" {
		return errors.New(o.Error)
	}
	return nil
}
