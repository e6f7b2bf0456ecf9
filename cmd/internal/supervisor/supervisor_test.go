package supervisor

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/cmd/internal/keep"
	"github.com/lbha/lbha/cmd/internal/link"
)

// The supervisor starts its own binary again: here that is the test, which then plays a child. What the children do is
// a word in their configuration path; what they did is a line each on the socket beside it.
func TestMain(m *testing.M) {
	if role := os.Getenv(EnvRole); role != "" {
		os.Exit(play(role, os.Getenv(EnvConfig)))
	}
	os.Exit(m.Run())
}

// play is a child: it tells the story of its life to the test.
func play(role, path string) int {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGHUP)
	report, err := net.Dial("unix", path)
	if err != nil {
		return 3
	}
	region, err := keep.Open(os.NewFile(FDMemory, "memory"))
	if err != nil {
		return 4
	}
	lives := region.Clock(0).Add(1)
	fmt.Fprintf(report, "%s life %d pid %d\n", role, lives, os.Getpid())
	conn, err := link.Open(FDLink)
	if err != nil {
		return 5
	}
	_ = conn.Send(link.Message{Query: &link.Query{}})
	if filepath.Base(path) == "fatal" && role == "director" {
		_ = conn.Wait(5000) // for the elector: one that has just begun would die of the signal without a word
		return ExitFatal
	}
	if filepath.Base(path) == "stuck" && lives == 1 {
		time.Sleep(time.Hour)
	}
	_ = unix.Send(FDNotify, []byte("READY=1\nSTATUS=well"), 0)
	for sig := range signals {
		fmt.Fprintf(report, "%s got %s\n", role, sig)
		if sig == syscall.SIGTERM {
			return 0
		}
	}
	return 0
}

// stage runs a supervisor whose children report to lines.
type stage struct {
	t       *testing.T
	lines   chan string
	signals chan os.Signal
	done    chan error
}

func newStage(t *testing.T, script string) *stage { return newStageIn(t, script, t.TempDir()) }

// newStageIn is one whose supervisor keeps the elector's memory in dir.
func newStageIn(t *testing.T, script, dir string) *stage {
	t.Helper()
	path := filepath.Join(t.TempDir(), script)
	s := &stage{t: t, lines: make(chan string, 64), signals: make(chan os.Signal, 4), done: make(chan error, 1)}
	s.listen(path)
	go func() { s.done <- Run(path, dir, s.signals, slog.New(slog.NewTextHandler(io.Discard, nil))) }()
	return s
}

// listen makes the socket on which the children report.
func (s *stage) listen(path string) {
	s.t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				for sc := bufio.NewScanner(c); sc.Scan(); {
					s.lines <- sc.Text()
				}
			}()
		}
	}()
}

// expect waits for lines with these beginnings, in any order, and returns them in the order asked for.
func (s *stage) expect(prefixes ...string) []string {
	s.t.Helper()
	got := make([]string, len(prefixes))
	deadline := time.After(10 * time.Second)
	for range prefixes {
		select {
		case line := <-s.lines:
			matched := false
			for i, p := range prefixes {
				if got[i] == "" && strings.HasPrefix(line, p) {
					got[i], matched = line, true
					break
				}
			}
			if !matched {
				s.t.Fatalf("unexpected %q while waiting for %q", line, prefixes)
			}
		case <-deadline:
			s.t.Fatalf("nothing more while waiting for %q; got %q", prefixes, got)
		}
	}
	return got
}

func (s *stage) end() error {
	s.t.Helper()
	select {
	case err := <-s.done:
		return err
	case <-time.After(10 * time.Second):
		s.t.Fatal("the supervisor does not end")
		return nil
	}
}

func pid(t *testing.T, line string) int {
	t.Helper()
	fields := strings.Fields(line)
	n, err := strconv.Atoi(fields[len(fields)-1])
	if err != nil {
		t.Fatalf("no pid in %q", line)
	}
	return n
}

func TestStopIsElectorFirst(t *testing.T) {
	s := newStage(t, "normal")
	s.expect("elector life 1", "director life 1")
	s.signals <- syscall.SIGTERM
	s.expect("elector got terminated")
	s.expect("director got terminated")
	if err := s.end(); err != nil {
		t.Fatalf("a stop is no error: %v", err)
	}
}

func TestADeadChildReturnsWithItsMemory(t *testing.T) {
	s := newStage(t, "normal")
	first := s.expect("elector life 1", "director life 1")
	for life := 2; life <= 3; life++ {
		if err := syscall.Kill(pid(t, first[0]), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		first = s.expect(fmt.Sprintf("elector life %d", life))
	}
	s.signals <- syscall.SIGTERM
	s.expect("elector got terminated")
	s.expect("director got terminated")
	if err := s.end(); err != nil {
		t.Fatal(err)
	}
}

// memoryDir is a directory on a tmpfs, as /run is.
func memoryDir(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "lbha-test-")
	if err != nil {
		t.Skipf("no directory can be made on the tmpfs /dev/shm: %v", err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func TestADaemonThatLeavesHandsItsMemoryOn(t *testing.T) {
	dir := memoryDir(t)
	s := newStageIn(t, "normal", dir)
	s.expect("elector life 1", "director life 1")
	s.signals <- syscall.SIGUSR2
	if err := s.end(); err != nil {
		t.Fatalf("leaving is no error: %v", err)
	}
	s = newStageIn(t, "normal", dir)
	s.expect("elector life 2", "director life 1")
	s.signals <- syscall.SIGTERM
	s.expect("elector got terminated")
	s.expect("director got terminated")
	if err := s.end(); err != nil {
		t.Fatal(err)
	}
	s = newStageIn(t, "normal", dir)
	s.expect("elector life 1", "director life 1") // a stop leaves nothing
	s.signals <- syscall.SIGTERM
	s.expect("elector got terminated")
	s.expect("director got terminated")
	s.end()
}

func TestTwoDaemonsNeverShareAMemory(t *testing.T) {
	dir := memoryDir(t)
	s := newStageIn(t, "normal", dir)
	s.expect("elector life 1", "director life 1")
	other := newStageIn(t, "normal", dir)
	if err := other.end(); !errors.Is(err, keep.ErrTaken) {
		t.Errorf("the second daemon ended with %v, want ErrTaken", err)
	}
	s.signals <- syscall.SIGTERM
	s.expect("elector got terminated")
	s.expect("director got terminated")
	if err := s.end(); err != nil {
		t.Fatal(err)
	}
}

func TestWithoutATmpfsLeavingIsAStop(t *testing.T) {
	dir, err := os.MkdirTemp(".", "no-tmpfs-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	switch f, err := keep.File(dir, "probe", 1<<20); {
	case err == nil:
		f.Close()
		t.Skip("the source tree is on a tmpfs: the test needs a directory that is not on one")
	case !errors.Is(err, keep.ErrNoMemory):
		t.Fatal(err)
	}
	s := newStageIn(t, "normal", dir)
	s.expect("elector life 1", "director life 1")
	s.signals <- syscall.SIGUSR2
	s.expect("elector got terminated")
	s.expect("director got terminated")
	s.end()
}

func TestHangupIsTheDirectors(t *testing.T) {
	s := newStage(t, "normal")
	s.expect("elector life 1", "director life 1")
	s.signals <- syscall.SIGHUP
	s.expect("director got hangup")
	s.signals <- syscall.SIGTERM
	s.expect("elector got terminated")
	s.expect("director got terminated")
	s.end()
}

func TestAFatalStartEndsTheDaemon(t *testing.T) {
	s := newStage(t, "fatal")
	s.expect("elector life 1", "director life 1", "elector got terminated")
	if err := s.end(); err != ErrFatal {
		t.Fatalf("err = %v, want ErrFatal", err)
	}
}

// The periods are counted: nobody has to wait for them here.
func TestAStartThatIsStuckBeginsAgain(t *testing.T) {
	runtime.LockOSThread() // what is started dies with its thread
	path := filepath.Join(t.TempDir(), "stuck")
	st := &stage{t: t, lines: make(chan string, 64)}
	st.listen(path)
	told := manager(t)
	s, err := newSupervisor(path, t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.release()
	if err := s.elector.start(s.messages); err != nil {
		t.Fatal(err)
	}
	st.expect("elector life 1")
	ticks := func(n int) {
		for range n {
			s.onNotify(message{child: s.director, vars: parse("WATCHDOG=1")})
			s.onTick()
		}
	}
	ticks(startMissed - 1)
	told()                                                           // its queue is short
	s.onNotify(message{child: s.elector, vars: parse("WATCHDOG=1")}) // it takes long, and is not stuck
	ticks(startMissed - 1)
	select {
	case m := <-s.messages:
		t.Fatalf("it was killed too early: %+v", m)
	case <-time.After(100 * time.Millisecond):
	}
	ticks(1)
	told()
	select {
	case m := <-s.messages: // that is all that it says
		s.onEnd(m)
	case <-time.After(10 * time.Second):
		s.kill()
		t.Fatal("it was left alone")
	}
	st.expect("elector life 2")
	if s.onNotify(<-s.messages); !s.elector.ready {
		t.Error("the next one is not ready")
	}
	if ticks(1); told() != "WATCHDOG=1" {
		t.Error("systemd goes on waiting for it")
	}
	s.stopping = true
	s.kill()
	s.onEnd(<-s.messages)
}

func TestBackoffGrowsAndIsBounded(t *testing.T) {
	last := time.Duration(-1)
	for n := range 20 {
		d := backoff(n)
		if d < last || d > 5*time.Second {
			t.Fatalf("backoff(%d) = %v after %v", n, d, last)
		}
		last = d
	}
	if backoff(0) != 0 {
		t.Error("the first restart must be at once")
	}
}
