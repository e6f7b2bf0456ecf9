package lvs

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/integration/internal/netlab"
)

// draw is one connection that a scheduler placed.
type draw struct {
	Source netip.Addr
	Target netip.Addr
	Server byte // its number, 1 and up; 0: the connection failed
}

var errNoAnswer = errors.New("no answer")

// numberPort is where the number servers listen.
const numberPort = 7000

// serveNumber answers each connection with the number of the real server that its address belongs to, and keeps it open for as long as the
// client does.
func serveNumber(h *netlab.Host) error {
	return serve(h, numberPort, func(c net.Conn) {
		if _, err := c.Write([]byte{numberOf(c.LocalAddr())}); err != nil {
			return
		}
		_, _ = c.Read(make([]byte, 1)) // until the client closes
	})
}

// numberOf is 1 for 10.9.0.3, 2 for 10.9.0.4, and so on.
func numberOf(a net.Addr) byte {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return 0
	}
	return tcp.AddrPort().Addr().Unmap().As4()[3] - 2
}

// serve hands every connection to a port of a host, on any address, to f, and closes it afterwards. The listener lives as long as the world.
func serve(h *netlab.Host, port int, f func(net.Conn)) error {
	var l net.Listener
	err := h.Do(func() (err error) {
		l, err = net.Listen("tcp", fmt.Sprintf(":%d", port))
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: %w", h.Name, err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				f(c)
			}()
		}
	}()
	return nil
}

// drawer opens connections one after the other. It belongs to a thread in the client's namespace.
type drawer struct {
	draws []draw
	held  []int // descriptors
}

// draw opens a connection and asks for the server's number. hold leaves it open until close.
func (d *drawer) draw(source, target netip.Addr, port uint16, hold bool) {
	fd, server, err := ask(source, netip.AddrPortFrom(target, port), "")
	if err != nil {
		server = 0
	}
	d.draws = append(d.draws, draw{source, target, server})
	if hold && err == nil {
		d.held = append(d.held, fd)
		return
	}
	shut(fd)
}

func (d *drawer) close() {
	for _, fd := range d.held {
		unix.Close(fd)
	}
	d.held = nil
}

// shut closes a descriptor that may be none.
func shut(fd int) {
	if fd >= 0 {
		unix.Close(fd)
	}
}

// ask connects, sends a request, if there is one, and reads one byte of the answer. It works with system calls, because a thread has one network namespace and a goroutine none.
func ask(source netip.Addr, target netip.AddrPort, request string) (fd int, server byte, err error) {
	if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return -1, 0, err
	}
	patience := unix.NsecToTimeval(2e9)
	// Closing resets: no TIME_WAIT here, none at the server.
	for _, set := range []func() error{
		func() error {
			return unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
		},
		func() error { return unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &patience) },
		func() error { return unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &patience) },
		// The port is chosen by connect, as for every client: in turn, not at random among those of connections that IPVS still knows.
		func() error { return unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1) },
		func() error { return unix.Bind(fd, &unix.SockaddrInet4{Addr: source.As4()}) },
		func() error {
			return unix.Connect(fd, &unix.SockaddrInet4{Addr: target.Addr().As4(), Port: int(target.Port())})
		},
		func() error {
			if request == "" {
				return nil
			}
			_, err := unix.Write(fd, []byte(request))
			return err
		},
	} {
		if err := set(); err != nil {
			return fd, 0, err
		}
	}
	var b [1]byte
	if n, err := unix.Read(fd, b[:]); err != nil || n != 1 {
		return fd, 0, errors.Join(errNoAnswer, err)
	}
	return fd, b[0], nil
}
