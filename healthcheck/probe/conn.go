package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// A dialer opens the sockets of one prober: TCP connections, or sockets for
// datagrams that are connected to the target and hear nobody else.
//
// [net.Dialer] would do, but it starts a goroutine for each connection whose
// context can end, and asks the kernel for names and options that no probe needs.
// Health checks are most of the system calls that a director makes.
type dialer struct {
	target  netip.AddrPort
	options Dial
	kind    int  // SOCK_STREAM (TCP), SOCK_DGRAM (UDP) or SOCK_RAW (ICMP)
	noDelay bool // more than one write without an answer between: TLS
}

// errLocal marks an error of our own host: no descriptor, no port, no memory, no
// such interface or address, or not allowed. The server has no part in it.
var errLocal = errors.New("local")

func newDialer(target netip.AddrPort, o Dial, kind int) (dialer, error) {
	addr := target.Addr()
	switch {
	case !addr.IsValid() || addr.IsUnspecified() || addr.IsMulticast():
		return dialer{}, fmt.Errorf("cannot probe the address %v", addr)
	case target.Port() == 0 && kind != unix.SOCK_RAW:
		return dialer{}, fmt.Errorf("cannot probe %v: no port", addr)
	case o.Source.IsValid() && o.Source.Is4() != addr.Is4():
		return dialer{}, fmt.Errorf("source %v and target %v are of different families", o.Source, addr)
	case o.Through.IsValid() && o.Through.Is4() != addr.Is4():
		return dialer{}, fmt.Errorf("server %v and virtual address %v are of different families", o.Through, addr)
	case len(o.Interface) >= unix.IFNAMSIZ:
		return dialer{}, fmt.Errorf("interface name %.20q is longer than %d bytes", o.Interface, unix.IFNAMSIZ-1)
	}
	return dialer{target: target, options: o, kind: kind}, nil
}

// A conn is the connection of one probe: all it does ends at the probe's
// deadline.
type conn struct {
	*os.File
	target netip.AddrPort
	stop   func() bool
	tracer *tracer // nil: nobody watches
}

// dial connects. When ctx ends, by its deadline or otherwise, so does all that is
// done with the connection: one timer, the context's, cuts every phase.
func (d *dialer) dial(ctx context.Context) (*conn, error) {
	to, err := sockaddr(d.target.Addr(), d.target.Port())
	if err != nil {
		return nil, local("zone", err)
	}
	fd, err := d.socket()
	if err != nil {
		return nil, err
	}
	if err := connect(fd, to); err != nil && err != unix.EINPROGRESS {
		unix.Close(fd)
		return nil, err
	}
	c := &conn{File: os.NewFile(uintptr(fd), "probe"), target: d.target, tracer: tracerIn(ctx)} // a non-blocking one joins the poller
	c.stop = context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	if d.kind == unix.SOCK_STREAM {
		if err := c.wait(to); err != nil {
			c.Close()
			return nil, err
		}
	}
	c.traceConnected()
	return c, nil
}

// socket returns a non-blocking socket that is ready to connect.
func (d *dialer) socket() (int, error) {
	domain, protocol := unix.AF_INET6, 0 // of a stream TCP, of datagrams UDP
	if d.target.Addr().Is4() {
		domain = unix.AF_INET
	}
	if d.kind == unix.SOCK_RAW {
		protocol = unix.IPPROTO_ICMP
		if domain == unix.AF_INET6 {
			protocol = unix.IPPROTO_ICMPV6
		}
	}
	fd, err := unix.Socket(domain, d.kind|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return -1, local("socket", err)
	}
	if err := d.prepare(fd); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// prepare sets the options of a socket.
func (d *dialer) prepare(fd int) error {
	if d.kind != unix.SOCK_STREAM {
		// Without, the kernel keeps most ICMP errors to itself.
		level, option := unix.SOL_IPV6, unix.IPV6_RECVERR
		if d.target.Addr().Is4() {
			level, option = unix.SOL_IP, unix.IP_RECVERR
		}
		if err := unix.SetsockoptInt(fd, level, option, 1); err != nil {
			return local("errors", err)
		}
		return d.route(fd)
	}
	// Closed with unread or unsent data or without, the connection ends in a reset.
	// In the orderly way we, who close first, would keep its port in TIME_WAIT for a
	// minute: at 500 probes a second of one server all 28,000 ports. The server is
	// spared its state, too.
	if err := unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}); err != nil {
		return local("linger", err)
	}
	if d.noDelay {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
			return local("no delay", err)
		}
	}
	return d.route(fd)
}

// route sets the options that say how packets leave this host.
func (d *dialer) route(fd int) error {
	if d.options.Mark != 0 {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, int(d.options.Mark)); err != nil {
			return local("mark", err)
		}
	}
	if name := d.options.Interface; name != "" {
		if err := unix.BindToDevice(fd, name); err != nil {
			return local("interface "+name, err)
		}
	}
	source := d.options.Source
	if d.options.Through.IsValid() && !source.IsValid() {
		var err error
		if source, err = sourceTowards(d.options.Through, d.target.Addr()); err != nil {
			return err
		}
	}
	if source.IsValid() {
		from, err := sockaddr(source, 0)
		if err != nil {
			return local("zone", err)
		}
		// The port is chosen at connect, when the target is known: one port serves
		// many targets.
		if err := unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
			return local("bind", err)
		}
		if err := unix.Bind(fd, from); err != nil {
			return local("source "+source.String(), err)
		}
	}
	return nil
}

// wait waits until the connection stands or has failed. To connect once more is
// to ask for either, in one system call.
func (c *conn) wait(to unix.Sockaddr) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return local("poll", err)
	}
	var failed error
	err = raw.Write(func(fd uintptr) bool {
		failed = connect(int(fd), to)
		return failed != unix.EALREADY && failed != unix.EINPROGRESS
	})
	if err != nil {
		return err
	}
	if failed == unix.EISCONN {
		return nil
	}
	return failed
}

// connect is connect(2), again after a signal.
func connect(fd int, to unix.Sockaddr) error {
	for {
		if err := unix.Connect(fd, to); err != unix.EINTR {
			return err
		}
	}
}

// finish tells the server that nothing more comes. A reset alone, at the end of a
// session that went well, stands in the logs of some as a failure.
func (c *conn) finish() {
	if raw, err := c.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { unix.Shutdown(int(fd), unix.SHUT_WR) })
	}
}

// Close resets the connection.
func (c *conn) Close() error {
	c.stop()
	c.tracer.note(StepClosed, "by us")
	return c.File.Close()
}

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.File.Read(b)
	c.tracer.bytes(StepHeard, b[:max(n, 0)])
	return n, err
}

func (c *conn) Write(b []byte) (int, error) {
	n, err := c.File.Write(b)
	c.tracer.bytes(StepSent, b[:max(n, 0)])
	return n, err
}

// WriteString is Write: that of [os.File] would go past it.
func (c *conn) WriteString(s string) (int, error) { return c.Write([]byte(s)) }

// traceConnected tells who is connected to whom.
func (c *conn) traceConnected() {
	if c.tracer == nil {
		return
	}
	from, err := c.localAddrPort()
	if err != nil {
		c.tracer.note(StepConnected, "to %v", c.target)
		return
	}
	c.tracer.note(StepConnected, "from %v to %v", from, c.target)
}

// LocalAddr and RemoteAddr make a conn a [net.Conn]. Nobody asks for the local one.
func (c *conn) LocalAddr() net.Addr  { return &net.TCPAddr{} }
func (c *conn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.target) }

// sockaddr converts an address; a zone is an interface name or index.
func sockaddr(addr netip.Addr, port uint16) (unix.Sockaddr, error) {
	if addr.Is4() {
		return &unix.SockaddrInet4{Addr: addr.As4(), Port: int(port)}, nil
	}
	to := &unix.SockaddrInet6{Addr: addr.As16(), Port: int(port)}
	if zone := addr.Zone(); zone != "" {
		index, err := strconv.ParseUint(zone, 10, 32)
		if err != nil {
			ifi, err := net.InterfaceByName(zone)
			if err != nil {
				return nil, err
			}
			index = uint64(ifi.Index)
		}
		to.ZoneId = uint32(index)
	}
	return to, nil
}

func local(what string, err error) error { return fmt.Errorf("%w: %s: %w", errLocal, what, err) }
