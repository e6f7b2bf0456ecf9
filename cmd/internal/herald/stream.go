package herald

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// maxLines bounds the lines that wait while whoever writes them is away: in the kernel, opening what does not open.
	maxLines = 1024
	// rewrite is how often a stream is tried whose reader is away or does not read.
	rewrite = time.Second
)

// stream is a FIFO or a unix stream socket that others read. It is written only as far as there is room, and opened only
// while somebody reads: neither ever waits. All but conn is guarded by the herald's mutex.
type stream struct {
	path    string
	lines   []Transition // that are to be written
	busy    bool         // somebody writes
	flying  bool         // the first line
	quick   chan struct{}
	gone    bool // closed by whoever writes last
	trouble string
	written map[string]uint64 // by instance
	lost    map[string]uint64

	conn int // open descriptor, or -1; of whoever writes
}

func newStream(path string) *stream {
	return &stream{path: path, quick: make(chan struct{}), written: make(map[string]uint64), lost: make(map[string]uint64), conn: -1}
}

// add has a line written.
func (s *stream) add(t Transition) {
	s.lines = append(s.lines, t)
	if s.trouble != "" || len(s.lines) > maxLines {
		s.compact()
	}
}

// compact leaves out all lines but the newest of each instance, and the one that is being written.
func (s *stream) compact() {
	last := make(map[string]int, len(s.lines))
	for n, t := range s.lines {
		last[t.Instance] = n
	}
	missed := make(map[string]uint64)
	kept := s.lines[:0]
	for n, t := range s.lines {
		if last[t.Instance] != n && !(n == 0 && s.flying) {
			s.lost[t.Instance]++
			missed[t.Instance] += t.Missed + 1
			continue
		}
		t.Missed += missed[t.Instance]
		kept = append(kept, t)
	}
	clear(s.lines[len(kept):])
	s.lines = kept
}

// hurry has the lines that wait for a reader tried once more, and then no more.
func (s *stream) hurry() {
	select {
	case <-s.quick:
	default:
		close(s.quick)
	}
}

// abandon closes the stream, now or when the one who writes has written.
func (s *stream) abandon() {
	s.gone = true
	s.hurry()
	if !s.busy {
		s.close()
	}
}

func (s *stream) close() {
	if s.conn >= 0 {
		unix.Close(s.conn)
		s.conn = -1
	}
}

// write writes the lines of a stream, until there are none. At the end it tries each once, and leaves out the rest.
func (h *Herald) write(s *stream) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(s.lines) > 0 {
		t := s.lines[0]
		s.flying = true
		h.mu.Unlock()
		err := s.deliver(t)
		h.mu.Lock()
		s.flying = false
		if err == nil {
			s.trouble = ""
			s.written[t.Instance]++
			s.lines = slices.Delete(s.lines, 0, 1)
			continue
		}
		s.trouble = err.Error()
		s.compact()
		select {
		case <-s.quick:
			for _, t := range s.lines {
				s.lost[t.Instance]++
			}
			s.lines = nil
			continue
		default:
		}
		h.mu.Unlock()
		select {
		case <-time.After(rewrite):
		case <-s.quick:
		}
		h.mu.Lock()
	}
	s.busy = false
	if s.gone {
		s.close()
	}
}

// line is what is written of a transition.
func line(t Transition) string {
	return fmt.Sprintf("TRANSITION %s %s %s %s %s %d %d\n", t.stamp(), t.Instance, t.From, t.To, t.Reason, t.Priority, t.Missed)
}

var (
	errNoReader = errors.New("nobody reads it")
	errFull     = errors.New("its reader does not read")
)

// deliver writes one line as a whole, or returns why it could not, at once.
func (s *stream) deliver(t Transition) error {
	text := []byte(line(t))
	fresh := s.conn < 0
	for {
		if s.conn < 0 {
			conn, err := open(s.path)
			if err != nil {
				return err
			}
			s.conn = conn
		}
		n, err := unix.Write(s.conn, text)
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			return errFull
		case err != nil:
			s.close()
			if fresh {
				return errNoReader
			}
			fresh = true // the reader went; there may be another
		case n < len(text): // only a socket: a pipe takes a line whole
			s.close() // half a line is no line, and there must be none after it
			return errFull
		default:
			return nil
		}
	}
}

// open opens a FIFO, or connects to a unix socket, that somebody reads.
func open(path string) (int, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return -1, errors.New("it does not exist")
	case err != nil:
		return -1, err
	case info.Mode()&fs.ModeSocket != 0:
		return connect(path)
	case info.Mode()&fs.ModeNamedPipe == 0:
		return -1, errors.New("it is neither a FIFO nor a unix socket")
	}
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if err == unix.ENXIO {
		return -1, errNoReader
	}
	if err != nil {
		return -1, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFIFO {
		unix.Close(fd)
		return -1, errors.New("it is no FIFO any more")
	}
	return fd, nil
}

func connect(path string) (int, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	switch err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err {
	case nil:
		return fd, nil
	case unix.EAGAIN:
		unix.Close(fd)
		return -1, errFull
	case unix.ECONNREFUSED:
		unix.Close(fd)
		return -1, errNoReader
	default:
		unix.Close(fd)
		return -1, err
	}
}
