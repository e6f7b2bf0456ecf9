package lvs

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/integration/internal/netlab"
)

// What talks here works with system calls, because a thread has one network namespace and a goroutine none, and because the standard library
// has no SCTP.

var errNoAnswer = errors.New("no answer")

// sockaddr renders an address for system calls.
func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Addr: a.Addr().As4(), Port: int(a.Port())}
	}
	return &unix.SockaddrInet6{Addr: a.Addr().As16(), Port: int(a.Port())}
}

// socket makes one for a protocol, bound to an address.
func socket(protocol int, at netip.AddrPort) (fd int, err error) {
	family, kind := unix.AF_INET, unix.SOCK_STREAM
	if at.Addr().Is6() {
		family = unix.AF_INET6
	}
	if protocol == unix.IPPROTO_UDP {
		kind = unix.SOCK_DGRAM
	}
	if fd, err = unix.Socket(family, kind|unix.SOCK_CLOEXEC, protocol); err != nil {
		return -1, err
	}
	if at.Addr().Is6() {
		// Its addresses need not be on an interface.
		err = unix.SetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_FREEBIND, 1)
	}
	if at.Port() == 0 && err == nil {
		// The port is chosen by connect, as for every client: in turn, not at random among those of connections that IPVS still knows.
		err = unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	}
	return fd, errors.Join(err, unix.Bind(fd, sockaddr(at)))
}

// connect opens a connection of a protocol.
func connect(protocol int, source netip.Addr, target netip.AddrPort) (fd int, err error) {
	if fd, err = socket(protocol, netip.AddrPortFrom(source, 0)); err != nil {
		return fd, err
	}
	patience := unix.NsecToTimeval(2e9)
	for _, set := range []func() error{
		func() error {
			// Closing resets: no TIME_WAIT here, none at the server.
			return unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
		},
		func() error { return unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &patience) },
		func() error { return unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &patience) },
		func() error { return unix.Connect(fd, sockaddr(target)) },
	} {
		if err := set(); err != nil {
			return fd, err
		}
	}
	return fd, nil
}

// talkOn sends a request, if there is one, and reads one byte of the answer.
func talkOn(fd int, request string) (server byte, err error) {
	if request != "" {
		if _, err := unix.Write(fd, []byte(request)); err != nil {
			return 0, err
		}
	}
	var b [1]byte
	if n, err := unix.Read(fd, b[:]); err != nil || n != 1 {
		return 0, errors.Join(errNoAnswer, err)
	}
	return b[0], nil
}

// ask connects by TCP, sends a request, if there is one, and reads one byte of the answer.
func ask(source netip.Addr, target netip.AddrPort, request string) (fd int, server byte, err error) {
	if fd, err = connect(unix.IPPROTO_TCP, source, target); err != nil {
		return fd, 0, err
	}
	server, err = talkOn(fd, request)
	return fd, server, err
}

// serveDatagrams answers each UDP datagram to an address of a host with a number.
func serveDatagrams(h *netlab.Host, at netip.AddrPort, number byte) error {
	fd := -1
	err := h.Do(func() (err error) {
		fd, err = socket(unix.IPPROTO_UDP, at)
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: UDP %v: %w", h.Name, at, err)
	}
	go func() {
		b := make([]byte, 64)
		for {
			if _, from, err := unix.Recvfrom(fd, b, 0); err == nil {
				_ = unix.Sendto(fd, []byte{number}, 0, from) // who gets no answer says so
			}
		}
	}()
	return nil
}

// serveAssociations answers each SCTP association to an address of a host with a number.
func serveAssociations(h *netlab.Host, at netip.AddrPort, number byte) error {
	fd := -1
	err := h.Do(func() (err error) {
		if fd, err = socket(unix.IPPROTO_SCTP, at); err != nil {
			return err
		}
		return unix.Listen(fd, 16)
	})
	if err != nil {
		return fmt.Errorf("%s: SCTP %v: %w", h.Name, at, err)
	}
	go func() {
		for {
			c, _, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
			if err != nil {
				continue
			}
			_, _ = unix.Write(c, []byte{number}) // who gets no answer says so
			go func() {
				_, _ = unix.Read(c, make([]byte, 1)) // until the client closes
				unix.Close(c)
			}()
		}
	}()
	return nil
}
