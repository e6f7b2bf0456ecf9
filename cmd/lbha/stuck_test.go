package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/cmd/internal/observe"
)

// stuckTime is how long the master is watched while something is stuck: twenty adverts. It is so many times at most.
const (
	stuckTime  = 2 * time.Second
	stuckTries = 6
)

// TestNothingStuckDelaysAnAdvert sticks everything that the daemon speaks to, one after the other and never undone, and
// holds that no advert of the master is late. It is not run beside the other pairs: it is about punctuality.
func TestNothingStuckDelaysAnAdvert(t *testing.T) {
	l := newQuietLAN(t)
	a, b := l.director(0, 200, "100ms"), l.director(1, 100, "100ms")
	fifo := filepath.Join(a.dir, "events")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	logRead, logWrite, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer logRead.Close()
	// Neither heeds a request to end. The script decides on the fate of the instance, if it is ever heard.
	a.more = fmt.Sprintf(`notify = { command = ["/bin/sh", "-c", "trap '' TERM; while :; do sleep 1; done"], timeout = "1h", stream = %q }
[[vrrp.track]]
script = ["/bin/sh", "-c", "trap '' TERM; while :; do sleep 1; done"]
timeout = "1h"
`, fifo)
	a.write(200, "100ms")
	a.stderr = logWrite
	a.start()
	logWrite.Close()
	a.until("master")
	b.start()
	b.until("backup")

	until := func(t *testing.T, what string, ok func(*observe.Instance) bool) {
		t.Helper()
		for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			st := a.status()
			if st != nil && ok(&st.Instances[0]) {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("never %s: %+v", what, st)
			}
		}
	}
	for _, step := range []struct {
		name  string
		stick func(t *testing.T)
	}{
		{"a notify command and a script", func(t *testing.T) {
			until(t, "stuck", func(in *observe.Instance) bool {
				return in.Notify != nil && in.Notify.Running > time.Second && in.Notify.Ran == 0 && in.Tracks[0].State == "pending"
			})
		}},
		{"the reader of a stream", func(t *testing.T) {
			r, err := os.OpenFile(fifo, os.O_RDWR|unix.O_NONBLOCK, 0) // it holds the other end as well, to fill it
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { r.Close() })
			fill(t, int(r.Fd()))
			until(t, "stuck", func(in *observe.Instance) bool { return in.Notify.Trouble != "" && in.Notify.Unread == 1 })
		}},
		{"status clients", func(t *testing.T) {
			for n := range 64 {
				c, err := net.Dial("unix", filepath.Join(a.dir, "lbha.sock"))
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { c.Close() })
				// Half a request, or many whose answers nobody reads.
				requests := "GET /v1/status HT"
				if n%2 == 1 {
					requests = ""
					for range 50 {
						requests += "GET /v1/status HTTP/1.1\r\nHost: lbha\r\n\r\n"
					}
				}
				if err := c.SetWriteDeadline(time.Now().Add(5 * time.Second)); err != nil {
					t.Fatal(err)
				}
				_, _ = c.Write([]byte(requests)) // as much as it takes
			}
		}},
		{"the reader of the log", func(t *testing.T) {
			w, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", logRead.Fd()), unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { unix.Close(w) })
			fill(t, w)
			for range 100 { // each writes lines, more than may wait
				if err := a.cmd.Process.Signal(syscall.SIGUSR1); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Millisecond)
			}
		}},
	} {
		t.Run(step.name, func(t *testing.T) {
			step.stick(t)
			// What is stuck stays so, and would delay something in each of these times; a crowded machine does in some.
			for try := 1; ; try++ {
				fault := watch(a, b)
				if fault == "" {
					return
				}
				if try == stuckTries {
					t.Fatal(fault)
				}
				t.Log(fault)
				a.until("master")
				b.until("backup")
			}
		})
	}
	// Nor does it keep the director from handing over when it is stopped.
	if err := a.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	b.until("master")
}

// TestATrackedFileMovesTheAddress follows a weight from a file to the other director and back, and what is told of it,
// with both processes killed on the way.
func TestATrackedFileMovesTheAddress(t *testing.T) {
	l := newLAN(t)
	a, b := l.director(0, 200, "500ms"), l.director(1, 100, "500ms")
	weight := filepath.Join(a.dir, "weight")
	for _, d := range []*daemon{a, b} {
		d.more = fmt.Sprintf(`notify = { command = ["/bin/sh", "-c", "echo $* >>%[1]s/told; { readlink /proc/$$/fd/*; grep SigIgn /proc/self/status; } >%[1]s/new; mv %[1]s/new %[1]s/inherited", "sh"], user = "root" }
`, d.dir)
	}
	a.more += fmt.Sprintf("[[vrrp.track]]\nfile = %q\n", weight)
	a.write(200, "500ms")
	b.write(100, "500ms")
	put := func(content string) {
		t.Helper()
		if err := os.WriteFile(weight, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	a.start()
	a.until("master")
	b.start()
	b.until("backup")
	put("-150")
	b.until("master")
	if in := a.until("backup"); in.Priority != 50 || in.Tracks[0].Adjust != -150 {
		t.Errorf("a has priority %d: %+v", in.Priority, in.Tracks)
	}
	// Neither the elector nor the director forgets it.
	for _, title := range []string{"lbha: vrrp", "lbha: director"} {
		a.kill(title)
		time.Sleep(1500 * time.Millisecond)
		if in := a.until("backup"); in.Priority != 50 {
			t.Errorf("after the end of %s: priority %d", title, in.Priority)
		}
	}
	if got := b.transitions(); got != 2 {
		t.Errorf("b made %d transitions, want 2", got)
	}
	put("much")
	time.Sleep(200 * time.Millisecond)
	if in := a.until("backup"); in.Priority != 50 || in.Tracks[0].Trouble == "" {
		t.Errorf("with garbage in the file a has priority %d: %+v", in.Priority, in.Tracks)
	}
	put("0")
	a.until("master")
	b.until("backup")
	// A stop ends with the last word.
	if err := a.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	b.until("master")
	// What a command inherits is nothing of ours: no link, no memory, no socket, no ignored SIGPIPE.
	inherited, err := os.ReadFile(filepath.Join(b.dir, "inherited"))
	if err != nil {
		t.Fatal(err)
	}
	var ignored uint64
	_, last, _ := strings.Cut(string(inherited), "SigIgn:")
	if _, err := fmt.Sscanf(strings.TrimSpace(last), "%x", &ignored); err != nil || ignored&(1<<(syscall.SIGPIPE-1)) != 0 {
		t.Errorf("a command ignores signals %#x, %v", ignored, err)
	}
	theirs, err := exec.Command("/bin/sh", "-c", "readlink /proc/$$/fd/*; :").Output() // of whoever runs the tests
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(inherited)) {
		if (strings.HasPrefix(line, "socket:") || strings.HasPrefix(line, "/memfd:") || strings.HasPrefix(line, "anon_inode:")) && !strings.Contains(string(theirs), line) {
			t.Errorf("a command inherits %s", line)
		}
	}
	for _, c := range []struct {
		d    *daemon
		want string
	}{
		{a, "web initialize backup started 200\nweb backup master no-master 200\nweb master backup higher-priority 50\nweb backup master preempted 200\nweb master backup handed-over 1\nweb backup initialize stopped 200\n"},
		{b, "web initialize backup started 100\nweb backup master preempted 100\nweb master backup higher-priority 100\nweb backup master preempted 100\n"},
	} {
		var told []byte
		for deadline := time.Now().Add(10 * time.Second); string(told) != c.want; time.Sleep(10 * time.Millisecond) {
			told, _ = os.ReadFile(filepath.Join(c.d.dir, "told"))
			if time.Now().After(deadline) {
				t.Fatalf("%s told\n%swant\n%s", c.d.host, told, c.want)
			}
		}
	}
}

// watch returns what is wrong with a master and its backup over a time, or "".
func watch(master, backup *daemon) string {
	m, b := master.status(), backup.status()
	time.Sleep(stuckTime)
	now, other := master.status(), backup.status()
	if m == nil || b == nil || now == nil || other == nil {
		return "no status"
	}
	before, after := m.Instances[0], now.Instances[0]
	sent := after.Sent - before.Sent
	switch {
	case after.Late != before.Late:
		return fmt.Sprintf("%d of %d adverts were late, the worst of all by %v", after.Late-before.Late, sent, after.MaxLate)
	case sent < uint64(stuckTime/(100*time.Millisecond))-3:
		return fmt.Sprintf("only %d adverts were sent", sent)
	case after.State != "master" || after.Transition != before.Transition || other.Instances[0].Transition != b.Instances[0].Transition:
		return fmt.Sprintf("the instances moved: %+v", after)
	}
	return ""
}

// fill writes until there is no room.
func fill(t *testing.T, fd int) {
	t.Helper()
	page := make([]byte, 4096)
	for size := len(page); size > 0; {
		if _, err := unix.Write(fd, page[:size]); err == unix.EAGAIN {
			size /= 2
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
