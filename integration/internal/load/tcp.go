package load

import (
	"bytes"
	"fmt"
	"net/netip"
	"time"

	"github.com/lbha/lbha/integration/internal/mono"
	"golang.org/x/sys/unix"
)

// TCP is the client that makes requests.
type TCP struct {
	Target  netip.AddrPort
	Period  time.Duration // between the starts of two requests
	Timeout time.Duration // after which a request is lost; below one second, so that no repeated SYN hides a loss
}

// request closes nothing by itself: the client resets the connection when it has its answer.
var request = []byte("GET / HTTP/1.1\r\nHost: lab\r\n\r\n")

// The web servers of the lab answer with their name: "rs1", "rs2", "rs3". Some send it after the head of the answer, others with it.
var (
	goodHead = []byte("HTTP/1.1 200 ")
	headEnd  = []byte("\r\n\r\n")
	body     = []byte("rs")
)

// Requests take their source ports in turn, so that one comes back only after two minutes. A port chosen at random would soon meet a connection
// that IPVS still remembers, and be sent where that one went: to a server that is in no table any more.
const firstPort, lastPort = 2000, 65000

// maxOpen is above the number of requests that can be open at once (timeout / period) by a wide margin.
const maxOpen = 4096

// begun is a request in the queue of those that may still be open. Its descriptor may serve a later request already.
type begun struct {
	fd      int
	attempt *Attempt
}

// conns is the state of the client: descriptor → attempt, and the queue of attempts in order of their start.
type conns struct {
	*ticker
	TCP
	addr   unix.SockaddrInet4
	local  unix.SockaddrInet4
	record *Record
	open   [maxOpen]*Attempt // by descriptor
	headed [maxOpen]bool     // by descriptor: the head of an answer has come, and nothing of the body
	queue  [maxOpen]begun    // oldest at head
	head   int
	tail   int
	port   int // of the last request
	buf    [2048]byte
}

// Run makes requests until the process ends. It returns only when it cannot go on.
func (c TCP) Run(record *Record) error {
	t, err := newTicker(c.Period)
	if err != nil {
		return err
	}
	s := &conns{ticker: t, TCP: c, record: record}
	s.addr = unix.SockaddrInet4{Port: int(c.Target.Port()), Addr: c.Target.Addr().As4()}
	var events [256]unix.EpollEvent
	for {
		n, err := s.wait(events[:])
		if err != nil {
			return fmt.Errorf("epoll: %w", err)
		}
		now := mono.Now()
		due := false
		for _, e := range events[:n] {
			if int(e.Fd) == s.timer {
				due = true
				continue
			}
			s.ready(int(e.Fd), e.Events, now)
		}
		if due {
			s.tick(s.buf[:])
			s.expire(now)
			s.begin(now)
		}
	}
}

// begin starts a request.
func (s *conns) begin(now mono.Time) {
	a := s.record.begin(now)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil || fd >= maxOpen {
		if err == nil {
			unix.Close(fd)
		}
		a.Failure = OutOfSpace
		return
	}
	// Closing resets: no TIME_WAIT here, none at the server.
	if err := unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}); err != nil {
		a.Failure = OutOfSpace
		unix.Close(fd)
		return
	}
	if err := s.bind(fd); err != nil {
		a.Failure = OutOfSpace
		unix.Close(fd)
		return
	}
	if err := unix.Connect(fd, &s.addr); err != nil && err != unix.EINPROGRESS {
		a.Failure = failure(err)
		unix.Close(fd)
		return
	}
	if err := s.watch(fd, unix.EPOLLIN|unix.EPOLLOUT|unix.EPOLLET); err != nil {
		a.Failure = OutOfSpace
		unix.Close(fd)
		return
	}
	s.open[fd], s.headed[fd] = a, false
	s.queue[s.tail%maxOpen] = begun{fd, a}
	s.tail++
}

// bind takes the next source port. One that is taken, which only another program can have done, is passed over.
func (s *conns) bind(fd int) error {
	for range 16 {
		s.port++
		if s.port < firstPort || s.port > lastPort {
			s.port = firstPort
		}
		s.local.Port = s.port
		if err := unix.Bind(fd, &s.local); err != unix.EADDRINUSE {
			return err
		}
	}
	return unix.EADDRINUSE
}

// ready goes on with one request.
func (s *conns) ready(fd int, events uint32, now mono.Time) {
	a := s.open[fd]
	if a == nil {
		return
	}
	if a.Connected == 0 {
		if code, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR); err != nil || code != 0 {
			if unix.Errno(code) == unix.ECONNRESET {
				// A refused connection has another error: this one was open, and reset before we looked.
				a.Connected = now
			}
			s.end(fd, failure(unix.Errno(code)))
			return
		}
		if events&unix.EPOLLOUT == 0 {
			return
		}
		a.Connected = now
		if _, err := unix.Write(fd, request); err != nil {
			s.end(fd, Reset)
			return
		}
	}
	if events&(unix.EPOLLIN|unix.EPOLLHUP|unix.EPOLLERR) == 0 {
		return
	}
	n, err := unix.Read(fd, s.buf[:])
	switch {
	case err == unix.EAGAIN:
	case err != nil || n == 0:
		s.end(fd, Reset)
	default:
		if isHead(s.buf[:n]) {
			s.headed[fd] = true
			return
		}
		parse := parseAnswer
		if s.headed[fd] {
			parse = parseBody
		}
		server, ok := parse(s.buf[:n])
		if !ok {
			s.end(fd, BadAnswer)
			return
		}
		a.Server, a.Answered = server, mono.Now()
		s.end(fd, None)
	}
}

// isHead reports whether this is the head of a good answer without anything of its body.
func isHead(b []byte) bool { return bytes.HasPrefix(b, goodHead) && bytes.HasSuffix(b, headEnd) }

// parseAnswer checks that an answer is whole and good, and returns the number of the server that gave it.
func parseAnswer(b []byte) (server uint32, ok bool) {
	_, rest, ok := bytes.Cut(b, headEnd)
	if !ok || !bytes.HasPrefix(b, goodHead) {
		return 0, false
	}
	return parseBody(rest)
}

// parseBody does that with the body alone.
func parseBody(b []byte) (server uint32, ok bool) {
	if !bytes.HasPrefix(b, body) || len(b) == len(body) {
		return 0, false
	}
	return uint32(b[len(body)] - '0'), true
}

// end closes a request. Its place in the queue stays until expire passes over it.
func (s *conns) end(fd int, why Failure) {
	if a := s.open[fd]; a != nil && a.Answered == 0 {
		a.Failure = why
	}
	s.open[fd] = nil
	unix.Close(fd)
}

// expire gives up requests that are older than the timeout.
func (s *conns) expire(now mono.Time) {
	for s.head < s.tail {
		b := s.queue[s.head%maxOpen]
		if s.open[b.fd] == b.attempt {
			if now.Sub(b.attempt.Start) < s.Timeout {
				return
			}
			s.end(b.fd, Timeout)
		}
		s.head++
	}
}

// failure classifies what the kernel said about a connection.
func failure(err error) Failure {
	switch err {
	case unix.ECONNREFUSED:
		return Refused
	case unix.ECONNRESET, unix.EPIPE:
		return Reset
	case unix.ETIMEDOUT:
		return Timeout
	case unix.EADDRNOTAVAIL, unix.EMFILE, unix.ENOBUFS, unix.ENOMEM:
		return OutOfSpace
	default:
		return NoRoute
	}
}
