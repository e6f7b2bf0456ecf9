package admin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/cmd/internal/observe"
)

// daemon is a Backend that notes what it was asked to do.
type daemon struct {
	Backend // for what no test asks
	done    []string
	failure error
}

func (d *daemon) Status() *observe.Status { return &observe.Status{Name: "lb1"} }

func (d *daemon) Events(since uint64, limit int) []observe.Event {
	return []observe.Event{{Seq: since + 1, Message: fmt.Sprint(limit)}}
}

func (d *daemon) Explain(service, server string) (*observe.Story, error) {
	return &observe.Story{Line: service + " & " + server}, d.failure
}

func (d *daemon) Plan(_ context.Context, req PlanRequest) (*Plan, error) {
	d.done = append(d.done, "plan "+req.Path)
	return &Plan{Path: req.Path}, d.failure
}

func (d *daemon) Reload(_ context.Context, req ReloadRequest) (*ReloadResult, error) {
	d.done = append(d.done, "reload "+req.Expect)
	return &ReloadResult{Error: "refused"}, d.failure
}

func (d *daemon) Confirm(ctx context.Context, req ConfirmRequest) (*ReloadResult, error) {
	d.done = append(d.done, fmt.Sprintf("confirm %v by %s", req.Revert, Caller(ctx)))
	return &ReloadResult{OK: true}, d.failure
}

func (d *daemon) Failover(_ context.Context, req FailoverRequest) error {
	d.done = append(d.done, "failover "+req.Instance)
	return d.failure
}

// serve runs the API on a socket of its own and returns its path.
func serve(t *testing.T, b Backend) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "run", "lbha.sock")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, l, b, slog.New(slog.DiscardHandler)) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return path
}

func TestListen(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "made", "lbha.sock")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{path: 0o660 | fs.ModeSocket, filepath.Dir(path): 0o750 | fs.ModeDir} {
		if fi, err := os.Stat(name); err != nil || fi.Mode()&^0 != want {
			t.Errorf("%s has mode %v, %v; want %v", name, fi.Mode(), err, want)
		}
	}
	if _, err := Listen(path); !errors.Is(err, ErrBusy) {
		t.Errorf("a socket that is served: %v, want ErrBusy", err)
	}
	// A daemon that was killed leaves its socket.
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	if _, err := os.Stat(path); err != nil {
		t.Fatal("no stale socket to try:", err)
	}
	if l, err = Listen(path); err != nil {
		t.Fatalf("a stale socket was not replaced: %v", err)
	}
	l.Close()

	file := filepath.Join(dir, "precious")
	if err := os.WriteFile(file, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(file); err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Errorf("a file in the socket's place: %v", err)
	}
	if text, _ := os.ReadFile(file); string(text) != "text" {
		t.Error("the file was removed")
	}
}

func TestClientAndServer(t *testing.T) {
	d := &daemon{}
	c := NewClient(serve(t, d))
	if st, err := c.Status(t.Context()); err != nil || st.Name != "lb1" {
		t.Errorf("status: %+v, %v", st, err)
	}
	if ev, err := c.Events(t.Context(), 7, 3); err != nil || len(ev.Events) != 1 || ev.Events[0].Seq != 8 || ev.Events[0].Message != "3" {
		t.Errorf("events: %+v, %v", ev, err)
	}
	if p, err := c.Plan(t.Context(), PlanRequest{Path: "/x"}); err != nil || p.Path != "/x" {
		t.Errorf("plan: %+v, %v", p, err)
	}
	if r, err := c.Reload(t.Context(), ReloadRequest{Expect: "abc"}); err != nil || r.OK || r.Error != "refused" {
		t.Errorf("reload: %+v, %v; a refusal is a result", r, err)
	}
	if s, err := c.Explain(t.Context(), "www", "[fd00::3]:80"); err != nil || s.Line != "www & [fd00::3]:80" {
		t.Errorf("explain: %+v, %v", s, err)
	}
	if r, err := c.Confirm(t.Context(), ConfirmRequest{Revert: true}); err != nil || !r.OK {
		t.Errorf("confirm: %+v, %v", r, err)
	}
	d.failure = errors.New("no such luck")
	if _, err := c.Explain(t.Context(), "www", "10.9.0.3"); err == nil || err.Error() != "no such luck" {
		t.Errorf("explain: %v, want the daemon's reason", err)
	}
	if err := c.Failover(t.Context(), FailoverRequest{Instance: "web"}); err == nil || err.Error() != "no such luck" {
		t.Errorf("failover: %v, want the daemon's reason", err)
	}
	if got, want := strings.Join(d.done, ", "), fmt.Sprintf("plan /x, reload abc, confirm true by user %d, failover web", os.Geteuid()); got != want {
		t.Errorf("the daemon did %q, want %q", got, want)
	}

	gone := filepath.Join(t.TempDir(), "lbha.sock")
	if _, err := NewClient(gone).Status(t.Context()); !errors.Is(err, ErrNotRunning) || !strings.Contains(err.Error(), gone) {
		t.Errorf("without a daemon: %v, want ErrNotRunning and the path", err)
	}
}

// Whoever may connect may read. To act takes root or the daemon's own user, and a peer that the kernel named.
func TestWhoMayDoWhat(t *testing.T) {
	const own = 990
	requests := map[string]string{"GET /v1/status": "", "GET /v1/events": "", "POST /v1/plan": "{}", "POST /v1/reload": "{}", "POST /v1/confirm": "{}", "POST /v1/failover": "{}"}
	for _, tc := range []struct {
		peer any
		acts bool
	}{
		{0, true}, {own, true}, {1000, false}, {-1, false}, {nil, false},
	} {
		d := &daemon{}
		h := (&server{b: d, uid: own}).routes()
		for what, body := range requests {
			method, path, _ := strings.Cut(what, " ")
			r := httptest.NewRequest(method, path, strings.NewReader(body))
			if tc.peer != nil {
				r = r.WithContext(context.WithValue(r.Context(), peerKey{}, tc.peer))
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			want := http.StatusOK
			if method == http.MethodPost && !tc.acts {
				want = http.StatusForbidden
			}
			if w.Code != want {
				t.Errorf("peer %v: %s is answered %d, want %d: %s", tc.peer, what, w.Code, want, w.Body)
			}
		}
		if (len(d.done) == 4) != tc.acts {
			t.Errorf("peer %v: the daemon did %q", tc.peer, d.done)
		}
	}
}

func TestThePeerIsWhomTheKernelNames(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got := peerUID(s); got != os.Geteuid() {
		t.Errorf("the peer is user %d, want %d", got, os.Geteuid())
	}
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if got := peerUID(a); got != -1 {
		t.Errorf("a connection without a user is user %d", got)
	}
}

func TestBadRequests(t *testing.T) {
	d := &daemon{}
	path := serve(t, d)
	c := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", path) }}}
	defer c.CloseIdleConnections()
	for name, tc := range map[string]struct {
		method, path, body string
		want               int
	}{
		"oversized":      {"POST", "/v1/reload", `{"expect":"` + strings.Repeat("x", maxRequest) + `"}`, http.StatusBadRequest},
		"no JSON":        {"POST", "/v1/reload", "reload, please", http.StatusBadRequest},
		"nothing":        {"POST", "/v1/failover", "", http.StatusBadRequest},
		"another type":   {"POST", "/v1/failover", `{"instance":1}`, http.StatusBadRequest},
		"read by POST":   {"POST", "/v1/status", "{}", http.StatusMethodNotAllowed},
		"act by GET":     {"GET", "/v1/reload", "", http.StatusMethodNotAllowed},
		"no such path":   {"GET", "/v2/status", "", http.StatusNotFound},
		"odd parameters": {"GET", "/v1/events?since=-1&limit=many", "", http.StatusOK},
	} {
		req, err := http.NewRequestWithContext(t.Context(), tc.method, "http://lbha"+tc.path, strings.NewReader(tc.body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.Do(req)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		resp.Body.Close()
		if resp.StatusCode != tc.want {
			t.Errorf("%s: answered %d, want %d", name, resp.StatusCode, tc.want)
		}
	}
	if d.done != nil {
		t.Errorf("the daemon did %q", d.done)
	}
}

// A daemon that does not accept is busy, not gone: its socket must stay.
func TestABusyDaemonIsNotReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lbha.sock")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrUnix{Name: path}), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	for { // fill its queue
		c, err := net.DialTimeout("unix", path, 50*time.Millisecond)
		if err != nil {
			break
		}
		defer c.Close()
	}
	if _, err := Listen(path); !errors.Is(err, ErrBusy) {
		t.Errorf("listen beside a daemon that does not answer: %v, want ErrBusy", err)
	}
}
