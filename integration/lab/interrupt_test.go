//go:build linux

package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// roleEnv makes this program a process of a test, and endEnv names the file in which that says how it ended.
const roleEnv, endEnv = "LBHA_LAB_TEST_ROLE", "LBHA_LAB_TEST_END"

func TestMain(m *testing.M) {
	switch os.Getenv(roleEnv) {
	case "lab":
		ctx, stop := interruptible()
		defer stop()
		fmt.Println(os.Getpid())
		<-ctx.Done()
		fmt.Println("taking back") // nobody reads it
		if err := os.WriteFile(os.Getenv(endEnv), []byte("taken back"), 0o644); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	case "go":
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(os.Environ(), roleEnv+"=lab")
		cmd.Stdout = os.Stdout
		_ = cmd.Run()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// However the lab is interrupted, it gets to take back what it did, even if nobody reads any more what it says.
func TestInterruptible(t *testing.T) {
	// What is ignored here, by nohup, would be ignored by what is started here, too.
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(caught) })
	for _, tt := range []struct {
		name, program, role string
		signal              syscall.Signal
	}{
		{"interrupt", "lab", "lab", syscall.SIGINT},
		{"termination", "lab", "lab", syscall.SIGTERM},
		{"the terminal is closed", "lab", "lab", syscall.SIGHUP},
		{"go run is killed", "go", "go", syscall.SIGKILL},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			program, end := filepath.Join(t.TempDir(), tt.program), filepath.Join(t.TempDir(), "end")
			if err := os.Symlink(self, program); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(program)
			cmd.Env = append(os.Environ(), roleEnv+"="+tt.role, endEnv+"="+end)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			line, err := bufio.NewReader(out).ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			lab, err := strconv.Atoi(strings.TrimSpace(line))
			if err != nil {
				t.Fatal(err)
			}
			out.Close()
			if err := cmd.Process.Signal(tt.signal); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait() // of the one that is killed it is an error
			for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
				if said, err := os.ReadFile(end); err == nil && string(said) == "taken back" {
					return
				}
				if time.Now().After(deadline) {
					_ = syscall.Kill(lab, syscall.SIGKILL)
					t.Fatal("it did not end as it should")
				}
			}
		})
	}
}

// What a lab left that was killed is removed by the next one, and nothing else is.
func TestSweep(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	for _, name := range []string{workPrefix + "1/bin", workPrefix + "2", "lbha-lab.lock", "lbha-deb-1", "other"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := sweep(); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range left {
		names = append(names, entry.Name())
	}
	if got := strings.Join(names, " "); got != "lbha-deb-1 lbha-lab.lock other" {
		t.Errorf("left: %s", got)
	}
}
