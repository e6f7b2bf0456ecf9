//go:build linux

package segment

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/vrrp/wire"
)

const (
	// batch is how many packets one system call reads.
	batch = 16
	// maxPacket4 is more than the longest packet that can be sound: an IP header
	// with all options, and signed version 2 with 255 addresses. maxPacket6 is the same
	// for IPv6, whose header a socket is not given. A longer one is cut, and
	// refused for its length.
	maxPacket4 = 60 + minLen2 + 255*4 + wire.TrailerLen
	maxPacket6 = wire.MaxLen + 64
	// maxControl has room for an in6_pktinfo, a hop limit, a timespec and a drop
	// counter.
	maxControl = 128

	defaultReceiveBuffer = 256 << 10
	auditReceiveBuffer   = 32 << 10
)

// Conn is the VRRP socket of one interface, with its audit. It is for one
// goroutine.
type Conn struct {
	ifi    net.Interface
	six    bool
	filter Filter

	hot   packetConn
	hotFD descriptor
	audit packetConn

	in      []ipv4.Message // buffers of both sockets
	out     []ipv4.Message // the one message that Send sends
	outAddr net.IPAddr
	outSrc  netip.Addr // what out[0].OOB holds

	missed    counter // of the hot socket
	unaudited counter // of the audit socket

	refused Packet      // the one that Audit looks at
	advert  wire.Advert // and what is in it
}

// packetConn is what the two packages of x/net have in common. Their Messages
// are one type.
type packetConn interface {
	ReadBatch(ms []ipv4.Message, flags int) (int, error)
	WriteBatch(ms []ipv4.Message, flags int) (int, error)
	SetBPF(filter []bpf.RawInstruction) error
	Close() error
}

// counter follows a counter of the kernel that counts modulo 2^32.
type counter struct {
	last  uint32
	total uint64
}

// advance takes a new reading and returns what has been added.
func (c *counter) advance(now uint32) uint32 {
	delta := now - c.last
	c.last = now
	c.total += uint64(delta)
	return delta
}

// Open opens the socket of an interface in the network namespace of the calling
// thread: filtered first, then joined to 224.0.0.18 or ff02::12.
func Open(cfg Config) (*Conn, error) {
	c, err := open(cfg)
	if err != nil {
		return nil, explain("open VRRP socket on "+cfg.Interface, err)
	}
	return c, nil
}

func open(cfg Config) (*Conn, error) {
	ifi, err := interfaceByName(cfg.Interface)
	if err != nil {
		return nil, err
	}
	wanted, refused, err := cfg.Filter.assemble(cfg.IPv6)
	if err != nil {
		return nil, err
	}
	if cfg.ReceiveBuffer == 0 {
		cfg.ReceiveBuffer = defaultReceiveBuffer
	}
	c := &Conn{ifi: *ifi, six: cfg.IPv6, filter: cfg.Filter, in: make([]ipv4.Message, 0, batch), out: make([]ipv4.Message, 1)}
	openSocket, addrLen := openSocket4, net.IPv4len
	if c.six {
		openSocket, addrLen = openSocket6, net.IPv6len
	}
	if c.hot, c.hotFD, err = openSocket(ifi, wanted, cfg.ReceiveBuffer); err != nil {
		return nil, err
	}
	if c.audit, _, err = openSocket(ifi, refused, auditReceiveBuffer); err != nil {
		c.hot.Close()
		return nil, fmt.Errorf("audit: %w", err)
	}
	c.outAddr.IP = make(net.IP, addrLen)
	c.out[0].Addr = &c.outAddr
	c.out[0].Buffers = make([][]byte, 1)
	return c, nil
}

// FD is the descriptor to watch for input, level-triggered. Only Receive may
// read from it.
func (c *Conn) FD() int { return int(c.hotFD) }

// Index is the index of the interface that Open found.
func (c *Conn) Index() int { return c.ifi.Index }

// Receive reads what has arrived, oldest first and at most len(pkts) packets,
// and returns how many. Nothing is left when n < len(pkts). Having nothing to
// read is no error. The payloads are the Conn's own memory, good until the next
// Receive or Audit.
func (c *Conn) Receive(pkts []Packet) (n int, err error) {
	for n < len(pkts) {
		ms := c.buffers(n, min(batch, len(pkts)-n))
		got, err := read(c.hot, ms)
		if err != nil {
			return n, explain("receive on "+c.ifi.Name, err)
		}
		now := time.Now()
		for i := range ms[:got] {
			drops, _ := c.parse(&pkts[n], &ms[i], now)
			if drops != 0 {
				c.missed.advance(drops)
			}
			n++
		}
		if got < len(ms) {
			break
		}
	}
	return n, nil
}

// buffers returns n messages to read into, the first being number from. They
// are made when first asked for: most Conns never see more than a few packets
// at once.
func (c *Conn) buffers(from, n int) []ipv4.Message {
	maxPacket := maxPacket4
	if c.six {
		maxPacket = maxPacket6
	}
	for len(c.in) < from+n {
		b := make([]byte, maxPacket+maxControl)
		c.in = append(c.in, ipv4.Message{Buffers: [][]byte{b[:maxPacket:maxPacket]}, OOB: b[maxPacket:]})
	}
	return c.in[from : from+n]
}

// Missed returns how many wanted packets the kernel has thrown away so far
// because the queue was full.
func (c *Conn) Missed() uint64 { return c.missed.total }

// Send sends a message from src, an address of this host, to dst: the group, or
// a peer on unicast, both of the Conn's family and without zone. A source must
// be given: the kernel's choice could be a VIP, and the checksum covers it.
//
// A nil error says that the packet is with the interface's queue. The kernel
// does not tell a raw socket of a packet that the queue drops.
func (c *Conn) Send(payload []byte, src, dst netip.Addr) error {
	if src.Is6() != c.six || dst.Is6() != c.six || !src.IsValid() || !dst.IsValid() {
		return fmt.Errorf("send on %s: from %v to %v: %w", c.ifi.Name, src, dst, unix.EAFNOSUPPORT)
	}
	m := &c.out[0]
	if src != c.outSrc {
		m.OOB = c.from(src)
		c.outSrc = src
	}
	if c.six {
		to := dst.As16()
		copy(c.outAddr.IP, to[:])
	} else {
		to := dst.As4()
		copy(c.outAddr.IP, to[:])
	}
	m.Buffers[0] = payload
	_, err := c.hot.WriteBatch(c.out, unix.MSG_DONTWAIT)
	m.Buffers[0] = nil
	if err == nil {
		return nil
	}
	// The kernel has the same answer for a route that is missing and for an
	// interface that is down.
	if errors.Is(err, unix.ENETUNREACH) && !isUp(c.hotFD, c.ifi.Name) {
		err = fmt.Errorf("%w: %w", unix.ENETDOWN, err)
	}
	return explain("send on "+c.ifi.Name, err)
}

// from is the control message that names the source and the interface.
func (c *Conn) from(src netip.Addr) []byte {
	if c.six {
		return (&ipv6.ControlMessage{Src: src.AsSlice(), IfIndex: c.ifi.Index}).Marshal()
	}
	return (&ipv4.ControlMessage{Src: src.AsSlice(), IfIndex: c.ifi.Index}).Marshal()
}

// SetFilter replaces the filter. No packet that both filters want is lost. One
// that is queued stays queued where it is.
func (c *Conn) SetFilter(f Filter) error {
	wanted, refused, err := f.assemble(c.six)
	if err != nil {
		return fmt.Errorf("filter on %s: %w", c.ifi.Name, err)
	}
	// Wanted first: for a moment a packet may be in both sockets, never in
	// none.
	if err := errors.Join(c.hot.SetBPF(wanted), c.audit.SetBPF(refused)); err != nil {
		return fmt.Errorf("filter on %s: %w", c.ifi.Name, err)
	}
	c.filter = f
	return nil
}

// Audit reads at most len(rs) of the packets that the filter refused, and
// returns how many. It does not block; nothing is left when n < len(rs). lost
// is how many more there have been since the last call for which the queue had
// no room; recent kernels count wanted packets in it too while that queue is
// full. Audit invalidates the payloads of the last Receive.
func (c *Conn) Audit(rs []Rejected) (n int, lost uint32, err error) {
	for n < len(rs) {
		ms := c.buffers(0, min(batch, len(rs)-n))
		got, err := read(c.audit, ms)
		if err != nil {
			return n, lost, explain("audit on "+c.ifi.Name, err)
		}
		now := time.Now()
		for i := range ms[:got] {
			p := &c.refused
			drops, fragment := c.parse(p, &ms[i], now)
			if drops != 0 {
				lost += c.unaudited.advance(drops)
			}
			reason := c.filter.reason(&c.advert, p, fragment)
			if reason == wire.Accepted {
				continue
			}
			rs[n] = Rejected{Src: p.Src, VRID: wire.VRID(p.Payload), Reason: reason}
			n++
		}
		if got < len(ms) {
			break
		}
	}
	return n, lost, nil
}

// Close closes both sockets and so leaves the group.
func (c *Conn) Close() error { return errors.Join(c.hot.Close(), c.audit.Close()) }

// read fills ms with what is queued.
func read(conn packetConn, ms []ipv4.Message) (int, error) {
	n, err := conn.ReadBatch(ms, unix.MSG_DONTWAIT)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
		return 0, nil
	}
	return n, err
}

// explain names the operation and, where there is one, the sentinel.
func explain(op string, err error) error {
	for _, known := range []struct {
		errno    error
		sentinel error
	}{
		{unix.ENODEV, ErrNoInterface},
		{unix.ENXIO, ErrNoInterface},
		{unix.ENETDOWN, ErrInterfaceDown},
		{unix.ENETUNREACH, ErrUnreachable},
		{unix.EHOSTUNREACH, ErrUnreachable},
		{unix.EINVAL, ErrUnreachable},
		{unix.EADDRNOTAVAIL, ErrUnreachable},
		{unix.ENOBUFS, ErrBusy},
		{unix.EAGAIN, ErrBusy},
		{unix.EPERM, ErrPermission},
		{unix.EACCES, ErrPermission},
	} {
		if errors.Is(err, known.errno) {
			return fmt.Errorf("%s: %w: %w", op, known.sentinel, err)
		}
	}
	return fmt.Errorf("%s: %w", op, err)
}
