package elector

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/vrrp"
)

// measured is how long processor time is added up.
const measured = 5 * time.Second

// routers and every are what is measured: so many virtual routers, each with an advert each so often.
const (
	routers = 255
	every   = 100 * time.Millisecond
)

// BenchmarkMaster measures what the adverts cost a master that nobody listens to, beside keepalived where that is
// installed: processor time as a share of one processor, and for each advert, and resident memory.
func BenchmarkMaster(b *testing.B) {
	b.Run("lbha", func(b *testing.B) {
		p := newLAN(b, 1).elector(0)
		p.become(vrrp.Master, 200)
		measure(b, p.cmd.Process.Pid, p)
	})
	b.Run("keepalived", func(b *testing.B) {
		l := newLAN(b, 1)
		pid := l.keepalived(b, 0, 200)
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
			out, _ := exec.Command("ip", "-n", l.hosts[0], "-o", "addr", "show", "to", "10.9.1.0/24").Output()
			if strings.Count(string(out), "\n") == routers {
				break
			}
			if time.Now().After(deadline) {
				b.Fatal("keepalived did not become master")
			}
		}
		measure(b, pid)
	})
}

// BenchmarkBackup measures what the same adverts, sent by lbha, cost a backup.
func BenchmarkBackup(b *testing.B) {
	b.Run("lbha", func(b *testing.B) {
		l := newLAN(b, 1)
		master, p := l.elector(0), l.elector(1)
		master.become(vrrp.Master, 200)
		p.become(vrrp.Backup, 100)
		measure(b, p.cmd.Process.Pid, master, p)
	})
	b.Run("keepalived", func(b *testing.B) {
		l := newLAN(b, 1)
		master := l.elector(0)
		master.become(vrrp.Master, 200)
		measure(b, l.keepalived(b, 1, 100), master)
	})
}

// become configures all routers and waits for their state.
func (p *process) become(state vrrp.State, priority int) {
	p.t.Helper()
	var all []config.Instance
	var names []string
	for id := 1; id <= routers; id++ {
		in := router(fmt.Sprintf("r%d", id), 0, 1, priority)
		in.VRID, in.Interval = vrrp.VRID(id), every
		in.Addresses[0].Prefix = vip(1, id).Prefix
		all, names = append(all, in), append(names, in.Name)
	}
	p.configure(nil, all...)
	p.untilAll(state, names...)
}

// measure reports the processor time and memory of a process. What lbha's processes say is read, as a director does.
func measure(b *testing.B, pid int, heard ...*process) {
	b.Helper()
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-time.After(100 * time.Millisecond):
			}
			for _, p := range heard {
				p.hear()
			}
		}
	}()
	time.Sleep(time.Second) // bursts of announcements are over, mostly
	for b.Loop() {
		before := processorTime(b, pid)
		time.Sleep(measured)
		used := processorTime(b, pid) - before
		b.ReportMetric(100*used.Seconds()/measured.Seconds(), "cpu-%")
		b.ReportMetric(float64(used.Microseconds())/(routers*measured.Seconds()/every.Seconds()), "us/advert")
		b.ReportMetric(resident(b, pid)/1024, "MB")
		b.ReportMetric(0, "ns/op")
	}
	close(stop)
	<-done
}

// processorTime is what all threads of a process have used.
func processorTime(b *testing.B, pid int) time.Duration {
	b.Helper()
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	total := time.Duration(0)
	for _, path := range tasks {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		var ns int64
		fmt.Sscan(string(text), &ns)
		total += time.Duration(ns)
	}
	if total == 0 {
		b.Fatalf("process %d has used no time", pid)
	}
	return total
}

// resident is the memory of a process in KB.
func resident(b *testing.B, pid int) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var kb float64
		if _, err := fmt.Sscanf(line, "VmRSS: %f kB", &kb); err == nil {
			return kb
		}
	}
	return 0
}

// keepalived starts its VRRP process on host k, and returns its pid.
func (l *lan) keepalived(b *testing.B, k, priority int) int {
	b.Helper()
	if _, err := exec.LookPath("keepalived"); err != nil {
		b.Skip("the command keepalived (package keepalived) is missing")
	}
	dir := b.TempDir()
	var text strings.Builder
	text.WriteString("global_defs {\n vrrp_version 3\n vrrp_rt_priority 50\n}\n")
	for id := 1; id <= routers; id++ {
		fmt.Fprintf(&text, "vrrp_instance r%d {\n interface eth0\n virtual_router_id %d\n priority %d\n advert_int 0.1\n virtual_ipaddress {\n 10.9.1.%d/32\n }\n}\n", id, id, priority, id)
	}
	path := filepath.Join(dir, "keepalived.conf")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command("ip", "netns", "exec", l.hosts[k], "keepalived", "--vrrp", "-n", "-f", path, "-p", filepath.Join(dir, "pid"), "-r", filepath.Join(dir, "vrrp.pid"))
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = cmd.Process.Signal(unix.SIGTERM); _ = cmd.Wait() })
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		text, err := os.ReadFile(filepath.Join(dir, "vrrp.pid"))
		var pid int
		if _, scanned := fmt.Sscan(string(text), &pid); err == nil && scanned == nil {
			return pid
		}
	}
	b.Fatal("keepalived did not start")
	return 0
}
