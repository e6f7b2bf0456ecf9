package sandbox

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Inside is what a job sees of its world.
type Inside struct {
	Kind Kind
	Work string          // the directory shared with the host
	Arg  json.RawMessage // what the host passed
}

// Self is the path of the running program, for its own processes.
func (in *Inside) Self() string { return filepath.Join(in.Work, initName) }

// Job runs inside a world and returns what the host's side shall receive, as JSON.
type Job func(ctx context.Context, in *Inside) (any, error)

// JobCommand is the hidden first argument with which the first process starts the job as its child.
const JobCommand = "inside"

// IsInit reports whether this process is the first of a world and must call [Init] before anything else.
func IsInit() bool { return os.Getpid() == 1 && os.Getenv(workEnv) != "" }

// Init is the first process: it makes the world fit to live in, runs the job, reaps orphans meanwhile, and ends the world.
func Init() {
	code := 0
	if err := initialise(); err != nil {
		fmt.Println(mark + "cannot prepare the world: " + err.Error())
		code = 1
	}
	unix.Sync() // results lie in the page cache until then
	if kind, err := readSpec(os.Getenv(workEnv)); err != nil || kind.Kind == UserMode {
		_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	}
	os.Exit(code)
}

func initialise() error {
	work := os.Getenv(workEnv)
	s, err := readSpec(work)
	if err != nil {
		return err
	}
	if s.Kind == UserMode {
		err = mountUserMode(work)
	} else {
		err = mountHost()
	}
	if err != nil {
		return err
	}
	os.Setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
	os.Setenv("HOME", "/root")
	if err := unix.Sethostname([]byte("lab")); err != nil {
		return fmt.Errorf("set host name: %w", err)
	}
	if s.Kind == UserMode {
		// Elsewhere the kernel loads by itself what is asked of it.
		if err := loadModules(); err != nil {
			return err
		}
	}
	return runChild(work, s)
}

// runChild starts the job and reaps whatever dies until the job itself has.
func runChild(work string, s spec) error {
	self := filepath.Join(work, initName)
	attr := &os.ProcAttr{Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}, Env: os.Environ()}
	if s.Interactive && s.Kind == UserMode {
		// A shell wants a controlling terminal, and /dev/console cannot be one.
		tty, err := os.OpenFile("/dev/tty0", os.O_RDWR, 0)
		if err != nil {
			return err
		}
		defer tty.Close()
		attr.Files = []*os.File{tty, tty, tty}
		attr.Sys = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	}
	// The host's side ends a world by killing it; ^C belongs to the job's own shell.
	signal.Ignore(syscall.SIGINT, syscall.SIGQUIT)
	child, err := os.StartProcess(self, []string{self, JobCommand, work}, attr)
	if err != nil {
		return fmt.Errorf("start the job: %w", err)
	}
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return fmt.Errorf("wait: %w", err)
		case pid == child.Pid && status.Signaled():
			return fmt.Errorf("the job died of %v", status.Signal())
		case pid == child.Pid:
			return nil
		}
	}
}

// RunJob is the child's part: it runs the named job and leaves its result in the work directory.
func RunJob(work string, jobs map[string]Job) error {
	s, err := readSpec(work)
	if err != nil {
		return err
	}
	job, ok := jobs[s.Job]
	if !ok {
		return fmt.Errorf("no job is called %q", s.Job)
	}
	var o outcome
	result, err := job(context.Background(), &Inside{Kind: s.Kind, Work: work, Arg: s.Arg})
	if err != nil {
		o.Error = err.Error()
	}
	if result != nil {
		if o.Result, err = json.Marshal(result); err != nil {
			return fmt.Errorf("encode the result: %w", err)
		}
	}
	data, err := json.Marshal(o)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(work, outcomeFile), data, 0o644)
}

// Say reports one line of progress to the host's side.
func Say(format string, args ...any) {
	lines := bufio.NewScanner(strings.NewReader(fmt.Sprintf(format, args...)))
	for lines.Scan() {
		fmt.Println(mark + lines.Text())
	}
}

func readSpec(work string) (spec, error) {
	var s spec
	data, err := os.ReadFile(filepath.Join(work, specFile))
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return s, fmt.Errorf("decode %s: %w", specFile, err)
	}
	return s, nil
}
