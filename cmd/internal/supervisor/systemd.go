package supervisor

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// systemd is the service manager, spoken to in the vocabulary of sd_notify(3). Nobody waits for it: a manager that hangs,
// or has crashed and is frozen, reads nothing any more, and the processes are to be looked after all the same. What it
// does not take at once waits, in bounds, until it does.
type systemd struct {
	fd      int // -1: there is none to speak to
	to      *unix.SockaddrUnix
	waiting []string
}

// waitingLimit bounds what waits for systemd. The oldest goes.
const waitingLimit = 64

// newSystemd is the manager of NOTIFY_SOCKET, if that names one.
func newSystemd() systemd {
	none := systemd{fd: -1}
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return none
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return none
	}
	return systemd{fd: fd, to: &unix.SockaddrUnix{Name: name}}
}

// tell says something that counts, after all that waits. A status replaces one that nobody has heard.
func (s *systemd) tell(text string) {
	const status = "STATUS="
	if last := len(s.waiting) - 1; last >= 0 && strings.HasPrefix(text, status) && strings.HasPrefix(s.waiting[last], status) {
		s.waiting = s.waiting[:last]
	}
	s.waiting = append(s.waiting, text)
	if len(s.waiting) > waitingLimit {
		s.waiting = s.waiting[1:]
	}
	s.flush()
}

// pet says that all is well now: later it would be worth nothing.
func (s *systemd) pet() {
	if s.flush(); len(s.waiting) == 0 {
		s.send("WATCHDOG=1")
	}
}

// flush says what waits, as far as it is taken.
func (s *systemd) flush() {
	for len(s.waiting) > 0 && s.send(s.waiting[0]) {
		s.waiting = s.waiting[1:]
	}
}

// send reports whether a message is over and done with: taken, or nobody is there to take it.
func (s *systemd) send(text string) bool {
	if s.fd < 0 {
		return true
	}
	err := unix.Sendto(s.fd, []byte(text), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, s.to)
	return err != unix.EAGAIN && err != unix.EINTR
}

func (s *systemd) close() {
	if s.fd >= 0 {
		unix.Close(s.fd)
	}
}
