package supervisor

import (
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// manager plays the other end of NOTIFY_SOCKET; it returns all that it was told since it was asked last.
func manager(t *testing.T) (told func() string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return func() string {
		var lines []string
		buf := make([]byte, 4096)
		for {
			// What was sent to a local socket is there.
			if err := l.SetReadDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			n, err := l.Read(buf)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return strings.Join(lines, " ")
			}
			if err != nil {
				t.Fatal(err)
			}
			lines = append(lines, strings.ReplaceAll(string(buf[:n]), "\n", " "))
		}
	}
}

func TestWhatSystemdIsTold(t *testing.T) {
	told := manager(t)
	s, err := newSupervisor("", t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		of   *child
		says string
		want string
	}{
		{s.director, "STATUS=waiting", "STATUS=waiting"},
		{s.elector, "READY=1\nSTATUS=3 virtual routers", ""},
		{s.elector, "WATCHDOG=1", ""},
		{s.director, "READY=1\nSTATUS=well", "READY=1 STATUS=well"},
		{s.director, "RELOADING=1\nMONOTONIC_USEC=7", "RELOADING=1 MONOTONIC_USEC=7"},
		{s.elector, "READY=1\nSTATUS=4 virtual routers", ""}, // its part of the reload, of which it is not the end
		{s.director, "READY=1", "READY=1"},
	} {
		s.onNotify(message{child: step.of, vars: parse(step.says)})
		if got := told(); got != step.want {
			t.Errorf("%s says %q: systemd is told %q, want %q", step.of.role, step.says, got, step.want)
		}
	}
}

func TestAReloadThatIsAskedForTooEarlyIsNotForgotten(t *testing.T) {
	told := manager(t)
	s, err := newSupervisor("", t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s.onSignal(syscall.SIGHUP)
	if !s.reload {
		t.Fatal("the signal would kill a director that does not expect it yet")
	}
	s.onNotify(message{child: s.director, vars: parse("READY=1")})
	if s.reload {
		t.Error("the director was not told when it was ready")
	}
	told()
}

// A manager that hangs reads nothing. What counts is said when it reads again, and the last status of many.
func TestAManagerThatHangsStopsNothing(t *testing.T) {
	told := manager(t)
	s, err := newSupervisor("", t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.release()
	hang := func() {
		for range 1000 { // net.unix.max_dgram_qlen is 512 at most where it is not set
			s.onNotify(message{child: s.elector, vars: parse("WATCHDOG=1")})
			s.onNotify(message{child: s.director, vars: parse("WATCHDOG=1")})
			s.onTick()
		}
	}
	hang()
	s.onNotify(message{child: s.elector, vars: parse("READY=1")})
	s.onNotify(message{child: s.director, vars: parse("READY=1\nSTATUS=one")})
	for range 2 * waitingLimit {
		s.onNotify(message{child: s.director, vars: parse("STATUS=another")})
	}
	s.onNotify(message{child: s.director, vars: parse("STATUS=last")})
	hang()
	if got := strings.ReplaceAll(told(), "WATCHDOG=1", ""); strings.TrimSpace(got) != "" {
		t.Errorf("it was told %q in spite of all", got)
	}
	s.onTick()
	if got, want := told(), "READY=1 STATUS=last WATCHDOG=1"; got != want {
		t.Errorf("then it is told %q, want %q", got, want)
	}
}
