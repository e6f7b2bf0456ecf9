package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lbha/lbha/cmd/internal/admin"
	"github.com/lbha/lbha/cmd/internal/observe"
)

func TestAPairElectsAndHandsOver(t *testing.T) {
	a, b := pairOf(t, "100ms")
	for deadline := time.Now().Add(5 * time.Second); b.until("backup").Master != "10.9.0.1"; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the backup believes that the master is %q", b.until("backup").Master)
		}
	}
	if b.holds() {
		t.Error("the backup holds the address")
	}

	// A stop is make before break: the successor is master before the address has left the old one.
	if err := a.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	in := b.until("master")
	if in.Reason != "preempted" {
		t.Errorf("the successor's reason is %q, want preempted: the old master must not have resigned", in.Reason)
	}
	if err := a.cmd.Wait(); err != nil {
		t.Errorf("a stop ends with %v, want exit status 0", err)
	}
	if a.holds() {
		t.Error("the stopped director still holds the address")
	}
	b.untilHeld(true, time.Second)

	// And back: the higher priority preempts.
	a.start()
	a.until("master")
	b.until("backup")
	b.untilHeld(false, time.Second)

	// A command does the same without a stop, and holds until it is lifted.
	if err := a.client.Failover(t.Context(), admin.FailoverRequest{}); err != nil {
		t.Fatal(err)
	}
	b.until("master")
	a.until("backup")
	time.Sleep(time.Second)
	a.until("backup")
	if err := a.client.Failover(t.Context(), admin.FailoverRequest{Lift: true}); err != nil {
		t.Fatal(err)
	}
	a.until("master")

	// Both orders are part of the instance's story.
	events, err := a.client.Events(t.Context(), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	var orders []string
	for _, e := range events.Events {
		if e.Kind == "operation" {
			orders = append(orders, e.Object+": "+e.Message)
		}
	}
	if want := []string{"web: hand-over asked for", "web: the order to stay out was lifted"}; !slices.Equal(orders, want) {
		t.Errorf("orders told of: %q, want %q", orders, want)
	}
}

func TestAnInterfaceMayComeLateAndGo(t *testing.T) {
	l := newLAN(t)
	l.ip("-n", l.hosts[0], "link", "del", "eth0")
	a := l.director(0, 200, "100ms")
	a.start()
	if in := a.until("fault"); !strings.HasPrefix(in.Reason, "link-down") {
		t.Errorf("without its interface the reason is %q, want link-down", in.Reason)
	}
	l.cable()
	a.until("master")
	a.untilHeld(true, time.Second)
	l.ip("-n", l.hosts[0], "link", "del", "eth0")
	a.until("fault")
	l.cable()
	a.until("master")
	a.untilHeld(true, time.Second)
}

func TestAnAddressThatSomebodyRemovedIsBackAtOnce(t *testing.T) {
	l := newLAN(t)
	a, _ := l.pair("1s")
	for range 5 {
		before := time.Now()
		l.ip("-n", a.host, "addr", "del", "10.9.0.100/32", "dev", "eth0")
		a.untilHeld(true, time.Second)
		if took := time.Since(before); took > 100*time.Millisecond {
			t.Errorf("the address was back after %v, want 100ms", took)
		}
	}
	if st := a.status(); st.Instances[0].State != "master" || st.Instances[0].Transition != 2 { // to backup at the start, to master
		t.Errorf("it made the master do something else: %+v", st.Instances[0])
	}
	events, err := a.client.Events(t.Context(), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(events.Events, func(e observe.Event) bool { return e.Reason == "address-lost" }) {
		t.Error("the journal does not tell of it")
	}
}

// TestAnAddressThatABackupShouldNotHaveIsFound: it answers beside the master's.
func TestAnAddressThatABackupShouldNotHaveIsFound(t *testing.T) {
	l := newLAN(t)
	_, b := l.pair("100ms")
	strays := func() int {
		n := 0
		for _, f := range b.status().Findings {
			if f.Object == "web" && f.Reason == "stray-address" {
				n++
			}
		}
		return n
	}
	untilStrays := func(want int) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); strays() != want; time.Sleep(50 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d findings of a stray address, want %d: %+v", strays(), want, b.status().Findings)
			}
		}
	}
	untilStrays(0)
	before := b.until("backup")
	for _, prefix := range []string{"10.9.0.100/32", "10.9.0.100/24"} { // or as somebody adds it who thinks of the network
		l.ip("-n", b.host, "addr", "add", prefix, "dev", "eth0")
		untilStrays(1)
		if !b.holds() {
			t.Errorf("%s was removed: it is not ours", prefix)
		}
		if in := b.until("backup"); in.Transition != before.Transition || in.Sent != before.Sent || in.Announced != before.Announced {
			t.Errorf("%s moved the backup, or made it speak: %+v, was %+v", prefix, in, before)
		}
		l.ip("-n", b.host, "addr", "del", prefix, "dev", "eth0")
		untilStrays(0)
	}
}

var reloads = flag.Int("reloads", 100, "how many reloads must leave nothing behind: 6000 take minutes")

// TestReloadsLeaveNothingBehind: neither descriptors nor memory, in any of the processes.
func TestReloadsLeaveNothingBehind(t *testing.T) {
	a, b := pairOf(t, "100ms")
	before := b.transitions()
	reload := func(n int) {
		for i := range n {
			a.more = fmt.Sprintf("preempt_delay = \"%ds\"\n", i%2)
			a.write(200-i%2, "100ms")
			if _, err := a.client.Reload(t.Context(), admin.ReloadRequest{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	reload(10)
	usage := func() (descriptors, kilobytes int) {
		for _, title := range []string{"lbha: vrrp", "lbha: director"} {
			pid := a.child(title)
			list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
			if err != nil {
				t.Fatal(err)
			}
			descriptors += len(list)
			text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
			for line := range strings.Lines(string(text)) {
				var kb int
				if n, _ := fmt.Sscanf(line, "RssAnon: %d kB", &kb); n == 1 {
					kilobytes += kb
				}
			}
		}
		return descriptors, kilobytes
	}
	descriptors, memory := usage()
	reload(*reloads)
	nowDescriptors, nowMemory := usage()
	t.Logf("after 10 reloads %d descriptors and %d kB, after %d more %d and %d", descriptors, memory, *reloads, nowDescriptors, nowMemory)
	if nowDescriptors > descriptors+4 { // a client that is just leaving
		t.Errorf("%d descriptors, were %d", nowDescriptors, descriptors)
	}
	if nowMemory > memory+32<<10 { // with the race detector memory is not what it is without
		t.Errorf("%d kB of memory, were %d", nowMemory, memory)
	}
	if got := b.transitions(); got != before {
		t.Errorf("the other director made %d transitions", got-before)
	}
}

func TestAReloadOfThePriorityMovesTheMaster(t *testing.T) {
	a, b := pairOf(t, "100ms")
	a.write(50, "100ms")
	if r, err := a.client.Reload(t.Context(), admin.ReloadRequest{}); err != nil || !r.OK {
		t.Fatalf("reload: %+v, %v", r, err)
	}
	b.until("master")
	if in := a.until("backup"); in.Priority != 50 {
		t.Errorf("priority %d is shown, want 50", in.Priority)
	}
	b.untilHeld(true, time.Second)
	a.untilHeld(false, time.Second)
}

func TestAUnicastPair(t *testing.T) {
	l := newLAN(t)
	a, b := l.director(0, 200, "100ms"), l.director(1, 100, "100ms")
	a.more = "unicast = { source = \"10.9.0.1\", peers = [\"10.9.0.2\", \"10.9.0.77\"] }\n" // one of them is not there
	b.more = "unicast = { peers = [\"10.9.0.1\"] }\n"
	a.write(200, "100ms")
	b.write(100, "100ms")
	a.start()
	a.until("master")
	b.start()
	b.until("backup")
	for deadline := time.Now().Add(10 * time.Second); b.until("backup").Received < 5; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the backup received %d adverts", b.until("backup").Received)
		}
	}
	a.cmd.Process.Signal(syscall.SIGTERM)
	b.until("master")
	b.untilHeld(true, time.Second)

	// A peer that is not expected is counted, on the side that is told of nobody.
	b.more = "unicast = { peers = [\"10.9.0.77\"] }\n"
	b.write(100, "100ms")
	if r, err := b.client.Reload(t.Context(), admin.ReloadRequest{}); err != nil || !r.OK {
		t.Fatalf("reload: %+v, %v", r, err)
	}
	a.cmd.Wait()
	a.start()
	a.until("master")
	for deadline := time.Now().Add(5 * time.Second); b.status().Instances[0].Dropped["unknown-peer"] == 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("adverts of an unknown peer are not counted: %v", b.status().Instances[0].Dropped)
		}
	}
}
