package track

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A process is found by its name in /proc, and its end is told by its pidfd: at once, without a privilege, and without
// a cost while nothing happens. The kernel's process connector would tell of beginnings as well, but also of every
// process of the whole host, and it is not there outside the first network namespace.
const (
	// absentScan is how often /proc is read while no process of the name is there, and how long the last one must be
	// gone before that is believed: who restarts a daemon does not want the addresses to move.
	absentScan = time.Second
	// presentScan is how often it is read otherwise: a process can take another name without an end.
	presentScan = 10 * time.Second
	// maxHeld bounds the processes of one name that are watched. When the last of them has ended, /proc is read for
	// others.
	maxHeld = 16
	maxComm = 15 // bytes of a name that the kernel keeps: TASK_COMM_LEN without its final NUL
	maxProc = 4096
)

// watchProcess looks for processes of a name until ctx ends.
func watchProcess(ctx context.Context, proc, name string, show func(Reading)) {
	var last Reading
	missing := false // in the scan before
	for ctx.Err() == nil {
		held, err := find(proc, name)
		switch {
		case err != nil && last.State <= Unknown:
			last = Reading{State: Unknown, Reason: err.Error()}
		case err != nil:
			last.Trouble = err.Error()
		case len(held) > 0:
			last = Reading{State: Good, Reason: count(len(held))}
		case missing || last.State <= Unknown:
			last = Reading{State: Bad, Reason: "no process of that name"}
		default:
			last.Trouble = "it has ended"
		}
		missing = err == nil && len(held) == 0
		last.Since = time.Now()
		show(last)
		wait := presentScan
		if len(held) == 0 {
			wait = absentScan
		}
		await(ctx, held, wait)
		for _, h := range held {
			unix.Close(h)
		}
	}
}

func count(n int) string {
	switch {
	case n >= maxHeld:
		return fmt.Sprintf("%d processes or more", maxHeld)
	case n == 1:
		return "1 process"
	}
	return fmt.Sprintf("%d processes", n)
}

// await returns when the time is over, when all of the processes have ended, or when ctx has.
func await(ctx context.Context, held []int, wait time.Duration) {
	until := time.Now().Add(wait)
	left := append([]int(nil), held...)
	for ctx.Err() == nil {
		rest := time.Until(until)
		if rest <= 0 || len(held) > 0 && len(left) == 0 {
			return
		}
		// The context is looked at now and then, so that a wait costs no descriptor more.
		const beat = 200 * time.Millisecond
		polled := make([]unix.PollFd, len(left))
		for i, fd := range left {
			polled[i] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
		}
		_, _ = unix.Poll(polled, int(min(rest, beat)/time.Millisecond)+1)
		left = left[:0]
		for _, p := range polled {
			if p.Revents == 0 {
				left = append(left, int(p.Fd))
			}
		}
	}
}

// find opens a pidfd of each process of the name, of the first few.
func find(proc, name string) ([]int, error) {
	dir, err := os.Open(proc)
	if err != nil {
		return nil, bare(err)
	}
	defer dir.Close()
	var held []int
	for {
		entries, err := dir.Readdirnames(256)
		for _, entry := range entries {
			pid, convErr := strconv.Atoi(entry)
			if convErr != nil || !named(path.Join(proc, entry), name) {
				continue
			}
			fd, openErr := unix.PidfdOpen(pid, 0)
			if openErr == unix.ESRCH {
				continue
			}
			// The number may be another process's by now.
			if openErr == nil && !named(path.Join(proc, entry), name) {
				unix.Close(fd)
				continue
			}
			if openErr != nil {
				err = fmt.Errorf("pidfd_open: %w", openErr)
				break
			}
			if held = append(held, fd); len(held) == maxHeld {
				return held, nil
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return held, nil
		case err != nil:
			for _, fd := range held {
				unix.Close(fd)
			}
			return nil, bare(err)
		}
	}
}

// named reports whether the process with that directory in /proc has the name and has not ended. A name with a slash is
// the path of its executable. Any other is its name as ps shows it; of a longer one than the kernel keeps, the rest is
// looked for in its command line.
func named(dir, name string) bool {
	if strings.Contains(name, "/") {
		exe, err := os.Readlink(dir + "/exe")
		return err == nil && strings.TrimSuffix(exe, " (deleted)") == name && alive(dir)
	}
	comm, err := readProc(dir + "/comm")
	if err != nil {
		return false
	}
	if comm = bytes.TrimSuffix(comm, []byte("\n")); len(name) <= maxComm {
		return string(comm) == name && alive(dir)
	}
	if string(comm) != name[:maxComm] {
		return false
	}
	line, err := readProc(dir + "/cmdline")
	if err != nil {
		return false
	}
	for n, word := range strings.Split(string(line), "\x00") {
		if path.Base(word) == name { // the program, or the script that it interprets
			return alive(dir)
		}
		if n == 1 {
			break
		}
	}
	return false
}

// alive reports whether the process is more than an entry that its parent has not asked for yet.
func alive(dir string) bool {
	stat, err := readProc(dir + "/stat")
	return err == nil && running(stat)
}

// running reads /proc/PID/stat, "42 (name) S …": a name can hold anything, parentheses among it.
func running(stat []byte) bool {
	rest, ok := bytes.CutPrefix(stat[bytes.LastIndexByte(stat, ')')+1:], []byte(" "))
	return ok && len(rest) > 0 && rest[0] != 'Z' && rest[0] != 'X'
}

// readProc reads the beginning of a file of /proc.
func readProc(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	buf := make([]byte, maxProc)
	n, err := f.Read(buf)
	if n > 0 || errors.Is(err, io.EOF) {
		err = nil
	}
	return buf[:n], err
}
