package kernel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/mdlayher/genetlink"
	"github.com/mdlayher/netlink"
)

const (
	familyName    = "IPVS"
	familyVersion = 1
	headerLen     = 4 // of generic netlink

	// batchSize is the number of messages in one write. More gains nothing, and
	// the errors of all must fit the receive buffer: the kernel drops what does
	// not.
	batchSize     = 128
	receiveBuffer = 1 << 20
	messageBuffer = 32 << 10 // the most that the kernel puts into one part of a listing

	dumpAttempts = 3
)

var errInterrupted = errors.New("the listing was interrupted by changes, several times")

// socket is a netlink socket that knows the number of the IPVS family.
type socket struct {
	*netlink.Conn
	family  uint16
	timeout time.Duration
	armed   time.Time       // when the deadline was set
	ctx     context.Context // of the call that uses the socket now
}

func dial(o Options) (*socket, error) {
	config := &netlink.Config{MessageBufferSize: messageBuffer}
	if o.Namespace != "" {
		ns, err := os.Open(o.Namespace)
		if err != nil {
			return nil, fmt.Errorf("network namespace: %w", err)
		}
		defer ns.Close()
		config.NetNS = int(ns.Fd())
	}
	conn, err := netlink.Dial(genetlink.Protocol, config)
	if err != nil {
		return nil, err
	}
	// Both are for long batches of errors; the kernel's defaults do for short ones.
	_ = conn.SetReadBuffer(receiveBuffer)
	_ = conn.SetOption(netlink.CapAcknowledge, true)
	return &socket{Conn: conn, timeout: o.Timeout}, nil
}

func (s *socket) findFamily() error {
	s.arm()
	f, err := genetlink.NewConn(s.Conn).GetFamily(familyName)
	if err != nil {
		return err
	}
	s.family = f.ID
	return nil
}

// interrupt makes the exchange that is under way, and the next, fail.
func (s *socket) interrupt() { _ = s.SetDeadline(time.Unix(1, 0)) }

// arm sets the deadline of the next exchange. One that was set a moment ago will
// do: setting it costs as much as the exchange, and a listing has thousands. If
// that was for a call which was interrupted, the connection is closed.
func (s *socket) arm() {
	now := time.Now()
	if now.Sub(s.armed) < s.timeout/10 && s.ctx.Err() == nil {
		return
	}
	s.armed = now
	_ = s.SetDeadline(now.Add(s.timeout))
	if s.ctx.Err() != nil {
		s.interrupt() // lost to the new deadline otherwise
	}
}

// message makes a request out of a command and its attributes.
func (s *socket) message(cmd uint8, attrs []byte, flags netlink.HeaderFlags) netlink.Message {
	data := make([]byte, headerLen, headerLen+len(attrs))
	data[0], data[1] = cmd, familyVersion
	return netlink.Message{
		Header: netlink.Header{Type: netlink.HeaderType(s.family), Flags: netlink.Request | flags},
		Data:   append(data, attrs...),
	}
}

// ask sends one request and returns the attributes of each reply.
func (s *socket) ask(cmd uint8, attrs []byte, flags netlink.HeaderFlags) ([][]byte, error) {
	s.arm()
	replies, err := s.Execute(s.message(cmd, attrs, flags))
	if err != nil {
		return nil, err
	}
	bodies := make([][]byte, 0, len(replies))
	for _, m := range replies {
		switch {
		case m.Header.Flags&netlink.DumpInterrupted != 0:
			return nil, errInterrupted
		case m.Header.Type == netlink.Error:
			// The acknowledgement of a request without a reply.
		case len(m.Data) < headerLen:
			return nil, fmt.Errorf("a reply of %d bytes", len(m.Data))
		default:
			bodies = append(bodies, m.Data[headerLen:])
		}
	}
	return bodies, nil
}

// dump lists something, again if the listing is interrupted.
func (s *socket) dump(cmd uint8, attrs []byte) (bodies [][]byte, err error) {
	for range dumpAttempts {
		bodies, err = s.ask(cmd, attrs, netlink.Dump)
		if !errors.Is(err, errInterrupted) {
			break
		}
	}
	return bodies, err
}

// request is a command of a batch.
type request struct {
	cmd   uint8
	attrs []byte
}

// batch sends all requests, many in one write. It returns the errno of each
// that the kernel refused, by index. An error means that some were not answered.
//
// The kernel works through a write in order and answers every message that
// fails, and the last of each write, which asks for it: so that answer says that
// all the others were heard.
func (s *socket) batch(requests []request) (map[int]syscall.Errno, error) {
	refused := map[int]syscall.Errno{}
	for start := 0; start < len(requests); start += batchSize {
		part := requests[start:min(start+batchSize, len(requests))]
		messages := make([]netlink.Message, len(part))
		for i, r := range part {
			messages[i] = s.message(r.cmd, r.attrs, 0)
		}
		messages[len(part)-1].Header.Flags |= netlink.Acknowledge
		s.arm()
		sent, err := s.SendMessages(messages)
		if err != nil {
			return refused, err
		}
		index := make(map[uint32]int, len(sent))
		for i, m := range sent {
			index[m.Header.Sequence] = start + i
		}
		last := start + len(part) - 1
		for done := false; !done; {
			i, errno, err := s.receiveAnswer(index)
			if err != nil {
				return refused, err
			}
			if errno != 0 {
				refused[i] = errno
			}
			done = i == last
		}
	}
	return refused, nil
}

// receiveAnswer returns the index of the request that the next answer is for,
// and 0 or its errno.
func (s *socket) receiveAnswer(index map[uint32]int) (int, syscall.Errno, error) {
	messages, err := s.Receive()
	var sequence uint32
	var errno syscall.Errno
	if err != nil {
		e, ok := errors.AsType[*netlink.OpError](err)
		if !ok {
			return 0, 0, err
		}
		if errno, ok = e.Err.(syscall.Errno); !ok {
			return 0, 0, err
		}
		sequence = e.Sequence
	} else {
		if len(messages) != 1 || messages[0].Header.Type != netlink.Error {
			return 0, 0, errors.New("an answer that is no acknowledgement")
		}
		sequence = messages[0].Header.Sequence
	}
	i, ok := index[sequence]
	if !ok {
		return 0, 0, fmt.Errorf("an answer to an unknown request (sequence %d)", sequence)
	}
	return i, errno, nil
}
