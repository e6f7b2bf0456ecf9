package checkbench

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/integration/internal/mono"
	"github.com/lbha/lbha/integration/internal/netlab"
)

// farm is all real servers of a load that answer, in one loop.
type farm struct {
	load  Load
	host  *netlab.Host
	epoll int
	ended chan struct{}

	mu      sync.Mutex
	servers []server
	at      map[int32]int // the server of a listener
	writing bool          // gaps are noted
	visits  int
	gaps    []time.Duration // between two visits to a server
}

// server is one real server. Its listener is its own, so that it can be killed.
type server struct {
	listener int // -1: none
	visits   int
	last     mono.Time // when it was asked
}

var response = []byte("HTTP/1.1 200 OK\r\nServer: lab\r\nContent-Type: text/plain\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n")

// newFarm opens the listeners of a load on a host and answers until close.
func newFarm(host *netlab.Host, load Load) (*farm, error) {
	f := &farm{load: load, host: host, ended: make(chan struct{}), servers: make([]server, load.Servers), at: map[int32]int{}}
	var err error
	if f.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, err
	}
	err = host.Do(func() error {
		for n := range f.servers {
			f.servers[n].listener = -1
			if load.silent(n) {
				continue
			}
			if err := f.open(n); err != nil {
				return fmt.Errorf("listen on %v: %w", load.address(n), err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	go f.serve()
	return f, nil
}

// open makes a server listen; on a thread in the host's namespace.
func (f *farm) open(n int) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	err = errors.Join(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
		unix.Bind(fd, &unix.SockaddrInet4{Addr: f.load.address(n).As4(), Port: port}))
	if err == nil && f.load.Type == "http" {
		// Who is accepted has asked: there is nothing to wait for.
		err = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, 1)
	}
	if err == nil {
		err = unix.Listen(fd, 128)
	}
	if err == nil {
		f.mu.Lock()
		f.servers[n].listener = fd
		f.at[int32(fd)] = n
		f.mu.Unlock()
		err = unix.EpollCtl(f.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
	}
	return err
}

// serve accepts until the epoll descriptor is closed.
func (f *farm) serve() {
	defer close(f.ended)
	events := make([]unix.EpollEvent, 256)
	for {
		n, err := unix.EpollWait(f.epoll, events, 100)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return
		}
		for _, e := range events[:n] {
			f.accept(e.Fd)
		}
	}
}

func (f *farm) accept(listener int32) {
	fd, _, err := unix.Accept4(int(listener), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	if err != nil {
		return
	}
	f.note(listener, mono.Now())
	if f.load.Type == "http" {
		var request [1024]byte
		if _, err := unix.Read(fd, request[:]); err == nil {
			_, _ = unix.Write(fd, response) // a client that has gone is counted all the same
		}
	}
	unix.Close(fd)
}

// note takes a visit down.
func (f *farm) note(listener int32, at mono.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, ok := f.at[listener]
	if !ok {
		return
	}
	s := &f.servers[n]
	if f.writing {
		f.visits++
		if s.visits > 0 {
			f.gaps = append(f.gaps, at.Sub(s.last))
		}
	}
	s.visits++
	s.last = at
}

// write begins to note visits, or ends, and returns what was noted.
func (f *farm) write(on bool) (visits int, gaps []time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	visits, gaps = f.visits, f.gaps
	f.writing, f.visits, f.gaps = on, 0, nil
	return visits, gaps
}

// missing is how many servers have been asked fewer than so many times.
func (f *farm) missing(visits int) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.servers {
		if f.servers[i].visits < visits && !f.load.silent(i) {
			n++
		}
	}
	return n
}

// forget forgets all visits.
func (f *farm) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.servers {
		f.servers[i].visits = 0
	}
}

// kill ends a server, unless a probe of it is about to come or has just come, which might be on its way: then it says no.
// From then on connections to it are refused. It returns when the server was asked for the last time.
func (f *farm) kill(n int) (last mono.Time, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := &f.servers[n]
	if age := mono.Now().Sub(s.last); age < f.load.Interval/10 || age > f.load.Interval*8/10 {
		return 0, false
	}
	delete(f.at, int32(s.listener))
	unix.Close(s.listener)
	s.listener = -1
	return s.last, true
}

// close ends all servers.
func (f *farm) close() {
	unix.Close(f.epoll)
	<-f.ended
	for _, s := range f.servers {
		if s.listener >= 0 {
			unix.Close(s.listener)
		}
	}
}
