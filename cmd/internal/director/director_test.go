package director

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
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
	"github.com/lbha/lbha/vrrp"
)

// host is what surrounds a director under test: a kernel in memory, an elector that obeys (or not), real servers on
// loopback, and the memory file that outlives it.
type host struct {
	t      testing.TB
	dir    string
	kernel *ipvstest.Kernel
	memory *os.File
	links  [2]*os.File
	refuse chan string // what the elector answers to the next Prepare, if anything
	asked  chan string // what the elector was asked
	told   atomic.Pointer[link.Tracks]
	say    chan link.Message // what the elector is to say
	pid    atomic.Int64      // of the elector, from its next State on; 0: 1
	backup atomic.Bool       // the elector is master no more
	slow   atomic.Bool       // the elector takes 100 ms to answer a commit, and speaks of it before
	client *admin.Client
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
	h := &host{t: t, dir: t.TempDir(), kernel: ipvstest.NewKernel(), refuse: make(chan string, 1), asked: make(chan string, 64), say: make(chan link.Message, 64)}
	var err error
	if h.memory, err = keep.Create("test", 1<<20); err != nil {
		t.Fatal(err)
	}
	if h.links[0], h.links[1], err = link.Pair(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); h.elect(ctx) }()
	t.Cleanup(func() { cancel(); <-done; h.links[0].Close(); h.links[1].Close(); h.memory.Close() })
	h.client = admin.NewClient(filepath.Join(h.dir, "lbha.sock"))
	return h
}

// elect plays the elector.
func (h *host) elect(ctx context.Context) {
	conn, err := link.Open(int(h.links[0].Fd()))
	if err != nil {
		h.t.Error(err)
		return
	}
	var prepared link.Prepare
	state := func() {
		s := link.State{PID: int(max(1, h.pid.Load())), Hash: prepared.Hash}
		s.Instances = []link.InstanceState{{Name: "web", VRID: 51, State: vrrp.Master, Reason: vrrp.ReasonNoMaster}}
		if h.backup.Load() {
			s.Instances[0].State = vrrp.Backup
		}
		s.Instances[0].Seen = []link.Seen{{Kind: config.TrackInterface, Target: "eth1", Weight: -20, Text: "interface eth1 is down"}}
		_ = conn.Send(link.Message{State: &s})
	}
	for ctx.Err() == nil {
		m, err := conn.Receive()
		if err != nil {
			_ = conn.Wait(10)
			for len(h.say) > 0 {
				_ = conn.Send(<-h.say)
			}
			if int64(1) < h.pid.Load() || h.backup.Load() {
				state()
			}
			continue
		}
		switch {
		case m.Tracks != nil:
			h.told.Store(m.Tracks)
		case m.Prepare != nil:
			prepared = *m.Prepare
			o := link.Outcome{Generation: prepared.Generation}
			select {
			case o.Error = <-h.refuse:
			default:
			}
			h.asked <- fmt.Sprintf("prepare %d", len(prepared.Instances))
			_ = conn.Send(link.Message{Prepared: &o})
		case m.Commit != nil:
			h.asked <- "commit"
			if h.slow.Load() {
				_ = conn.Send(link.Message{State: &link.State{PID: 1, Hash: prepared.Hash}})
				time.Sleep(100 * time.Millisecond)
			}
			_ = conn.Send(link.Message{Committed: &link.Outcome{Generation: m.Commit.Generation}})
			state()
		}
	}
}

func (h *host) wasAsked() (all []string) {
	for {
		select {
		case a := <-h.asked:
			all = append(all, a)
		default:
			return all
		}
	}
}

// server is a real server on loopback.
func (h *host) server() net.Listener {
	h.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
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

// write makes the configuration: one instance, one service with a tcp check, these servers.
func (h *host) write(servers ...net.Listener) {
	h.t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, `[global]
name = "lb1"
control = %q
state_dir = %q
[[vrrp]]
name = "web"
interface = "eth0"
id = 51
addresses = ["10.9.0.100/32"]
[[service]]
name = "www"
address = "10.9.0.100:80"
scheduler = "rr"
forward = "nat"
[service.check]
type = "tcp"
interval = "100ms"
timeout = "80ms"
rise = 1
fall = 2
`, filepath.Join(h.dir, "lbha.sock"), h.dir)
	for _, s := range servers {
		fmt.Fprintf(&b, "[[service.server]]\naddress = %q\n", s.Addr())
	}
	h.writeText(b.String())
}

func (h *host) writeText(text string) {
	h.t.Helper()
	if err := os.WriteFile(h.path(), []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) path() string { return filepath.Join(h.dir, "lbha.toml") }

// start runs a director until stop, or the end of the test.
func (h *host) start() (stop func() error) {
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
	stopped := false
	stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		err := <-ended
		region.Close()
		unix.Close(fds[0])
		unix.Close(fds[1])
		return err
	}
	h.t.Cleanup(func() {
		if err := stop(); err != nil {
			h.t.Errorf("the director ended with %v", err)
		}
	})
	h.until("ready", func() bool {
		buf := make([]byte, 4096)
		n, _, err := unix.Recvfrom(fds[0], buf, unix.MSG_DONTWAIT)
		return err == nil && strings.HasPrefix(string(buf[:n]), "READY=1")
	})
	return stop
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

func (h *host) inTable(s net.Listener) bool {
	return strings.Contains(h.kernel.Table().String(), s.Addr().String())
}

func (h *host) reload() *admin.ReloadResult {
	h.t.Helper()
	r, err := h.client.Reload(context.Background(), admin.ReloadRequest{})
	if err != nil {
		h.t.Fatal(err)
	}
	return r
}

func TestServersComeAndGoWithTheirHealth(t *testing.T) {
	h := newHost(t)
	a, b := h.server(), h.server()
	h.write(a, b)
	h.start()
	if got, want := strings.Join(h.wasAsked(), ", "), "prepare 1, prepare 1, commit"; got != want {
		t.Errorf("the elector was asked %q, want %q", got, want)
	}
	h.until("both in", func() bool { return h.inTable(a) && h.inTable(b) })
	b.Close()
	h.until("b out", func() bool { return !h.inTable(b) })
	if !h.inTable(a) {
		t.Error("the healthy server went too")
	}
	st, err := h.client.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := st.Instances[0].State; got != "master" {
		t.Errorf("instance is %s, want what the elector said", got)
	}
	if r := st.Services[0].Servers[1]; r.State != "down" || !strings.Contains(r.Reason, "refused") {
		t.Errorf("status of b: %+v; want down, refused", r)
	}
	events, err := h.client.Events(t.Context(), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	told := false
	for _, e := range events.Events {
		told = told || e.Kind == "server" && e.Reason == "refused" && e.Object == "www/"+b.Addr().String()
	}
	if !told {
		t.Errorf("the journal does not say why b went: %+v", events.Events)
	}
}

func TestAPanicIsShown(t *testing.T) {
	h := newHost(t)
	a, b := h.server(), h.server()
	h.write(a, b)
	text, err := os.ReadFile(h.path())
	if err != nil {
		t.Fatal(err)
	}
	h.writeText(strings.Replace(string(text), `scheduler = "rr"`, "scheduler = \"rr\"\npanic_threshold = 0.6", 1))
	h.start()
	h.until("both in", func() bool { return h.inTable(a) && h.inTable(b) })
	b.Close()
	h.until("panic shown", func() bool {
		st, err := h.client.Status(t.Context())
		return err == nil && st.Services[0].Panic && slices.ContainsFunc(st.Findings, func(f observe.Finding) bool { return f.Object == "www" && f.Reason == "panic" })
	})
	if !h.inTable(b) {
		t.Error("the dead server was removed in a panic")
	}
}

func TestARestartTouchesNothingThatIsRight(t *testing.T) {
	h := newHost(t)
	a, b := h.server(), h.server()
	h.write(a, b)
	stop := h.start()
	h.until("both in", func() bool { return h.inTable(a) && h.inTable(b) })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	before := len(h.kernel.Ops())
	for _, loss := range []string{"nothing", "the memory file", "every saved state"} {
		if loss != "nothing" {
			h.memory.Truncate(0)
			h.memory.Truncate(1 << 20)
		}
		if loss == "every saved state" {
			os.Remove(filepath.Join(h.dir, stateFile))
		}
		stop = h.start()
		time.Sleep(300 * time.Millisecond) // three rounds of checks
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if ops := h.kernel.Ops()[before:]; len(ops) != 0 {
			t.Errorf("a restart that lost %s wrote to the table: %v", loss, ops)
		}
	}
}

func TestADeadServerDoesNotReturnByARestart(t *testing.T) {
	h := newHost(t)
	a, b := h.server(), h.server()
	h.write(a, b)
	stop := h.start()
	b.Close()
	h.until("a in and b out", func() bool { return h.inTable(a) && !h.inTable(b) })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	before := len(h.kernel.Ops())
	h.start()
	time.Sleep(300 * time.Millisecond)
	if ops := h.kernel.Ops()[before:]; len(ops) != 0 {
		t.Errorf("a restart wrote to the table: %v", ops)
	}
}

func TestReloadTouchesOnlyWhatDiffers(t *testing.T) {
	h := newHost(t)
	a, b := h.server(), h.server()
	h.write(a)
	h.start()
	h.until("a in", func() bool { return h.inTable(a) })
	h.wasAsked()
	before := len(h.kernel.Ops())
	if r := h.reload(); !r.OK || len(r.Changes) != 0 {
		t.Errorf("reload of the same: %+v; want no change", r)
	}
	h.write(a, b)
	if r := h.reload(); !r.OK || len(r.Changes) == 0 {
		t.Errorf("reload with one more server: %+v", r)
	}
	h.until("b in", func() bool { return h.inTable(b) })
	var done []string
	for _, op := range h.kernel.Ops()[before:] {
		done = append(done, op.String())
	}
	if want := fmt.Sprintf("-a -t 10.9.0.100:80 -r %s -m -w 1", b.Addr()); strings.Join(done, "\n") != want {
		t.Errorf("operations:\n%s\nwant:\n%s", strings.Join(done, "\n"), want)
	}
	if asked := h.wasAsked(); asked != nil {
		t.Errorf("the elector was disturbed: %v", asked)
	}
}

func TestABadReloadChangesNothing(t *testing.T) {
	h := newHost(t)
	a := h.server()
	h.write(a)
	h.start()
	h.until("a in", func() bool { return h.inTable(a) })
	st, err := h.client.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	hash, before := st.Config.Hash, len(h.kernel.Ops())

	good, _ := os.ReadFile(h.path())
	for name, text := range map[string]string{
		"syntax":      string(good) + "\n[[service]\n",
		"unknown key": string(good) + "\n[nonsense]\n",
		"empty":       "\x00",
		"restart":     strings.Replace(string(good), "lbha.sock", "other.sock", 1),
	} {
		h.writeText(text)
		r := h.reload()
		if r.OK || r.Error == "" {
			t.Errorf("%s: %+v; want a refusal with its reason", name, r)
		}
		if name != "restart" && (len(r.Diagnostics) == 0 || !strings.Contains(r.Diagnostics[0], h.path()+":")) {
			t.Errorf("%s: diagnostics %q; want a position", name, r.Diagnostics)
		}
		if r.Hash != hash {
			t.Errorf("%s: hash in force is %s, want %s", name, r.Hash, hash)
		}
	}
	h.write(a, h.server())
	for _, in := range []string{`id = 51`, `id = 52`} { // a change that concerns the elector, which refuses
		data, _ := os.ReadFile(h.path())
		h.writeText(strings.Replace(string(data), "id = 51", in, 1))
	}
	h.refuse <- "no such luck"
	if r := h.reload(); r.OK || !strings.Contains(r.Error, "no such luck") {
		t.Errorf("the elector refused: %+v", r)
	}
	if st, err = h.client.Status(t.Context()); err != nil || st.Config.Reload == nil || st.Config.Reload.OK {
		t.Errorf("status does not tell of the refusal: %+v, %v", st, err)
	}
	time.Sleep(250 * time.Millisecond)
	if ops := h.kernel.Ops()[before:]; len(ops) != 0 {
		t.Errorf("a refused reload wrote to the table: %v", ops)
	}
}

func TestPlanIsWhatReloadDoes(t *testing.T) {
	h := newHost(t)
	a, b := h.server(), h.server()
	h.write(a, b)
	h.start()
	h.until("both in", func() bool { return h.inTable(a) && h.inTable(b) })
	h.write(a)
	plan, err := h.client.Plan(t.Context(), admin.PlanRequest{})
	if err != nil {
		t.Fatal(err)
	}
	var planned []string
	for _, c := range plan.Changes {
		if c.Kind == "table" {
			planned = append(planned, c.Text)
		}
	}
	if !h.inTable(b) {
		t.Fatal("a plan changed the table")
	}
	before := len(h.kernel.Ops())
	h.reload()
	var done []string
	for _, op := range h.kernel.Ops()[before:] {
		done = append(done, op.String())
	}
	if strings.Join(planned, "\n") != strings.Join(done, "\n") || len(done) != 1 {
		t.Errorf("planned:\n%s\ndone:\n%s", strings.Join(planned, "\n"), strings.Join(done, "\n"))
	}
}

func TestASecondDaemonIsRefused(t *testing.T) {
	h := newHost(t)
	h.write(h.server())
	h.start()
	if _, err := admin.Listen(filepath.Join(h.dir, "lbha.sock")); !errors.Is(err, admin.ErrBusy) {
		t.Errorf("a second daemon on the same socket: %v, want ErrBusy", err)
	}
	if _, err := h.client.Status(t.Context()); err != nil {
		t.Errorf("the first one was disturbed: %v", err)
	}
}
