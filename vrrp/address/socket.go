//go:build linux

package address

import (
	"encoding/binary"
	"errors"
	"math"
	"os"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

const (
	// answerTimeout bounds the wait for the kernel's answers.
	answerTimeout = 500 * time.Millisecond
	// maxDatagram is more than the kernel ever sends at once: its dumps come in
	// pieces of at most 32 KiB, and one link with many virtual functions may be
	// as big.
	maxDatagram = 64 << 10
	// queue is the size of a socket's receive buffer: room for some 1,000
	// events.
	queue = 1 << 20
)

// socket is an rtnetlink socket that believes only the kernel.
type socket struct {
	fd   int
	port uint32 // our address, which the kernel puts on what we cause
	buf  []byte
	dst  unix.SockaddrNetlink // the kernel
}

// openSocket opens a socket that hears the groups (RTMGRP_… of
// linux/rtnetlink.h).
func openSocket(groups uint32) (*socket, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	s := &socket{fd: fd, buf: make([]byte, maxDatagram), dst: unix.SockaddrNetlink{Family: unix.AF_NETLINK}}
	if err := s.setUp(groups); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *socket) setUp(groups uint32) error {
	// Beyond net.core.rmem_max, where we may; the default will do otherwise.
	_ = unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, queue/2)
	// Old kernels lack these: error texts, short acknowledgements, dumps of one
	// link.
	_ = unix.SetsockoptInt(s.fd, unix.SOL_NETLINK, unix.NETLINK_EXT_ACK, 1)
	_ = unix.SetsockoptInt(s.fd, unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1)
	_ = unix.SetsockoptInt(s.fd, unix.SOL_NETLINK, unix.NETLINK_GET_STRICT_CHK, 1)
	timeout := unix.NsecToTimeval(answerTimeout.Nanoseconds())
	for _, name := range []int{unix.SO_RCVTIMEO, unix.SO_SNDTIMEO} {
		if err := unix.SetsockoptTimeval(s.fd, unix.SOL_SOCKET, name, &timeout); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	if err := unix.Bind(s.fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		return os.NewSyscallError("bind", err)
	}
	self, err := unix.Getsockname(s.fd)
	if err != nil {
		return os.NewSyscallError("getsockname", err)
	}
	s.port = self.(*unix.SockaddrNetlink).Pid
	return nil
}

// spare keeps events away that the socket with that port caused: a director
// renews a thousand leases a second.
func (s *socket) spare(port uint32) error {
	const offPort = 12                                              // of struct nlmsghdr
	word := binary.BigEndian.Uint32(native.AppendUint32(nil, port)) // as the filter loads it
	program, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: offPort, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: word, SkipFalse: 1},
		bpf.RetConstant{Val: 0},
		bpf.RetConstant{Val: math.MaxUint32},
	})
	if err != nil {
		return err
	}
	filter := make([]unix.SockFilter, len(program))
	for i, in := range program {
		filter[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	err = unix.SetsockoptSockFprog(s.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]})
	return os.NewSyscallError("attach filter", err)
}

func (s *socket) close() error { return os.NewSyscallError("close", unix.Close(s.fd)) }

// send sends messages to the kernel, which acts on all of them before send
// returns.
func (s *socket) send(messages []byte) error {
	for {
		err := unix.Sendto(s.fd, messages, 0, &s.dst)
		if err != unix.EINTR {
			return os.NewSyscallError("sendto", err)
		}
	}
}

// errTruncated: a datagram was larger than any we know of.
var errTruncated = errors.New("netlink datagram was cut off")

// receive returns the next datagram of the kernel, good until the next call. It
// waits until the deadline; the zero deadline does not wait, and (nil, nil)
// says that there is nothing. Datagrams of other processes, which a privileged
// one can send us, are skipped.
func (s *socket) receive(deadline time.Time) ([]byte, error) {
	flags := unix.MSG_TRUNC
	if deadline.IsZero() {
		flags |= unix.MSG_DONTWAIT
	}
	for {
		n, from, err := unix.Recvfrom(s.fd, s.buf, flags)
		switch {
		case err == unix.EAGAIN && deadline.IsZero():
			return nil, nil
		case err == unix.EAGAIN:
			return nil, ErrTimeout
		case err != nil && err != unix.EINTR:
			return nil, os.NewSyscallError("recvfrom", err)
		case err == nil && fromKernel(from):
			if n > len(s.buf) {
				return nil, errTruncated
			}
			return s.buf[:n], nil
		}
		// Interrupted, or a stranger's: again, but not for ever.
		if !deadline.IsZero() && time.Now().After(deadline) {
			return nil, ErrTimeout
		}
	}
}

func fromKernel(from unix.Sockaddr) bool {
	sender, ok := from.(*unix.SockaddrNetlink)
	return ok && sender.Pid == 0
}
