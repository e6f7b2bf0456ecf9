package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/cmd/internal/observe"
)

// Backend is what the API serves.
type Backend interface {
	Observer
	Actor
}

// Observer is for whoever may look. Its methods return at once.
type Observer interface {
	Status() *observe.Status
	Events(since uint64, limit int) []observe.Event
	Explain(service, server string) (*observe.Story, error)
}

// Actor is for whoever may change something, or read files.
type Actor interface {
	Plan(context.Context, PlanRequest) (*Plan, error)
	Reload(context.Context, ReloadRequest) (*ReloadResult, error)
	Confirm(context.Context, ConfirmRequest) (*ReloadResult, error)
	Failover(context.Context, FailoverRequest) error
	Server(context.Context, ServerRequest) error
}

// ErrBusy is returned by Listen when a daemon already serves the socket.
var ErrBusy = errors.New("another lbha is running")

const (
	maxRequest   = 64 << 10
	readDeadline = 5 * time.Second
	actDeadline  = 2 * time.Minute
)

// Listen opens the socket. A socket file that nobody serves any more is replaced.
func Listen(path string) (net.Listener, error) {
	if conn, err := net.DialTimeout("unix", path, time.Second); err == nil {
		conn.Close()
		return nil, fmt.Errorf("control socket %s: %w; stop it, or set global.control to another path", path, ErrBusy)
	} else if errors.Is(err, unix.EAGAIN) || errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, fmt.Errorf("control socket %s: %w, and does not answer", path, ErrBusy)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("directory of the control socket: %w", err)
	}
	if fi, err := os.Lstat(path); err == nil && fi.Mode()&fs.ModeSocket == 0 {
		return nil, fmt.Errorf("control socket %s: a file that is not a socket is in its place; remove it, or set global.control to another path", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("stale control socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	if err := os.Chmod(path, 0o660); err != nil {
		l.Close()
		return nil, fmt.Errorf("control socket: %w", err)
	}
	return l, nil
}

type peerKey struct{}

// Caller names who asked, as the kernel does, in the context of a call of an Actor: "user 0". It is empty if
// nobody did, or if that is not known.
func Caller(ctx context.Context) string {
	uid, ok := ctx.Value(peerKey{}).(int)
	if !ok || uid < 0 {
		return ""
	}
	return fmt.Sprintf("user %d", uid)
}

// Serve answers requests on l until ctx ends.
func Serve(ctx context.Context, l net.Listener, b Backend, log *slog.Logger) error {
	s := &server{b: b, uid: os.Geteuid()}
	srv := &http.Server{
		Handler:           s.routes(),
		ReadHeaderTimeout: readDeadline,
		ReadTimeout:       readDeadline,
		WriteTimeout:      actDeadline + readDeadline,
		IdleTimeout:       readDeadline,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, peerKey{}, peerUID(c))
		},
	}
	stop := context.AfterFunc(ctx, func() { srv.Close() })
	defer stop()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("control socket: %w", err)
	}
	return nil
}

// peerUID returns the user of the process at the other end, or -1.
func peerUID(c net.Conn) int {
	uid := -1
	uc, ok := c.(*net.UnixConn)
	if !ok {
		return uid
	}
	raw, err := uc.SyscallConn()
	if err != nil {
		return uid
	}
	_ = raw.Control(func(fd uintptr) {
		if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			uid = int(cred.Uid)
		}
	})
	return uid
}

type server struct {
	b   Backend
	uid int
}

func (s *server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, _ *http.Request) { reply(w, s.b.Status()) })
	mux.HandleFunc("GET /v1/events", func(w http.ResponseWriter, r *http.Request) {
		since, _ := strconv.ParseUint(r.FormValue("since"), 10, 64)
		limit, _ := strconv.Atoi(r.FormValue("limit"))
		reply(w, Events{Events: s.b.Events(since, limit)})
	})
	mux.HandleFunc("GET /v1/explain", func(w http.ResponseWriter, r *http.Request) {
		story, err := s.b.Explain(r.FormValue("service"), r.FormValue("server"))
		if err != nil {
			fail(w, http.StatusNotFound, err)
			return
		}
		reply(w, story)
	})
	mux.HandleFunc("POST /v1/plan", act(s, func(ctx context.Context, req PlanRequest) (any, error) { return s.b.Plan(ctx, req) }))
	mux.HandleFunc("POST /v1/reload", act(s, func(ctx context.Context, req ReloadRequest) (any, error) { return s.b.Reload(ctx, req) }))
	mux.HandleFunc("POST /v1/confirm", act(s, func(ctx context.Context, req ConfirmRequest) (any, error) { return s.b.Confirm(ctx, req) }))
	mux.HandleFunc("POST /v1/server", act(s, func(ctx context.Context, req ServerRequest) (any, error) {
		return struct{}{}, s.b.Server(ctx, req)
	}))
	mux.HandleFunc("POST /v1/failover", act(s, func(ctx context.Context, req FailoverRequest) (any, error) {
		return struct{}{}, s.b.Failover(ctx, req)
	}))
	return mux
}

// act guards a request that reads files or changes something.
func act[Req any](s *server, do func(context.Context, Req) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		uid, known := r.Context().Value(peerKey{}).(int)
		if !known || uid != 0 && uid != s.uid {
			fail(w, http.StatusForbidden, fmt.Errorf("user %d may read the status, not change anything; use root", uid))
			return
		}
		var req Req
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest)).Decode(&req); err != nil {
			fail(w, http.StatusBadRequest, fmt.Errorf("request: %w", err))
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), actDeadline)
		defer cancel()
		answer, err := do(ctx, req)
		if err != nil {
			fail(w, http.StatusConflict, err)
			return
		}
		reply(w, answer)
	}
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(v) // the client has gone
}

func fail(w http.ResponseWriter, code int, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": err.Error()})
}
