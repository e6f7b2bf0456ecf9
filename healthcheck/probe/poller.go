package probe

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/healthcheck"
)

// A Poller runs the two commonest probes, tcp and http with one request in the clear, and
// waits for all their answers in one place: no goroutine, no timer, and two system calls
// in three less than a connection of its own on the runtime's poller takes. It implements
// [healthcheck.Starter].
//
// What is not over quickly (an answer in many pieces, a request that does not fit) goes on
// in a goroutine, as it would without.
type Poller struct {
	began time.Time
	file  *os.File // the epoll instance, which is itself on the runtime's poller

	mu     sync.Mutex
	epoll  int // -1: closed
	asking map[int32]*asking
	events [256]unix.EpollEvent
	heard  [4096]byte
	reader *bufio.Reader     // of heard
	words  map[string]string // what probes that passed said of late
}

// NewPoller returns a Poller, to be driven by [Poller.Run].
func NewPoller() (*Poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // or it would not join the runtime's
		unix.Close(fd)
		return nil, fmt.Errorf("epoll: %w", err)
	}
	return &Poller{began: time.Now(), file: os.NewFile(uintptr(fd), "probes"), epoll: fd, asking: map[int32]*asking{}, reader: bufio.NewReader(nil), words: map[string]string{}}, nil
}

// Run collects answers until ctx ends, and cancels what is on its way then.
func (p *Poller) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { p.file.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	raw, err := p.file.SyscallConn()
	if err == nil {
		err = raw.Read(func(uintptr) bool {
			p.Collect()
			return false // for more
		})
	}
	p.close()
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("wait for answers: %w", err)
}

// String returns the name of the task.
func (p *Poller) String() string { return "probes" }

func (p *Poller) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.asking {
		a.end(healthcheck.FailureCanceled)
	}
	p.epoll = -1
	p.file.Close()
}

// Start implements [healthcheck.Starter].
func (p *Poller) Start(prober healthcheck.Prober, done func(healthcheck.Result)) (healthcheck.Asking, bool) {
	a := &asking{poller: p, done: done, at: phaseConnect}
	switch prober := prober.(type) {
	case *tcpProber:
		a.dialer = &prober.dialer
	case *httpProber:
		if !prober.simple() {
			return nil, false
		}
		a.dialer, a.ask = &prober.dialer, prober.asks[0]
	default:
		return nil, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.epoll < 0 {
		return nil, false
	}
	a.start = time.Since(p.began)
	if err := a.connect(); err != nil {
		a.finish(time.Now(), failed(context.Background(), time.Now(), phaseConnect, err))
	}
	return a, true
}

// simple reports whether a probe is one request and its answer, in the clear.
func (p *httpProber) simple() bool {
	return p.tls == nil && len(p.asks) == 1 && !p.asks[0].http2 && p.asks[0].redirects == 0
}

// Collect implements [healthcheck.Starter].
func (p *Poller) Collect() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for n := len(p.events); n == len(p.events) && p.epoll >= 0; {
		var err error
		if n, err = unix.EpollWait(p.epoll, p.events[:], 0); err != nil || n == 0 {
			return // interrupted: what is there is announced again
		}
		now := time.Now()
		for _, e := range p.events[:n] {
			if a := p.asking[e.Fd]; a != nil {
				a.advance(e.Events, now)
			}
		}
	}
}

// An asking is one probe on its way. It belongs to the Poller's lock.
type asking struct {
	poller *Poller
	dialer *dialer
	ask    *httpAsk // nil: to connect is all
	done   func(healthcheck.Result)

	fd     int32
	start  time.Duration // since the Poller began
	at     phase
	heard  []byte // of an answer in pieces
	pieces int
	ended  bool
	slow   *conn              // it goes on in a goroutine
	cancel context.CancelFunc // of that
}

// morePieces is in how many pieces an answer may come before it goes on in a goroutine: each time it is parsed anew.
const morePieces = 4

func (a *asking) connect() error {
	to, err := sockaddr(a.dialer.target.Addr(), a.dialer.target.Port())
	if err != nil {
		return local("zone", err)
	}
	fd, err := a.dialer.socket()
	if err != nil {
		return err
	}
	if err = connect(fd, to); err == nil || err == unix.EINPROGRESS {
		const events uint32 = unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLET
		if err = unix.EpollCtl(a.poller.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)}); err != nil {
			err = local("epoll", err)
		}
	}
	if err != nil {
		unix.Close(fd)
		return err
	}
	a.fd = int32(fd)
	a.poller.asking[a.fd] = a
	return nil
}

// advance does what can be done now.
func (a *asking) advance(events uint32, now time.Time) {
	if a.at == phaseConnect {
		if events&(unix.EPOLLERR|unix.EPOLLHUP) != 0 {
			if err := a.connected(); err != nil {
				a.fail(now, phaseConnect, err)
				return
			}
		} else if events&unix.EPOLLOUT == 0 {
			return
		}
		if a.ask == nil {
			a.pass(now, "connected in ")
			return
		}
		a.at = phaseRequest
		n, err := unix.Write(int(a.fd), a.ask.text)
		switch {
		case err == unix.EAGAIN || err == unix.EINTR || err == nil && n < len(a.ask.text):
			a.handOver(max(n, 0))
			return
		case err != nil:
			a.fail(now, phaseRequest, err)
			return
		}
		a.at = phaseHeader
	}
	if events&(unix.EPOLLIN|unix.EPOLLERR|unix.EPOLLHUP) != 0 {
		a.hear(now)
	}
}

// connected asks the kernel what became of a connection that had an error: it may have stood before.
func (a *asking) connected() error {
	to, err := sockaddr(a.dialer.target.Addr(), a.dialer.target.Port())
	if err != nil {
		return local("zone", err)
	}
	if err := connect(int(a.fd), to); err != nil && err != unix.EISCONN {
		return err
	}
	return nil
}

// hear reads what is there and judges the answer, once that is all of it.
func (a *asking) hear(now time.Time) {
	for {
		n, err := unix.Read(int(a.fd), a.poller.heard[:])
		text := a.poller.heard[:max(n, 0)]
		end := errMore
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			return // it will be told of
		case err != nil:
			end = err
		case n == 0:
			end = io.EOF
		}
		if a.heard != nil {
			a.heard = append(a.heard, text...)
			text = a.heard
		}
		so := pieces{text: text, end: end}
		answer := httpAnswer{ask: a.ask, start: a.poller.began.Add(a.start)}
		at, err := answer.readBy(a.poller.reader, &so)
		if !so.short {
			if err != nil {
				a.fail(now, at, err)
			} else {
				a.pass(now, "http "+strconv.Itoa(answer.status)+" in ")
			}
			return
		}
		a.at = at
		if a.heard == nil {
			a.heard = append([]byte{}, text...)
		}
		if a.pieces++; a.pieces == morePieces {
			a.handOver(len(a.ask.text))
			return
		}
	}
}

// pieces is what has been heard of an answer so far, and how it goes on.
type pieces struct {
	text  []byte
	end   error
	short bool // more was wanted than is here
}

// errMore says that more may come.
var errMore = errors.New("more to come")

func (s *pieces) Read(b []byte) (int, error) {
	if len(s.text) == 0 {
		s.short = s.short || s.end == errMore
		return 0, s.end
	}
	n := copy(b, s.text)
	s.text = s.text[n:]
	return n, nil
}

// handOver lets a goroutine go on, with what is left of the request from a byte of it on.
func (a *asking) handOver(sent int) {
	p := a.poller
	_ = unix.EpollCtl(p.epoll, unix.EPOLL_CTL_DEL, int(a.fd), nil) // that it is there is certain
	delete(p.asking, a.fd)
	ctx, cancel := context.WithCancel(context.Background())
	a.slow = &conn{File: os.NewFile(uintptr(a.fd), "probe"), target: a.dialer.target}
	a.slow.stop = context.AfterFunc(ctx, func() { a.slow.SetDeadline(time.Unix(1, 0)) })
	a.cancel = cancel
	go a.goOn(ctx, a.ask.text[sent:])
}

// goOn asks on in a goroutine of its own.
func (a *asking) goOn(ctx context.Context, request []byte) {
	defer a.cancel()
	begin := a.poller.began.Add(a.start)
	answer := httpAnswer{ask: a.ask, start: begin}
	at, err := phaseRequest, error(nil)
	if len(request) > 0 {
		_, err = a.slow.Write(request)
	}
	if err == nil {
		at, err = answer.read(&continued{a.heard, a.slow})
	}
	var r healthcheck.Result
	if err != nil {
		r = failed(ctx, begin, at, err)
	} else {
		r = healthcheck.Passed(fmt.Sprintf("http %d in %v", answer.status, rounded(time.Since(begin))))
	}
	a.slow.Close()
	a.poller.mu.Lock()
	defer a.poller.mu.Unlock()
	a.tell(time.Now(), r)
}

// A continued answer is one whose beginning was heard already.
type continued struct {
	heard []byte
	*conn
}

func (c *continued) Read(b []byte) (int, error) {
	if len(c.heard) == 0 {
		return c.conn.Read(b)
	}
	n := copy(b, c.heard)
	c.heard = c.heard[n:]
	return n, nil
}

// maxWords bounds the memory of words.
const maxWords = 1024

// pass tells that the server is well, and how long it took to find that out. Thousands of
// results say the same and are remembered: they share the words.
func (a *asking) pass(now time.Time, what string) {
	p := a.poller
	var buffer [64]byte
	text := append(append(buffer[:0], what...), rounded(now.Sub(p.began)-a.start).String()...)
	words, known := p.words[string(text)]
	if !known {
		if len(p.words) >= maxWords {
			clear(p.words)
		}
		words = string(text)
		p.words[words] = words
	}
	a.finish(now, healthcheck.Passed(words))
}

func (a *asking) fail(now time.Time, at phase, err error) {
	a.finish(now, failed(context.Background(), a.poller.began.Add(a.start), at, err))
}

// finish closes the connection, by a reset, and tells the result.
func (a *asking) finish(now time.Time, r healthcheck.Result) {
	if a.fd > 0 {
		delete(a.poller.asking, a.fd)
		unix.Close(int(a.fd)) // which takes it out of the epoll instance
	}
	a.tell(now, r)
}

func (a *asking) tell(now time.Time, r healthcheck.Result) {
	a.ended = true
	r.At, r.Latency = now, now.Sub(a.poller.began)-a.start
	a.done(r)
}

// End implements [healthcheck.Asking].
func (a *asking) End(f healthcheck.Failure) {
	a.poller.mu.Lock()
	defer a.poller.mu.Unlock()
	a.end(f)
}

func (a *asking) end(f healthcheck.Failure) {
	switch {
	case a.ended:
	case a.slow != nil && f == healthcheck.FailureTimeout:
		a.slow.SetDeadline(time.Unix(1, 0))
	case a.slow != nil:
		a.cancel()
	case f == healthcheck.FailureTimeout:
		a.fail(time.Now(), a.at, os.ErrDeadlineExceeded)
	default:
		a.finish(time.Now(), healthcheck.Failed(healthcheck.FailureCanceled, "canceled in "+string(a.at)))
	}
}
