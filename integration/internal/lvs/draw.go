package lvs

import (
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

// numberPort and otherPort are where the number servers listen.
const (
	numberPort = 7000
	otherPort  = 7001
)

// serveNumber answers each connection with the number of the real server that its address belongs to, and keeps it open for as long as the
// client does.
func serveNumber(h *netlab.Host) error {
	for _, port := range []int{numberPort, otherPort} {
		err := serve(h, port, func(c net.Conn) {
			if _, err := c.Write([]byte{numberOf(c.LocalAddr())}); err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 1)) // until the client closes
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// numberOf is 1 for 10.9.0.3 and fd09::3, 2 for 10.9.0.4, and so on.
func numberOf(a net.Addr) byte {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return 0
	}
	b := tcp.AddrPort().Addr().Unmap().AsSlice()
	return b[len(b)-1] - 2
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
