package link

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// MaxMessage bounds a message, in bytes: about 8,000 instances.
const MaxMessage = 4 << 20

var (
	// ErrFull is returned by Send when the other end does not read: it is being restarted, or stuck.
	ErrFull = errors.New("the other process does not read its messages")
	// ErrEmpty is returned by Receive when no message is waiting.
	ErrEmpty = errors.New("no message")
	// ErrGarbled is returned by Receive for a message that cannot be understood. The next one may be.
	ErrGarbled = errors.New("a message cannot be understood")
)

// Pair makes the two ends of a link. The supervisor keeps both open.
func Pair() (elector, director *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("link: %w", err)
	}
	for _, fd := range fds {
		// A list of 1,000 instances is one message of some 500 kB. Without CAP_NET_ADMIN the plain option serves
		// as far as net.core.wmem_max goes.
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, 2*MaxMessage) != nil {
			_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 2*MaxMessage)
		}
	}
	return os.NewFile(uintptr(fds[0]), "link-elector"), os.NewFile(uintptr(fds[1]), "link-director"), nil
}

// Conn is one end of a link. It belongs to one goroutine for sending and one for receiving.
type Conn struct {
	fd  int
	buf []byte
}

// Open takes over the descriptor of one end, which must be non-blocking.
func Open(fd int) (*Conn, error) {
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, fmt.Errorf("link: descriptor %d: %w", fd, err)
	}
	return &Conn{fd: fd, buf: make([]byte, 64<<10)}, nil
}

// FD is the descriptor, for poll and epoll.
func (c *Conn) FD() int { return c.fd }

// Send sends m, or fails at once.
func (c *Conn) Send(m Message) error {
	m.Version = Version
	data, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("link: %w", err)
	}
	if len(data) > MaxMessage {
		return fmt.Errorf("link: a message of %d bytes is over the limit of %d", len(data), MaxMessage)
	}
	for {
		err := unix.Sendto(c.fd, data, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, nil)
		switch err {
		case nil:
			return nil
		case unix.EINTR:
		case unix.EAGAIN, unix.ENOBUFS:
			return ErrFull
		default:
			return fmt.Errorf("link: send: %w", err)
		}
	}
}

// Receive returns the next waiting message, ErrEmpty, or ErrGarbled, which concerns this message only.
func (c *Conn) Receive() (Message, error) {
	n, err := c.peek()
	if err != nil {
		return Message{}, err
	}
	if n > len(c.buf) {
		c.buf = make([]byte, n)
	}
	n, _, err = unix.Recvfrom(c.fd, c.buf, unix.MSG_DONTWAIT)
	if err != nil {
		return Message{}, fmt.Errorf("link: receive: %w", err)
	}
	data := c.buf[:n]
	if len(c.buf) > 1<<20 {
		c.buf = make([]byte, 64<<10) // one large configuration is no reason to keep its buffer
	}
	var m Message
	if err := json.Unmarshal(data, &m); err != nil {
		return Message{}, fmt.Errorf("link: %w: %w", ErrGarbled, err)
	}
	if m.Version != Version {
		return Message{}, fmt.Errorf("link: %w: it is of version %d, not %d", ErrGarbled, m.Version, Version)
	}
	return m, nil
}

// peek returns the length of the next message.
func (c *Conn) peek() (int, error) {
	for {
		n, _, err := unix.Recvfrom(c.fd, c.buf[:1], unix.MSG_DONTWAIT|unix.MSG_PEEK|unix.MSG_TRUNC)
		switch err {
		case nil:
			if n == 0 {
				return 0, fmt.Errorf("link: closed")
			}
			return n, nil
		case unix.EINTR:
		case unix.EAGAIN:
			return 0, ErrEmpty
		default:
			return 0, fmt.Errorf("link: receive: %w", err)
		}
	}
}

// Wait blocks until a message waits or the timeout has passed. It is for the director, whose receiver is a goroutine
// of its own.
func (c *Conn) Wait(milliseconds int) error {
	_, err := unix.Poll([]unix.PollFd{{Fd: int32(c.fd), Events: unix.POLLIN}}, milliseconds)
	if err != nil && err != unix.EINTR {
		return fmt.Errorf("link: poll: %w", err)
	}
	return nil
}
