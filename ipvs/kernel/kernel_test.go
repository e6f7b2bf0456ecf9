package kernel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lbha/lbha/ipvs"
	"github.com/lbha/lbha/ipvs/ipvstest"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// namespace makes a network namespace that lives as long as the test, and
// returns its path.
func namespace(t testing.TB) string {
	t.Helper()
	type result struct {
		file *os.File
		err  error
	}
	made := make(chan result)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			made <- result{nil, err}
			return
		}
		f, err := os.Open("/proc/thread-self/ns/net")
		made <- result{f, err}
	}()
	r := <-made
	if errors.Is(r.err, syscall.EPERM) {
		t.Skip("network namespaces need root")
	}
	if r.err != nil {
		t.Fatal(r.err)
	}
	t.Cleanup(func() { r.file.Close() })
	path := fmt.Sprintf("/proc/self/fd/%d", r.file.Fd())
	within(t, path, func() error { return exec.Command("ip", "link", "set", "lo", "up").Run() })
	return path
}

// within runs f in the network namespace, on a thread of its own.
func within(t testing.TB, path string, f func() error) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		done <- func() error {
			ns, err := os.Open(path)
			if err != nil {
				return err
			}
			defer ns.Close()
			if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
				return err
			}
			return f()
		}()
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// open returns a connection to the empty IPVS of a new namespace.
func open(t testing.TB, ns string) *Conn {
	t.Helper()
	c, err := Open(t.Context(), Options{Namespace: ns})
	if errors.Is(err, ipvs.ErrUnavailable) {
		t.Skip("kernel has no IPVS; run by the lab inside the user-mode kernel")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func openNew(t *testing.T) ipvs.Kernel { return open(t, namespace(t)) }

// TestUnavailable checks that a kernel without IPVS is never taken for one that
// obeys.
func TestUnavailable(t *testing.T) {
	ns := namespace(t)
	c := New(Options{Namespace: ns})
	defer c.Close()
	if _, err := c.List(t.Context()); err == nil {
		t.Skip("only where the kernel has no IPVS, and this one has it")
	}
	ctx := t.Context()
	add := ipvs.Op{Action: ipvs.AddService, Service: ipvs.Service{Key: ipvs.MarkKey(1, ipvs.IPv4), Scheduler: "rr"}}
	for name, call := range map[string]func() error{
		"Open":      func() error { _, err := Open(ctx, Options{Namespace: ns}); return err },
		"List":      func() error { _, err := c.List(ctx); return err },
		"Apply":     func() error { return c.Apply(ctx, []ipvs.Op{add}) },
		"Settings":  func() error { _, err := c.Settings(ctx); return err },
		"Configure": func() error { return c.Configure(ctx, ipvs.Settings{}) },
		"Info":      func() error { _, err := c.Info(ctx); return err },
		"Zero":      func() error { return c.Zero(ctx, ipvs.Key{}) },
		"Flush":     func() error { return c.Flush(ctx) },
	} {
		if err := call(); !errors.Is(err, ipvs.ErrUnavailable) {
			t.Errorf("%s: %v, want %v", name, err, ipvs.ErrUnavailable)
		}
	}
}

func TestConformance(t *testing.T) { ipvstest.Conformance(t, openNew) }

func TestConvergence(t *testing.T) { ipvstest.Convergence(t, openNew) }

// TestCounters has a connection go through the director, and reads and zeroes
// what the kernel counted.
func TestCounters(t *testing.T) {
	ns := namespace(t)
	c := open(t, ns)
	ctx := t.Context()
	vip, rip := netip.MustParseAddrPort("10.9.0.100:80"), netip.MustParseAddrPort("10.9.0.3:80")
	web := ipvs.Service{Key: ipvs.NewKey(ipvs.TCP, vip), Scheduler: "rr"}
	table := ipvs.NewTable(ipvs.Pool{Service: web, Servers: []ipvs.Server{{Addr: rip, Forward: ipvs.NAT, Weight: 1}}})
	if err := c.Apply(ctx, ipvs.Diff(table, nil)); err != nil {
		t.Fatal(err)
	}
	var client net.Conn
	within(t, ns, func() error {
		for _, a := range []netip.AddrPort{vip, rip} {
			if out, err := exec.Command("ip", "addr", "add", a.Addr().String()+"/32", "dev", "lo").CombinedOutput(); err != nil {
				return fmt.Errorf("ip addr add: %s", out)
			}
		}
		l, err := net.Listen("tcp", rip.String())
		if err != nil {
			return err
		}
		defer l.Close() // the backlog accepts
		client, err = net.Dial("tcp", vip.String())
		return err
	})
	defer client.Close()

	read := func() ipvs.PoolStats {
		t.Helper()
		snap, err := c.List(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return snap.Stats[web.Key]
	}
	server := read().Servers[rip]
	if server.Active+server.Inactive != 1 {
		t.Errorf("%d active and %d inactive connections, want 1 of either", server.Active, server.Inactive)
	}
	// The estimator counts every 2 s.
	deadline := time.Now().Add(6 * time.Second)
	st := read()
	for ; st.Service.Connections == 0 && time.Now().Before(deadline); st = read() {
		time.Sleep(100 * time.Millisecond)
	}
	if st.Service.Connections != 1 || st.Servers[rip].Connections != 1 || st.Service.PacketsIn < 2 || st.Service.BytesIn < 80 {
		t.Errorf("after one connection: %+v", st)
	}

	other := ipvs.MarkKey(7, ipvs.IPv4)
	if err := c.Zero(ctx, other); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("zero a service that is not there: %v, want %v", err, syscall.ESRCH)
	}
	if err := c.Zero(ctx, web.Key); err != nil {
		t.Fatal(err)
	}
	if st := read(); st.Service.Connections != 0 || st.Servers[rip].Connections != 0 {
		t.Errorf("after zero: %+v", st)
	}
	if err := c.Zero(ctx, ipvs.Key{}); err != nil {
		t.Errorf("zero all: %v", err)
	}
}

func TestDaemons(t *testing.T) {
	c := open(t, namespace(t))
	ctx := t.Context()
	set := func(daemons ...ipvs.Daemon) []ipvs.Daemon {
		t.Helper()
		if err := c.Configure(ctx, ipvs.Settings{Daemons: append([]ipvs.Daemon{}, daemons...)}); err != nil {
			t.Fatal(err)
		}
		s, err := c.Settings(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return s.Daemons
	}
	master := ipvs.Daemon{Role: ipvs.SyncMaster, Interface: "lo", ID: 51}
	backup := ipvs.Daemon{Role: ipvs.SyncBackup, Interface: "lo", ID: 51,
		MaxLen: 1000, Group: netip.MustParseAddr("224.0.0.99"), Port: 9000, TTL: 3}
	got := set(master)
	if len(got) != 1 || !got[0].Satisfies(master) || got[0].Port != 8848 || got[0].Group.String() != "224.0.0.81" {
		t.Fatalf("one daemon: %+v", got)
	}
	got = set(master, backup)
	if len(got) != 2 || !got[0].Satisfies(master) || !got[1].Satisfies(backup) || got[1].Port != 9000 {
		t.Fatalf("two daemons: %+v, want %+v and %+v", got, master, backup)
	}
	master.ID = 52 // can only be stopped and started
	got = set(master, backup)
	if len(got) != 2 || !got[0].Satisfies(master) {
		t.Fatalf("another ID: %+v", got)
	}
	if got = set(); len(got) != 0 {
		t.Fatalf("no daemons: %+v", got)
	}
}

func TestInfoAndFlush(t *testing.T) {
	c := open(t, namespace(t))
	info, err := c.Info(t.Context())
	if err != nil || info.Major < 1 || info.ConnectionTableSize == 0 {
		t.Errorf("info: %+v, %v", info, err)
	}
	add := ipvs.Op{Action: ipvs.AddService, Service: ipvs.Service{Key: ipvs.MarkKey(1, ipvs.IPv4), Scheduler: "rr"}}
	if err := c.Apply(t.Context(), []ipvs.Op{add}); err != nil {
		t.Fatal(err)
	}
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if snap, err := c.List(t.Context()); err != nil || len(snap.Table) > 0 {
		t.Errorf("after flush: %v, %v", snap.Table, err)
	}
}

// TestNamespaces checks that two connections keep to their namespaces.
func TestNamespaces(t *testing.T) {
	a, b := open(t, namespace(t)), open(t, namespace(t))
	svc := ipvs.Service{Key: ipvs.MarkKey(1, ipvs.IPv4), Scheduler: "rr"}
	server := ipvs.Server{Addr: netip.MustParseAddrPort("10.9.0.3:0"), Forward: ipvs.DR, Weight: 1}
	if err := a.Apply(t.Context(), ipvs.Diff(ipvs.NewTable(ipvs.Pool{Service: svc, Servers: []ipvs.Server{server}}), nil)); err != nil {
		t.Fatal(err)
	}
	if snap, err := b.List(t.Context()); err != nil || len(snap.Table) > 0 {
		t.Errorf("the other namespace has\n%v%v", snap.Table, err)
	}
	if _, err := New(Options{Namespace: "/nonexistent"}).List(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a namespace that is not there: %v", err)
	}
}

// TestPermission checks that a lack of rights has its name.
func TestPermission(t *testing.T) {
	ns := namespace(t)
	open(t, ns)
	within(t, ns, func() error {
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		if err := unix.Capset(&header, &none[0]); err != nil { // of this thread only
			return err
		}
		c := New(Options{})
		defer c.Close()
		if _, err := c.List(t.Context()); !errors.Is(err, ipvs.ErrPermission) {
			t.Errorf("List: %v, want %v", err, ipvs.ErrPermission)
		}
		op := ipvs.Op{Action: ipvs.DeleteServer, Service: ipvs.Service{Key: ipvs.MarkKey(1, ipvs.IPv4)}, Server: ipvs.Server{Addr: netip.MustParseAddrPort("10.9.0.3:0")}}
		if err := c.Apply(t.Context(), []ipvs.Op{op}); !errors.Is(err, ipvs.ErrPermission) {
			t.Errorf("Apply: %v, want %v", err, ipvs.ErrPermission)
		}
		return nil
	})
}

// TestReconciler runs the reconciler on the real kernel: a table is brought
// about, a foreign edit is undone, and a second start changes nothing.
func TestReconciler(t *testing.T) {
	ns := namespace(t)
	want := ipvs.NewTable(ipvs.Pool{
		Service: ipvs.Service{Key: ipvs.MarkKey(1, ipvs.IPv4), Scheduler: "wlc"},
		Servers: []ipvs.Server{
			{Addr: netip.MustParseAddrPort("10.9.0.3:0"), Forward: ipvs.DR, Weight: 1},
			{Addr: netip.MustParseAddrPort("10.9.0.4:0"), Forward: ipvs.DR, Weight: 2},
		},
	})
	reconcile := func() []ipvs.Op {
		t.Helper()
		r := ipvs.NewReconciler(open(t, ns), ipvs.Options{})
		done := make(chan error)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { done <- r.Run(ctx) }()
		defer func() { cancel(); <-done }()
		r.Set(ipvs.Want{Table: want})
		rep, err := r.Sync(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := rep.State.Table.String(); got != want.String() {
			t.Fatalf("table:\n%swant:\n%s", got, want)
		}
		return rep.Ops
	}
	text := func(ops []ipvs.Op) string { return strings.TrimSpace(fmt.Sprintln(ops)) }
	if got := reconcile(); len(got) != 3 {
		t.Errorf("first: %s", text(got))
	}
	if got := reconcile(); len(got) != 0 {
		t.Errorf("second: %s", text(got))
	}
	if _, err := exec.LookPath("ipvsadm"); err != nil {
		t.Skip("the command ipvsadm (package ipvsadm) is missing: no foreign edit can be made")
	}
	within(t, ns, func() error {
		out, err := exec.Command("ipvsadm", "-e", "-f", "1", "-r", "10.9.0.4:0", "-g", "-w", "9").CombinedOutput()
		if err != nil {
			return fmt.Errorf("ipvsadm: %s", out)
		}
		return nil
	})
	if got := text(reconcile()); got != "[-e -f 1 -r 10.9.0.4:0 -g -w 2]" {
		t.Errorf("after a foreign edit: %s", got)
	}
}

// TestServicesOfOthers runs a reconciler beside what another program has in the kernel: it is left alone, in whatever is done to our
// own, unless the table is ours alone. One of our services needs a scheduler that this kernel does not have: the others come all the
// same, and it is told what is missing.
func TestServicesOfOthers(t *testing.T) {
	ns := namespace(t)
	c := open(t, ns)
	rules := func(text string) ipvs.Table {
		table, err := ipvs.ParseRules(text, nil)
		if err != nil {
			t.Fatal(err)
		}
		return table
	}
	const (
		foreign = "-A -f 9 -s rr\n-a -f 9 -r 10.9.0.9:0 -g -w 7\n"
		ours    = "-A -f 1 -s wlc\n-a -f 1 -r 10.9.0.3:0 -g -w 1\n"
		exotic  = "-A -f 2 -s twos\n-a -f 2 -r 10.9.0.3:0 -g -w 1\n"
	)
	if err := c.Apply(t.Context(), ipvs.Diff(rules(foreign), nil)); err != nil {
		t.Fatal(err)
	}
	r := ipvs.NewReconciler(open(t, ns), ipvs.Options{})
	done := make(chan error)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { done <- r.Run(ctx) }()
	defer func() { cancel(); <-done }()
	reach := func(w ipvs.Want, want string) *ipvs.State {
		t.Helper()
		r.Set(w)
		rep, err := r.Sync(t.Context())
		if err != nil && w.Table.String() == rules(want).String() {
			t.Error(err)
		}
		snap, err := c.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := snap.Table.String(); got != rules(want).String() {
			t.Errorf("table:\n%swant:\n%s", got, rules(want))
		}
		return rep.State
	}
	if s := reach(ipvs.Want{Table: rules(ours)}, foreign+ours); len(s.Foreign) != 1 {
		t.Errorf("services of others: %v", s.Foreign)
	}
	reach(ipvs.Want{Table: ipvs.Table{}}, foreign)
	s := reach(ipvs.Want{Table: rules(ours + exotic)}, foreign+ours)
	if s.Err == nil || !strings.Contains(s.Err.Error(), "no module ip_vs_twos") {
		t.Errorf("without its scheduler the state is %+v", s)
	}
	reach(ipvs.Want{Table: rules(ours), Exclusive: true}, ours)
}
