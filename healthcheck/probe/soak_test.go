package probe

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lbha/lbha/healthcheck"
)

var soak = flag.Duration("soak", 2*time.Second, "how long TestSoak probes")

// use is what a process holds: heap is in KiB, waiting are the ports in TIME_WAIT.
type use struct{ files, goroutines, objects, heap, waiting int }

// TestSoak probes real sockets of servers that are well, absent, silent and slow, with
// -soak for as long as one likes. Descriptors, goroutines and memory stay what they
// were, and no port waits for anything: each connection ends in a reset.
func TestSoak(t *testing.T) {
	well := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "well") }))
	defer well.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // the kernel accepts; nobody answers
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil { // a byte at a time
			fmt.Fprint(w, "x")
			http.NewResponseController(w).Flush()
			time.Sleep(20 * time.Millisecond)
		}
	}))
	defer slow.Close()
	at := func(a net.Addr) netip.AddrPort { return netip.MustParseAddrPort(a.String()) }
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	absent := at(gone.Addr())
	gone.Close()

	var set []healthcheck.Check
	add := func(o Options) {
		p, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		set = append(set, healthcheck.Check{ID: fmt.Sprint(len(set)), Prober: p, Spec: healthcheck.Spec{
			Interval: 100 * time.Millisecond, Timeout: 90 * time.Millisecond, Policy: healthcheck.Policy{Rise: 1, Fall: 1},
		}})
	}
	for range 10 {
		for _, target := range []netip.AddrPort{at(well.Listener.Addr()), at(silent.Addr()), at(slow.Listener.Addr()), absent} {
			add(Options{Type: healthcheck.TypeTCP, Target: target})
			add(Options{Type: healthcheck.TypeHTTP, Target: target})
			// Not for the poller: in a goroutine of its own.
			add(Options{Type: healthcheck.TypeHTTP, Target: target, HTTP: HTTP{Redirects: 1}})
		}
	}
	poller, err := NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	c := healthcheck.NewChecker(healthcheck.Options{Starter: poller})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 2)
	go func() { done <- c.Run(ctx) }()
	go func() { done <- poller.Run(ctx) }()
	defer func() {
		cancel()
		for range cap(done) {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	}()

	rest := func() use { // without probes, and what the servers had of them
		if err := c.Update(ctx, nil); err != nil {
			t.Fatal(err)
		}
		var u use
		for deadline, last := time.Now().Add(slack), (use{}); ; last = u {
			runtime.GC()
			if u = measure(t, at(well.Listener.Addr()), at(slow.Listener.Addr()), at(silent.Addr())); u.files == last.files && u.goroutines == last.goroutines || time.Now().After(deadline) {
				return u
			}
			time.Sleep(200 * time.Millisecond)
		}
	}
	if err := c.Update(ctx, set); err != nil {
		t.Fatal(err)
	}
	time.Sleep(*soak / 4)
	first := rest()
	if err := c.Update(ctx, set); err != nil {
		t.Fatal(err)
	}
	for n := range 9 {
		time.Sleep(*soak / 12)
		if *soak >= time.Minute {
			t.Logf("after %v: %d probes; %+v", *soak/4+*soak*time.Duration(n+1)/12, c.Stats().Started, measure(t, at(well.Listener.Addr()), at(slow.Listener.Addr()), at(silent.Addr())))
		}
	}
	last := rest()
	s := c.Stats()
	t.Logf("%d probes; at rest %+v, and then %+v", s.Started, first, last)
	if s.Started < uint64(len(set)) {
		t.Errorf("%d probes of %d checks", s.Started, len(set))
	}
	if last.files > first.files+2 || last.goroutines > first.goroutines+2 || last.objects > first.objects+5000 {
		t.Errorf("at rest %+v, and then %+v", first, last)
	}
	if last.waiting > 0 {
		t.Errorf("%d ports are in TIME_WAIT", last.waiting)
	}
}

// measure counts what this process holds, and the ports that wait after connections to
// the servers.
func measure(t *testing.T, servers ...netip.AddrPort) use {
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return use{files: len(files), goroutines: runtime.NumGoroutine(), objects: int(m.HeapObjects), heap: int(m.HeapInuse >> 10), waiting: timeWaits(t, servers)}
}

// timeWaits counts the sockets of our side that wait, by /proc/net/tcp: "sl local remote
// state …", in hexadecimal, with state 06 for TIME_WAIT.
func timeWaits(t *testing.T, servers []netip.AddrPort) (n int) {
	file, err := os.Open("/proc/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || fields[3] != "06" {
			continue
		}
		_, text, _ := strings.Cut(fields[2], ":")
		port, err := strconv.ParseUint(text, 16, 16)
		for _, s := range servers {
			if err == nil && uint16(port) == s.Port() {
				n++
			}
		}
	}
	return n
}
