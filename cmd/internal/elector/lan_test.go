package elector

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lbha/lbha/cmd/internal/keep"
	"github.com/lbha/lbha/cmd/internal/link"
	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/ipvs"
	"github.com/lbha/lbha/vrrp"
)

// playElector in the environment makes the test binary the VRRP process.
const playElector = "LBHA_TEST_ELECTOR"

func TestMain(m *testing.M) {
	if os.Getenv(playElector) != "" {
		os.Exit(Main())
	}
	// Networks share nothing and mostly wait: more of them than there are processors may be up at once.
	if err := flag.Set("test.parallel", "4"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// lan is some hosts on some Ethernets, eth0, eth1 and so on, in network namespaces of their own.
type lan struct {
	t     testing.TB
	hosts []string
}

// lans numbers the networks of this process, for the names of their namespaces.
var lans atomic.Int64

// newLAN makes two hosts, host k with the address 10.9.N.(k+1)/24 on Ethernet N.
func newLAN(t testing.TB, ethernets int) *lan {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("the command ip (package iproute2) is missing")
	}
	l := &lan{t: t}
	number := lans.Add(1)
	for k := range 2 {
		host := fmt.Sprintf("lbhae-%d-%d%c", os.Getpid(), number, 'a'+k)
		l.hosts = append(l.hosts, host)
		l.ip("netns", "add", host)
		t.Cleanup(func() { exec.Command("ip", "netns", "del", host).Run() })
	}
	for n := range ethernets {
		l.cable(n)
	}
	return l
}

// cable makes Ethernet n.
func (l *lan) cable(n int) {
	l.t.Helper()
	name := fmt.Sprintf("eth%d", n)
	l.ip("-n", l.hosts[0], "link", "add", name, "type", "veth", "peer", "name", name, "netns", l.hosts[1])
	for k, host := range l.hosts {
		l.ip("-n", host, "addr", "add", fmt.Sprintf("10.9.%d.%d/24", n, k+1), "dev", name)
		l.ip("-n", host, "link", "set", name, "up")
	}
}

// apart puts a switch into Ethernet n, at host 1: the link of that host stays up when the other's goes down. Without one, when a host
// hears of the link at the other end is the kernel's choice, from at once to a second later.
func (l *lan) apart(n int) {
	l.t.Helper()
	name, cable := fmt.Sprintf("eth%d", n), fmt.Sprintf("cable%d", n)
	for _, args := range [][]string{
		{"link", "set", name, "down"},
		{"addr", "flush", "dev", name},
		{"link", "set", name, "name", cable},
		{"link", "add", name, "type", "bridge", "mcast_snooping", "0"},
		{"link", "add", "port", "type", "veth", "peer", "name", "neighbour"},
		{"link", "set", cable, "master", name},
		{"link", "set", "port", "master", name},
		{"addr", "add", fmt.Sprintf("10.9.%d.2/24", n), "dev", name},
		{"link", "set", cable, "up"},
		{"link", "set", "port", "up"},
		{"link", "set", "neighbour", "up"},
		{"link", "set", name, "up"},
	} {
		l.ip(append([]string{"-n", l.hosts[1]}, args...)...)
	}
}

func (l *lan) ip(args ...string) string {
	l.t.Helper()
	out, err := exec.Command("ip", args...).CombinedOutput()
	if err != nil {
		l.t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// set changes a link of host k.
func (l *lan) set(k int, args ...string) {
	l.t.Helper()
	l.ip(append([]string{"-n", l.hosts[k], "link", "set"}, args...)...)
}

// vip is an address of a virtual router on Ethernet n.
func vip(n, last int) config.Address {
	return config.Address{Prefix: netip.MustParsePrefix(fmt.Sprintf("10.9.%d.%d/32", n, last)), Interface: fmt.Sprintf("eth%d", n)}
}

// instance is a virtual router with a fast election.
func router(name string, ethernet, id, priority int) config.Instance {
	return config.Instance{
		Name: name, Interface: fmt.Sprintf("eth%d", ethernet), VRID: vrrp.VRID(id), Version: vrrp.Version3, Family: ipvs.IPv4,
		Priority: vrrp.Priority(priority), Interval: 100 * time.Millisecond, Preempt: true, DownAdverts: 3,
		Addresses:    []config.Address{vip(ethernet, 100+id)},
		AddressLease: config.AddressLease{Auto: true},
		Auth:         config.Auth{Type: config.AuthNone},
		Announce:     config.Announce{Count: 5, Refresh: time.Minute},
	}
}

// process is a VRRP process on a host, with the test in the place of supervisor and director.
type process struct {
	t      testing.TB
	host   string
	conn   *link.Conn
	ends   [2]*os.File
	memory *os.File
	notify *os.File
	cmd    *exec.Cmd

	generation uint64
	answers    []link.Outcome
	state      link.State
	events     []string // what happened, in order: instance, kind, reason, message
}

// elector starts a VRRP process on host k.
func (l *lan) elector(k int) *process {
	l.t.Helper()
	p := &process{t: l.t, host: l.hosts[k]}
	var err error
	if p.ends[0], p.ends[1], err = link.Pair(); err != nil {
		l.t.Fatal(err)
	}
	if p.conn, err = link.Open(int(p.ends[1].Fd())); err != nil {
		l.t.Fatal(err)
	}
	if p.memory, err = keep.Create("elector", 16<<20); err != nil {
		l.t.Fatal(err)
	}
	if p.notify, err = os.OpenFile(os.DevNull, os.O_WRONLY, 0); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		p.kill()
		for _, f := range []*os.File{p.ends[0], p.ends[1], p.memory, p.notify} {
			f.Close()
		}
		if l.t.Failed() {
			l.t.Logf("events on %s:\n%s", p.host, strings.Join(p.events, "\n"))
		}
	})
	p.start()
	return p
}

// start starts the process, or starts it again over the memory of the former one.
func (p *process) start() {
	p.t.Helper()
	exe, err := os.Executable()
	if err != nil {
		p.t.Fatal(err)
	}
	p.cmd = exec.Command("ip", "netns", "exec", p.host, exe)
	p.cmd.Env = append(os.Environ(), playElector+"=1", "GORACE=atexit_sleep_ms=0")
	p.cmd.ExtraFiles = []*os.File{p.ends[0], p.memory, p.notify} // 3, 4, 5
	p.cmd.Stderr = os.Stderr
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
}

// kill ends the process as a crash does.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// hear takes what the process says, for at most a moment.
func (p *process) hear() {
	p.t.Helper()
	if p.conn == nil { // a daemon of others, which says nothing to us
		time.Sleep(20 * time.Millisecond)
		return
	}
	_ = p.conn.Wait(20)
	for {
		m, err := p.conn.Receive()
		switch {
		case errors.Is(err, link.ErrEmpty):
			return
		case err != nil:
			p.t.Fatal(err)
		case m.State != nil:
			if m.State.PID == p.cmd.Process.Pid { // not what its predecessor left behind
				p.state = *m.State
			}
		case m.Happened != nil:
			p.events = append(p.events, strings.TrimSpace(fmt.Sprintf("%s %s %s: %s", m.Happened.Instance, m.Happened.Kind, m.Happened.Reason, m.Happened.Message)))
		case m.Prepared != nil:
			p.answers = append(p.answers, *m.Prepared)
		case m.Committed != nil:
			p.answers = append(p.answers, *m.Committed)
		}
	}
}

// until waits for something to be so.
func (p *process) until(what string, is func() bool) {
	p.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); p.hear() {
		if time.Now().After(deadline) {
			state, _ := json.Marshal(p.state)
			p.t.Fatalf("%s: never: %s\n%s", p.host, what, state)
		}
	}
}

// send gives the process a message.
func (p *process) send(m link.Message) {
	p.t.Helper()
	if err := p.conn.Send(m); err != nil {
		p.t.Fatal(err)
	}
}

// configure prepares and commits.
func (p *process) configure(groups []config.Group, instances ...config.Instance) {
	p.t.Helper()
	p.generation++
	g := p.generation
	for _, m := range []link.Message{
		{Prepare: &link.Prepare{Generation: g, Hash: fmt.Sprint(g), Instances: instances, Groups: groups}},
		{Commit: &link.Commit{Generation: g}},
	} {
		p.answers = nil
		p.send(m)
		p.until("an answer", func() bool { return len(p.answers) > 0 })
		if p.answers[0].Error != "" {
			p.t.Fatalf("%s: refused: %s", p.host, p.answers[0].Error)
		}
	}
}

// of is the state of one instance as last heard.
func (p *process) of(name string) link.InstanceState {
	for _, s := range p.state.Instances {
		if s.Name == name {
			return s
		}
	}
	return link.InstanceState{}
}

// untilAll waits until all the instances are in a state.
func (p *process) untilAll(want vrrp.State, names ...string) {
	p.t.Helper()
	p.until(fmt.Sprintf("%v are %s", names, want), func() bool {
		for _, name := range names {
			if p.of(name).State != want {
				return false
			}
		}
		return true
	})
}

// untilEvent waits for an event that contains all of the words, and returns it.
func (p *process) untilEvent(words ...string) string {
	p.t.Helper()
	found := ""
	p.until("an event with "+strings.Join(words, ", "), func() bool {
		for _, text := range p.events {
			all := true
			for _, w := range words {
				all = all && strings.Contains(text, w)
			}
			if all {
				found = text
			}
		}
		return found != ""
	})
	return found
}

// holds reports whether the kernel of the host has the address.
func (p *process) holds(a config.Address) bool {
	p.t.Helper()
	out, err := exec.Command("ip", "-n", p.host, "-o", "addr", "show", "to", a.Prefix.String()).Output()
	return err == nil && len(out) > 0
}
