package elector

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lbha/lbha/cmd/internal/link"
	"github.com/lbha/lbha/vrrp"
)

// keepalived6 is a keepalived with a router of IPv6 on a host.
type keepalived6 struct {
	p    *process // for waiting
	dir  string
	cmd  *exec.Cmd
	log  string
	text string // its configuration
}

func (l *lan) keepalived6(k, priority int, instance string) *keepalived6 {
	l.t.Helper()
	path, err := exec.LookPath("keepalived")
	if err != nil {
		l.t.Skipf("the command keepalived (package keepalived) is missing: %v", err)
	}
	d := &keepalived6{p: &process{t: l.t, host: l.hosts[k]}, dir: l.t.TempDir()}
	d.log = filepath.Join(d.dir, "log")
	d.text = fmt.Sprintf("vrrp_instance six {\n interface eth0\n version 3\n native_ipv6\n virtual_router_id 51\n state BACKUP\n priority %d\n advert_int 0.1\n%s}\n", priority, instance)
	config := filepath.Join(d.dir, "keepalived.conf")
	if err := os.WriteFile(config, []byte(d.text), 0o600); err != nil {
		l.t.Fatal(err)
	}
	d.cmd = exec.Command("ip", "netns", "exec", d.p.host, path, "-n", "-l", "-D", "-P", "-f", config,
		"-p", filepath.Join(d.dir, "pid"), "-r", filepath.Join(d.dir, "vrrp.pid"))
	log, err := os.Create(d.log)
	if err != nil {
		l.t.Fatal(err)
	}
	defer log.Close()
	d.cmd.Stdout, d.cmd.Stderr = log, log
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := d.cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		d.signal(syscall.SIGKILL)
		if l.t.Failed() {
			l.t.Logf("keepalived on %s:\n%s", d.p.host, d.said())
		}
	})
	return d
}

// signal ends it, and all of its processes: with SIGTERM it resigns first.
func (d *keepalived6) signal(s syscall.Signal) {
	if d.cmd.ProcessState != nil {
		return
	}
	if s == syscall.SIGTERM {
		_ = d.cmd.Process.Signal(s) // to the parent, which ends its child
	} else {
		_ = syscall.Kill(-d.cmd.Process.Pid, s)
	}
	_ = d.cmd.Wait()
}

func (d *keepalived6) said() string {
	text, _ := os.ReadFile(d.log)
	return string(text)
}

// entered waits until it has entered a state for the n-th time, and is in it.
func (d *keepalived6) entered(state string, n int) {
	d.p.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		text := d.said()
		if strings.Count(text, "Entering "+state+" STATE") >= n && strings.LastIndex(text, "Entering "+state) == strings.LastIndex(text, "Entering ") {
			return
		}
		if time.Now().After(deadline) {
			d.p.t.Fatalf("keepalived did not enter %s for the %d. time", state, n)
		}
	}
}

// A keepalived and an lbha are a pair over IPv6, in either role, whatever the addresses that keepalived sends and their
// order: election, failover by a crash, by a resignation and by preemption.
func TestKeepalivedOverIPv6(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		addresses []string // those of lbha
		instance  string   // of keepalived
	}{
		"without link-local": {
			[]string{"fd00:9::1:33/128"},
			" virtual_ipaddress {\n fd00:9::1:33/128\n }\n",
		},
		"another order": {
			[]string{"fe80::1:33/128", "fd00:9::1:33/128"},
			" virtual_ipaddress {\n fd00:9::1:33/128\n fe80::1:33/128\n }\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newBridge(t)
			ours := router6("six", 51, 200)
			ours.Addresses = nil
			for _, a := range tt.addresses {
				ours.Addresses = append(ours.Addresses, addressOf(a))
			}
			vips := ours.Addresses
			theirs := l.keepalived6(1, 100, tt.instance)
			theirs.entered("MASTER", 1)
			theirs.p.untilHeld(true, vips...)
			l.believes(mac(9), vips...)

			// lbha preempts, and keepalived yields and stays a backup.
			a := l.elector(0)
			a.configure(nil, ours)
			a.untilAll(vrrp.Master, "six")
			theirs.entered("BACKUP", 2)
			a.untilHeld(true, vips...)
			theirs.p.untilHeld(false, vips...)
			l.untilBelieved(mac(0), vips...)
			time.Sleep(5 * ours.Interval)
			if text := theirs.said(); strings.Count(text, "Entering MASTER") != 1 {
				t.Errorf("keepalived did not stay a backup")
			}

			// By a crash, and back.
			a.kill()
			theirs.entered("MASTER", 2)
			l.untilBelieved(mac(1), vips...)
			a.untilHeld(false, vips...)
			a.state = link.State{}
			a.start()
			a.untilAll(vrrp.Master, "six")
			theirs.entered("BACKUP", 3)
			l.untilBelieved(mac(0), vips...)

			// A lower priority: keepalived preempts. Its resignation: lbha takes over, at once.
			ours.Priority = 50
			a.configure(nil, ours)
			a.untilAll(vrrp.Backup, "six")
			theirs.entered("MASTER", 3)
			a.until("it follows", func() bool { return a.of("six").Master != "" && a.of("six").Received > 3 })
			if got := a.of("six"); len(got.Findings) > 0 || got.Dropped["bad-checksum"]+got.Dropped["bad-length"] > 0 {
				t.Errorf("as a backup of keepalived: findings %v, dropped %v", got.Findings, got.Dropped)
			}
			theirs.signal(syscall.SIGTERM)
			a.untilAll(vrrp.Master, "six")
			if got := a.of("six").Reason; got != vrrp.ReasonMasterResigned {
				t.Errorf("keepalived resigned, and the reason is %q", got)
			}
			a.untilHeld(true, vips...)
			for _, word := range []string{"rror", "nvalid", "ismatch"} {
				for line := range strings.Lines(theirs.said()) {
					if strings.Contains(line, word) {
						t.Errorf("keepalived says: %s", line)
					}
				}
			}
		})
	}
}
