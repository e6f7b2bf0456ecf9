package sandbox

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// memory is what a user-mode kernel gets, if nobody says more. It is a sparse file: only what is touched costs anything.
const memory = 1 << 30

func (w *World) memory() int64 { return cmp.Or(w.Memory, memory) }

// namespaces is the command that starts a world on the running kernel.
func (w *World) namespaces() *exec.Cmd {
	cmd := exec.Command(filepath.Join(w.Work, initName))
	cmd.Env = append(os.Environ(), workEnv+"="+w.Work)
	cmd.SysProcAttr = w.attributes()
	cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC
	return cmd
}

// userMode is the command that boots the user-mode kernel.
func (w *World) userMode() (*exec.Cmd, error) {
	kernel, err := exec.LookPath("linux.uml")
	if err != nil {
		return nil, fmt.Errorf("find the user-mode kernel: %w", err)
	}
	state := filepath.Join(w.Work, "uml")
	if err := os.MkdirAll(state, 0o700); err != nil {
		return nil, err
	}
	console := "con0=null,fd:1"
	if w.Stdin != nil {
		console = "con0=fd:0,fd:1"
	}
	cmd := exec.Command(kernel,
		fmt.Sprintf("mem=%dM", w.memory()>>20),
		// The host's tree, read-only: the first process lays an overlay over it.
		"rootfstype=hostfs", "rootflags=/", "ro",
		"init="+filepath.Join(w.Work, initName),
		"con=null", console, "ssl=null", "quiet",
		"uml_dir="+state, "umid=lab",
		// Without it a kernel of Debian prints the label policy that it does not have.
		"selinux=0",
		// An unknown word with a value becomes part of the first process's environment.
		workEnv+"="+w.Work,
	)
	cmd.Env = append(os.Environ(), "TMPDIR="+w.memoryDir())
	cmd.SysProcAttr = w.attributes()
	return cmd, nil
}

// attributes are those of every world's first process: it is the first of a PID namespace, so that however it ends the kernel ends everything
// in it, a user-mode kernel's own processes too; and it dies with the lab.
func (w *World) attributes() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID, Pdeathsig: syscall.SIGKILL}
	if w.Stdin == nil {
		attr.Setsid = true
		return attr
	}
	// It shares the terminal's session, as the foreground.
	attr.Setpgid, attr.Foreground, attr.Ctty = true, true, int(w.Stdin.Fd())
	return attr
}

// memoryDir is where the user-mode kernel keeps its memory: a file, mapped executable. Containers often have a
// /dev/shm of 64 MB, and a kernel that fills it dies of SIGBUS.
func (w *World) memoryDir() string {
	var fs unix.Statfs_t
	const shm = "/dev/shm"
	if unix.Statfs(shm, &fs) == nil && fs.Bavail*uint64(fs.Bsize) > uint64(w.memory()) && fs.Flags&unix.ST_NOEXEC == 0 {
		return shm
	}
	return w.Work
}

// startFavoured starts a world with precedence over what else the machine does: what is measured inside must not depend on it. The
// user-mode kernel is one slow processor made of processes that wait for each other; beside a busy machine each wait grows to a stall of
// the whole world, unless it runs in real time, which its inside does not see. On the running kernel that would change how the daemons themselves are
// scheduled, so there it is only niceness. Without the right to ask for it the lab is merely noisier.
//
// The calling thread must be locked: the world inherits from it.
func startFavoured(cmd *exec.Cmd, kind Kind) error {
	if kind == UserMode {
		attr := &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_RR, Priority: 1}
		if unix.SchedSetAttr(0, attr, 0) == nil {
			defer unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL}, 0)
			return cmd.Start()
		}
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	_ = unix.Setpriority(unix.PRIO_PGRP, cmd.Process.Pid, -20)
	// A world is a session of its own: where the kernel groups processes by session, the group needs the precedence.
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/autogroup", cmd.Process.Pid), []byte("-20"), 0)
	return nil
}
