package probe

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestScripts: what becomes of programs, good and bad.
func TestScripts(t *testing.T) {
	shell := func(text string) Script { return Script{Command: []string{"/bin/sh", "-c", text}} }
	target := peer(hangup).listen(t, "127.0.0.1:0")
	var got strings.Builder
	for _, test := range []struct {
		name   string
		script Script
	}{
		{"well", shell("exit 0")},
		{"well, with a word", shell("echo; echo all is well; echo and more")},
		{"ill", shell("echo disk full >&2; exit 2")},
		{"ill, without a word", shell("exit 1")},
		{"dynamic, well", Script{Command: []string{"/bin/true"}, Dynamic: true}},
		{"dynamic, ill", Script{Command: []string{"/bin/false"}, Dynamic: true}},
		{"dynamic, weight 0", Script{Command: []string{"/bin/sh", "-c", "exit 2"}, Dynamic: true}},
		{"dynamic, weight", Script{Command: []string{"/bin/sh", "-c", "echo busy; exit 42"}, Dynamic: true}},
		{"dynamic, killed", Script{Command: []string{"/bin/sh", "-c", "kill -SEGV $$"}, Dynamic: true}},
		{"killed", shell("kill -SEGV $$")},
		{"hangs", shell("echo wait; exec sleep 60")},
		{"hangs, with children", shell("sleep 60 & sleep 60; true")},
		{"ignores signals", shell("trap '' TERM INT HUP; sleep 60; true")},
		{"leaves a child with its output", shell("sleep 60 & exit 0")},
		{"endless output", Script{Command: []string{"/usr/bin/yes"}}},
		{"much output", shell("head -c 1000000 /dev/zero | tr '\\0' o; exit 3")},
		{"reads input", shell("cat; echo end of input")},
		{"environment", shell("env | sort | tr '\\n' ' ' | sed 's/PORT=[0-9]*/PORT=N/; s/PATH=[^ ]*//; s/PWD=//'; pwd")},
		{"arguments are not expanded", Script{Command: []string{"/bin/echo", "$HOME", "*", "a b"}}},
		{"absent", Script{Command: []string{"/absent/program"}}},
		{"no program", Script{Command: []string{"/etc/passwd"}}},
	} {
		limit := patience
		if strings.HasPrefix(test.name, "hangs") || strings.HasPrefix(test.name, "endless") || strings.HasPrefix(test.name, "ignores") {
			limit = timeout
		}
		r := runFor(t, Options{Type: "script", Target: target, Script: test.script}, limit)
		fmt.Fprintf(&got, "%s: %s\n", test.name, steady(r))
	}
	want := `well: ok: exit 0 in T
well, with a word: ok: exit 0 in T: all is well
ill: exit: exit 2: disk full
ill, without a word: exit: exit 1
dynamic, well: ok: exit 0 in T
dynamic, ill: exit: exit 1
dynamic, weight 0: ok: exit 2, weight 0, in T (weight 0)
dynamic, weight: ok: exit 42, weight 40, in T: busy (weight 40)
dynamic, killed: exit: signal: segmentation fault
killed: exit: signal: segmentation fault
hangs: timeout: timeout in script after TIMEOUT
hangs, with children: timeout: timeout in script after TIMEOUT
ignores signals: timeout: timeout in script after TIMEOUT
leaves a child with its output: ok: exit 0 in T
endless output: timeout: timeout in script after TIMEOUT
much output: exit: exit 3: ooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooooo…
reads input: ok: exit 0 in T: end of input
environment: ok: exit 0 in T: LBHA_SERVER_ADDRESS=127.0.0.1 LBHA_SERVER_PORT=N  / /
arguments are not expanded: ok: exit 0 in T: $HOME * a b
absent: local: start: fork/exec /absent/program: no such file or directory
no program: local: start: fork/exec /etc/passwd: permission denied
`
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestScriptChildrenDie: nothing that a script started outlives its probe.
func TestScriptChildrenDie(t *testing.T) {
	pids := filepath.Join(t.TempDir(), "pids")
	for _, end := range []string{"wait", "exit 0"} {
		text := fmt.Sprintf("sleep 60 >/dev/null 2>&1 & echo $! >%s; %s", pids, end)
		run(t, Options{Type: "script", Script: Script{Command: []string{"/bin/sh", "-c", text}}})
		var pid int
		if text, err := os.ReadFile(pids); err != nil {
			t.Fatal(err)
		} else if _, err := fmt.Sscan(string(text), &pid); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(slack); ; time.Sleep(time.Millisecond) {
			stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
			if err != nil || strings.Contains(string(stat), ") Z ") { // nobody may be there to reap it
				break
			}
			if time.Now().After(deadline) {
				syscall.Kill(pid, syscall.SIGKILL)
				t.Fatalf("%s: the child lives on: %s", end, stat)
			}
		}
	}
}

// TestScriptUser: a script runs as another user, without groups of ours.
func TestScriptUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can run a script as another user")
	}
	r := runFor(t, Options{Type: "script", Script: Script{Command: []string{"/bin/sh", "-c", "echo $(id -un) $(id -G | wc -w)"}, User: "nobody"}}, patience)
	if got := steady(r); got != "ok: exit 0 in T: nobody 1" {
		t.Errorf("%s", got)
	}
}

// TestScriptCanceled: a probe that is given up kills its script.
func TestScriptCanceled(t *testing.T) {
	p, err := New(Options{Type: "script", Script: Script{Command: []string{"/bin/sleep", "60"}}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	time.AfterFunc(50*time.Millisecond, cancel)
	start := time.Now()
	if got := p.Probe(ctx).String(); got != "canceled: canceled in script" || time.Since(start) > slack {
		t.Errorf("%s after %v", got, time.Since(start))
	}
}
