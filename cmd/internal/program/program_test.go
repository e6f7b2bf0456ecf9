package program_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lbha/lbha/cmd/internal/program"
)

// sh is a program that runs a line of the shell.
func sh(line string) *program.Program { return program.New([]string{"/bin/sh", "-c", line}, "") }

// TestEnds tells every way in which a program can end from every other.
func TestEnds(t *testing.T) {
	for _, c := range []struct{ line, want, output string }{
		{"exit 0", "<nil>", ""},
		{"echo; echo well; echo second", "<nil>", "well"},
		{"echo bad >&2; exit 3", "exit status 3", "bad"},
		{"kill -SEGV $$", "signal: segmentation fault", ""},
		{"printf 'a\\033[2Jb'", "<nil>", "a.[2Jb"},
		{"head -c 1000000 /dev/zero | tr '\\0' x", "<nil>", strings.Repeat("x", 160) + "…"},
		{"cat", "<nil>", ""}, // there is no input
		{`echo "$1 $LBHA $HOME"`, "<nil>", "argument set"},
	} {
		end, err := sh(c.line).Run(t.Context(), []string{"LBHA=set"}, "sh", "argument")
		if err != nil || fmt.Sprint(end.Err) != c.want || end.Output != c.output {
			t.Errorf("%s: %v, %q, %v; want %s, %q", c.line, end.Err, end.Output, err, c.want, c.output)
		}
	}
}

// TestNothingIsLeft holds that a program, and whatever it started, ends at the deadline, and that what it started ends
// with it.
func TestNothingIsLeft(t *testing.T) {
	for name, line := range map[string]string{
		"at its deadline": "sleep 1000 & echo $! >%[1]s; wait",
		"deaf":            "trap '' TERM; sleep 1000 & echo $! >%[1]s; wait",
		"with it":         "sleep 1000 & echo $! >%[1]s",
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "pid")
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			end, err := sh(fmt.Sprintf(line, file)).Run(ctx, nil)
			if err != nil {
				t.Fatal(err)
			}
			if want := name != "with it"; errors.Is(end.Err, program.ErrTimeout) != want {
				t.Errorf("it ended by %v; at its deadline: want %v", end.Err, want)
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
			if err != nil {
				t.Fatal(err)
			}
			for deadline := time.Now().Add(10 * time.Second); alive(pid); time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("process %d is still there", pid)
				}
			}
		})
	}
}

// alive reports whether a process runs: one that has ended and that nobody has asked for does not.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z ") && syscall.Kill(pid, 0) == nil
}

// TestOurFaultsAreErrors holds that what is not the program's word is an error, and no end.
func TestOurFaultsAreErrors(t *testing.T) {
	unsafe := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(unsafe, []byte("#!/bin/sh\n"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(unsafe, 0o777); err != nil {
		t.Fatal(err)
	}
	for want, p := range map[string]*program.Program{
		"cannot be started: argument list too long":            program.New([]string{"/bin/true", strings.Repeat("x", 1<<18)}, ""),
		"cannot be run: no such file or directory":             program.New([]string{"/usr/absent"}, ""),
		"cannot be run: others than its owner":                 program.New([]string{unsafe}, ""),
		"cannot be run as no-such-user: there is no such user": program.New([]string{"/bin/true"}, "no-such-user"),
	} {
		if end, err := p.Run(t.Context(), nil); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, %v; want %s …", p, end, err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if end, err := sh("sleep 1000").Run(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("given up by us: %v, %v; want context.Canceled", end, err)
	}
}

// TestAnotherUser holds that a program has the rights of its user, and of none of our groups.
func TestAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can run programs as others")
	}
	p := program.New([]string{"/bin/sh", "-c", "id -un"}, "nobody")
	end, err := p.Run(t.Context(), nil)
	if err != nil || end.Err != nil || end.Output != "nobody" {
		t.Errorf("%v, %v; want nobody", end, err)
	}
	p = program.New([]string{"/bin/sh", "-c", "id -G | wc -w"}, "nobody")
	if end, err = p.Run(t.Context(), nil); err != nil || strings.TrimSpace(end.Output) != "1" {
		t.Errorf("it has %s groups, %v; want 1", end.Output, err)
	}
}
