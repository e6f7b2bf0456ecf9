package director

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/cmd/internal/admin"
	"github.com/lbha/lbha/cmd/internal/keep"
	"github.com/lbha/lbha/cmd/internal/link"
	"github.com/lbha/lbha/cmd/internal/observe"
	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/ipvs"
	"github.com/lbha/lbha/ipvs/ipvstest"
)

// host is what surrounds a director under test: a kernel in memory, an elector that is played, real servers on loopback,
// the files, and the memory that outlives it.
type host struct {
	*playedElector
	t      testing.TB
	dir    string
	kernel *ipvstest.Kernel
	memory *os.File
	links  [2]*os.File // the elector's end, the director's
	client *admin.Client
	end    func() error // ends the director that runs; nil while none does
}

func newHost(t testing.TB) *host {
	t.Helper()
	if t, ok := t.(*testing.T); ok {
		t.Parallel() // hosts share nothing, and mostly wait
	}
	return anotherHost(t)
}

// anotherHost is a host of a test that has one already.
func anotherHost(t testing.TB) *host {
	t.Helper()
	h := &host{t: t, dir: t.TempDir(), kernel: ipvstest.NewKernel(), playedElector: newPlayedElector()}
	var err error
	if h.memory, err = keep.Create("test", 1<<20); err != nil {
		t.Fatal(err)
	}
	if h.links[0], h.links[1], err = link.Pair(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); h.playedElector.run(ctx, t, int(h.links[0].Fd())) }()
	t.Cleanup(func() { cancel(); <-done; h.links[0].Close(); h.links[1].Close(); h.memory.Close() })
	h.client = admin.NewClient(h.control())
	return h
}

// newPair is a host whose service has two servers. Nothing runs yet.
func newPair(t testing.TB) (h *host, a, b net.Listener) {
	t.Helper()
	h = newHost(t)
	a, b = h.server(), h.server()
	h.write(a, b)
	return h, a, b
}

// startPair runs the director of newPair, until both servers are in its table.
func startPair(t testing.TB) (h *host, a, b net.Listener) {
	t.Helper()
	h, a, b = newPair(t)
	h.start()
	h.untilIn(a, b)
	return h, a, b
}

// server is a real server on loopback.
func (h *host) server() net.Listener {
	h.t.Helper()
	return h.listen("127.0.0.1:0")
}

// listen is a real server that greets nobody: it ends each connection at once.
func (h *host) listen(address string) net.Listener {
	h.t.Helper()
	l, err := net.Listen("tcp4", address)
	if err != nil {
		h.t.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	h.t.Cleanup(func() { l.Close() })
	return l
}

// start runs a director until stop, or the end of the test.
func (h *host) start() {
	h.t.Helper()
	conn, err := link.Open(int(h.links[1].Fd()))
	if err != nil {
		h.t.Fatal(err)
	}
	region, err := keep.Open(h.memory)
	if err != nil {
		h.t.Fatal(err)
	}
	cfg, err := configuration(region, h.path())
	if err != nil {
		h.t.Fatal(err)
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		h.t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	d := newDirector(h.path(), "test", cfg, log, new(slog.LevelVar), conn, region, observe.NewNotifier(fds[1]))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- d.run(ctx, func(context.Context, *config.Config) (ipvs.Kernel, error) { return h.kernel, nil })
	}()
	h.end = func() error {
		cancel()
		err := <-ended
		region.Close()
		unix.Close(fds[0])
		unix.Close(fds[1])
		return err
	}
	h.t.Cleanup(h.stop)
	h.until("ready", func() bool {
		buf := make([]byte, 4096)
		n, _, err := unix.Recvfrom(fds[0], buf, unix.MSG_DONTWAIT)
		return err == nil && strings.HasPrefix(string(buf[:n]), "READY=1")
	})
}

// stop ends the director that runs, if one does; it must end without an error.
func (h *host) stop() {
	h.t.Helper()
	if h.end == nil {
		return
	}
	end := h.end
	h.end = nil
	if err := end(); err != nil {
		h.t.Fatalf("the director ended with %v", err)
	}
}

// forget empties the memory that outlives a director.
func (h *host) forget() {
	h.memory.Truncate(0)
	h.memory.Truncate(1 << 20)
}

func (h *host) until(what string, ok func() bool) {
	h.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			st, _ := h.client.Status(context.Background())
			h.t.Fatalf("never %s; table:\n%s\nstatus: %+v", what, h.kernel.Table(), st)
		}
	}
}

// untilIn waits until every server is in the table.
func (h *host) untilIn(servers ...net.Listener) {
	h.t.Helper()
	for _, s := range servers {
		h.until(s.Addr().String()+" in", func() bool { return h.inTable(s) })
	}
}

// untilOut waits until the server is in the table no more.
func (h *host) untilOut(s net.Listener) {
	h.t.Helper()
	h.until(s.Addr().String()+" out", func() bool { return !h.inTable(s) })
}

func (h *host) inTable(s net.Listener) bool {
	return strings.Contains(h.kernel.Table().String(), s.Addr().String())
}

// writes begins to watch the table: written is what was written to it since, an operation a line.
func (h *host) writes() (written func() string) {
	before := len(h.kernel.Ops())
	return func() string {
		var b strings.Builder
		for _, op := range h.kernel.Ops()[before:] {
			fmt.Fprintln(&b, op)
		}
		return b.String()
	}
}

// busy gives a server of the kernel connections.
func (h *host) busy(s net.Listener, active uint32) {
	h.t.Helper()
	addr := netip.MustParseAddrPort(s.Addr().String())
	h.kernel.SetStats(key(h.t, "tcp/10.9.0.100:80"), ipvs.PoolStats{Servers: map[netip.AddrPort]ipvs.ServerStats{addr: {Active: active}}})
}

func (h *host) reload() *admin.ReloadResult {
	h.t.Helper()
	r, err := h.client.Reload(context.Background(), admin.ReloadRequest{})
	if err != nil {
		h.t.Fatal(err)
	}
	return r
}

func (h *host) status() *observe.Status {
	h.t.Helper()
	st, err := h.client.Status(context.Background())
	if err != nil {
		h.t.Fatal(err)
	}
	return st
}

// hash is that of the configuration in force.
func (h *host) hash() string {
	h.t.Helper()
	return h.status().Config.Hash
}

// events is the whole journal.
func (h *host) events() []observe.Event {
	h.t.Helper()
	events, err := h.client.Events(context.Background(), 0, 0)
	if err != nil {
		h.t.Fatal(err)
	}
	return events.Events
}

func (h *host) path() string    { return filepath.Join(h.dir, "lbha.toml") }
func (h *host) control() string { return filepath.Join(h.dir, "lbha.sock") }

func key(t testing.TB, text string) ipvs.Key {
	t.Helper()
	k, err := ipvs.ParseKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return k
}
