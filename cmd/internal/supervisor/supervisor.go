package supervisor

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"syscall"
	"time"

	"github.com/lbha/lbha/cmd/internal/keep"
	"github.com/lbha/lbha/cmd/internal/link"
)

const (
	// A child that lived this long has not "died at its start": its next death is answered at once again.
	stableAfter = 10 * time.Second
	// Children pet about once a second. A paused daemon misses nothing: periods are counted here, not measured, so
	// that a supervisor that was itself stopped does not accuse its children.
	watchdogPeriod = time.Second
	watchdogMissed = 10
	// Before it is ready a child may be silent for longer: it reads what there is first, which takes a second at 10,000
	// servers, most of it the wait for the first pet. What lasts, as the first health checks do, it pets through. It is less
	// than systemd would wait (watchdogMissed and WatchdogSec): one process begins again, not all three.
	startMissed = 15
	// restartRetry is the least pause after a process could not even be made.
	restartRetry = 100 * time.Millisecond
	// The elector bounds its own hand-over by the master-down interval (at most 3 × 255 s and a skew, in version 2);
	// the director has only files to close.
	electorStop  = 15 * time.Minute
	directorStop = 10 * time.Second
	// killLimit is how long a process may take to end that was killed. One that waits for a disk that does not answer ends
	// when that does.
	killLimit = 2 * time.Second

	electorMemory  = 16 << 20  // twice its largest configuration, and the roles
	directorMemory = 256 << 20 // room for two of its state and two of its configuration, each with the one before it
)

// ErrFatal is returned by Run when a child refused to start. The child has said why.
var ErrFatal = errors.New("lbha did not start")

// backoff is the pause before restart number n+1 of a child that died n times in a row soon after its start.
func backoff(n int) time.Duration {
	pauses := [...]time.Duration{0, 0, 100 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second}
	return pauses[min(n, len(pauses)-1)]
}

// Run is the supervisor: it returns when the daemon has been stopped by a signal (nil), or could not start. The roles
// are kept in dir for a successor. signals delivers SIGTERM, SIGINT, SIGHUP, SIGUSR1 and SIGUSR2.
func Run(config, dir string, signals <-chan os.Signal, log *slog.Logger) error {
	// The children's parent-death signal is bound to this thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	s, err := newSupervisor(config, dir, log)
	if err != nil {
		return err
	}
	defer s.release()
	for _, c := range s.children() {
		if err := c.start(s.messages); err != nil {
			s.kill()
			return err
		}
	}
	return s.loop(signals)
}

type supervisor struct {
	log               *slog.Logger
	systemd           systemd
	elector, director *child
	messages          chan message
	restarts          chan *child
	everReady         bool
	stopping          bool
	kept              string           // path of the elector's memory; empty: it has none
	leaving           bool             // for a successor: nothing is handed over
	killed            bool             // both are to be gone by the deadline
	reload            bool             // was asked of a director that could not hear it
	deadline          <-chan time.Time // of the stop step under way
	err               error
}

func newSupervisor(config, dir string, log *slog.Logger) (*supervisor, error) {
	electorLink, directorLink, err := link.Pair()
	if err != nil {
		return nil, err
	}
	s := &supervisor{
		log:      log,
		systemd:  newSystemd(),
		elector:  &child{role: "elector", title: "lbha: vrrp", link: electorLink, config: config},
		director: &child{role: "director", title: "lbha: director", link: directorLink, config: config},
		messages: make(chan message),
		restarts: make(chan *child),
	}
	if s.director.memory, err = keep.Create("lbha-director", directorMemory); err != nil {
		return nil, err
	}
	s.elector.memory, err = s.rolesIn(dir)
	return s, err
}

// rolesIn opens the elector's memory: in dir, where a successor of this supervisor finds it, if that is possible. The
// director's need not be: what it has to know then is in its state file and in the kernel's table.
func (s *supervisor) rolesIn(dir string) (*os.File, error) {
	f, err := keep.File(dir, "elector.memory", electorMemory)
	switch {
	case err == nil:
		s.kept = f.Name()
		return f, nil
	case errors.Is(err, keep.ErrTaken):
		return nil, err
	}
	s.log.Warn("a restart of the daemon will be a failover: there is no memory for its roles; global.state_dir has to be on a tmpfs, such as /run, where the daemon may write", "reason", err)
	return keep.Create("lbha-elector", electorMemory)
}

// release lets go of what the processes had. After a stop the elector's memory is removed: what was in it has been
// handed over. If the daemon leaves for a successor, it is that one's.
func (s *supervisor) release() {
	s.systemd.close()
	for _, c := range s.children() {
		c.link.Close()
		c.memory.Close()
	}
	if s.kept != "" && !s.leaving {
		_ = os.Remove(s.kept)
	}
}

func (s *supervisor) children() []*child { return []*child{s.elector, s.director} }

func (s *supervisor) loop(signals <-chan os.Signal) error {
	tick := time.NewTicker(watchdogPeriod)
	defer tick.Stop()
	for {
		select {
		case sig := <-signals:
			s.onSignal(sig)
		case m := <-s.messages:
			if m.of != nil {
				s.onEnd(m)
			} else {
				s.onNotify(m)
			}
		case c := <-s.restarts:
			s.restart(c)
		case <-tick.C:
			s.onTick()
		case <-s.deadline:
			if s.killed {
				s.log.Error("a process cannot even be killed, and is left behind: it waits for a disk")
				return s.err
			}
			s.log.Error("a process did not stop in time and is killed")
			s.kill()
		}
		if s.elector.process == nil && s.director.process == nil && s.stopping {
			return s.err
		}
	}
}

func (s *supervisor) onSignal(sig os.Signal) {
	switch sig {
	case syscall.SIGHUP:
		// A process that has just begun would die of it.
		if s.reload = !s.director.ready; !s.reload {
			s.director.signal(sig)
		}
	case syscall.SIGUSR1:
		if s.director.ready {
			s.director.signal(sig)
		}
	case syscall.SIGUSR2:
		s.leave()
	default:
		s.stop()
	}
}

// leave ends the daemon for a successor, which is being started: its elector resumes the roles, as after a crash, and
// nobody on the network notices. Without a memory that outlives this process it is a stop.
func (s *supervisor) leave() {
	if s.stopping || s.kept == "" {
		s.stop()
		return
	}
	s.log.Info("leaving everything to a successor")
	s.systemd.tell("STOPPING=1")
	s.stopping, s.leaving = true, true
	s.kill()
}

// stop begins the stop, or hastens it: the elector takes its second signal as "do not wait for a successor".
func (s *supervisor) stop() {
	if !s.stopping {
		s.stopping = true
		s.deadline = time.After(electorStop)
		s.systemd.tell("STOPPING=1")
		if s.err == nil {
			s.log.Info("stopping: the elector hands over first")
		}
	}
	if s.elector.process != nil {
		s.elector.signal(syscall.SIGTERM)
		return
	}
	s.stopDirector()
}

func (s *supervisor) stopDirector() {
	if !s.killed {
		s.deadline = time.After(directorStop)
	}
	s.director.signal(syscall.SIGTERM)
}

func (s *supervisor) onNotify(m message) {
	c := m.child
	c.missed = 0
	if m.vars["READY"] == "1" {
		c.ready = true
		// The end of the start; or of a reload, which is the director's to tell: the elector has only done its part.
		if s.elector.ready && s.director.ready && (!s.everReady || c == s.director) {
			s.everReady = true
			s.systemd.tell("READY=1")
		}
	}
	if c != s.director {
		return // it sees more than the elector
	}
	if c.ready && s.reload {
		s.onSignal(syscall.SIGHUP)
	}
	if usec, ok := m.vars["MONOTONIC_USEC"]; ok && m.vars["RELOADING"] == "1" {
		s.systemd.tell("RELOADING=1\nMONOTONIC_USEC=" + usec)
	}
	if status, ok := m.vars["STATUS"]; ok {
		s.systemd.tell("STATUS=" + status)
	}
}

func (s *supervisor) onEnd(m message) {
	c := m.child
	lived := time.Since(c.started)
	c.process, c.ready = nil, false
	switch {
	case s.stopping:
		if c == s.elector && !s.leaving {
			s.stopDirector()
		}
	case m.ended != nil && m.ended.ExitCode() == ExitFatal && !s.everReady:
		// It has printed its reason. Nothing has been claimed yet, so there is nothing to hand over.
		s.err = ErrFatal
		s.stop()
	default:
		if lived >= stableAfter {
			c.deaths = 0
		}
		pause := backoff(c.deaths)
		c.deaths++
		s.log.Error("a process died and is started again", "process", c.role, "end", describe(m.ended), "lived", lived, "pause", pause)
		if pause == 0 {
			s.restart(c)
			return
		}
		time.AfterFunc(pause, func() { s.restarts <- c })
	}
}

func (s *supervisor) restart(c *child) {
	if s.stopping || c.process != nil {
		return
	}
	if err := c.start(s.messages); err != nil {
		s.log.Error("restart failed", "process", c.role, "error", err)
		pause := max(backoff(c.deaths), restartRetry)
		c.deaths++
		time.AfterFunc(pause, func() { s.restarts <- c })
	}
}

// onTick watches the children and pets systemd while both are well. No unit waits for a child that is being
// restarted: its time is counted like a silence. One that is stuck is killed, wherever it is in its life, and its end is a
// death like any other.
func (s *supervisor) onTick() {
	well := true
	for _, c := range s.children() {
		c.missed++
		if c.missed < watchdogMissed {
			continue
		}
		well = false
		silent := time.Duration(c.missed) * watchdogPeriod
		switch {
		case c.process == nil:
		case c.ready:
			s.log.Error("a process is stuck and is killed", "process", c.role, "silent", silent)
			c.kill()
		case c.missed >= startMissed:
			s.log.Error("a process got stuck in its start and is killed, to be started again; if that is repeated look for what keeps it waiting: the kernel's log, the disk of the configuration and of the state directory",
				"process", c.role, "silent", silent)
			c.kill()
		}
	}
	if well {
		s.systemd.pet()
	}
}

// kill ends both processes, which the loop awaits for a while.
func (s *supervisor) kill() {
	s.killed, s.deadline = true, time.After(killLimit)
	for _, c := range s.children() {
		c.signal(syscall.SIGKILL)
	}
}

func describe(state *os.ProcessState) string {
	if state == nil {
		return "unknown"
	}
	return fmt.Sprint(state)
}
