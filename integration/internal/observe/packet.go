package observe

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/lbha/lbha/integration/internal/mono"
	"github.com/lbha/lbha/integration/internal/netlab"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// capture is a packet socket with the kernel's receive time stamps.
type capture struct {
	fd     int
	closed atomic.Bool
}

// listen opens a packet socket on one of the host's interfaces, or, without a name, on all of them.
func listen(h *netlab.Host, iface string, filter []bpf.Instruction) (*capture, error) {
	c := new(capture)
	err := h.Do(func() error {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("packet socket: %w", err)
		}
		c.fd = fd
		return c.configure(iface, filter)
	})
	if err != nil {
		return nil, fmt.Errorf("%s: observe %s: %w", h.Name, iface, err)
	}
	return c, nil
}

func (c *capture) configure(iface string, filter []bpf.Instruction) error {
	if err := unix.SetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); err != nil {
		return err
	}
	if err := unix.SetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20); err != nil {
		return err
	}
	timeout := unix.NsecToTimeval(int64(closeTime))
	if err := unix.SetsockoptTimeval(c.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout); err != nil {
		return err
	}
	if filter != nil {
		raw, err := bpf.Assemble(filter)
		if err != nil {
			return err
		}
		program := unix.SockFprog{Len: uint16(len(raw)), Filter: (*unix.SockFilter)(unsafe.Pointer(&raw[0]))}
		if err := unix.SetsockoptSockFprog(c.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &program); err != nil {
			return err
		}
	}
	index := 0
	if iface != "" {
		var err error
		if index, err = interfaceIndex(c.fd, iface); err != nil {
			return err
		}
	}
	// The filter is in place before the socket is bound, so nothing unwanted can be queued.
	return unix.Bind(c.fd, &unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_ALL), Ifindex: index})
}

// closeTime is within which read notices that a capture is closed: a packet socket cannot be shut down.
const closeTime = time.Second

// close ends read.
func (c *capture) close() { c.closed.Store(true) }

// interfaceIndex asks the namespace of the socket, which the calling thread need not be in.
func interfaceIndex(fd int, name string) (int, error) {
	req, err := unix.NewIfreq(name)
	if err != nil {
		return 0, err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, req); err != nil {
		return 0, fmt.Errorf("interface %s: %w", name, err)
	}
	return int(int32(req.Uint32())), nil
}

// read delivers packets until the capture is closed, or the world ends.
func (c *capture) read(deliver func(at mono.Time, from *unix.SockaddrLinklayer, data []byte)) {
	defer unix.Close(c.fd)
	buf := make([]byte, 1<<17)
	oob := make([]byte, 256)
	for !c.closed.Load() {
		n, oobn, _, from, err := unix.Recvmsg(c.fd, buf, oob, 0)
		if err == unix.EINTR || err == unix.EAGAIN || err == unix.ENETDOWN {
			// ENETDOWN is reported once when an interface goes down; the socket lives on.
			continue
		}
		if err != nil {
			return
		}
		link, ok := from.(*unix.SockaddrLinklayer)
		if !ok {
			continue
		}
		deliver(stamp(oob[:oobn]), link, buf[:n])
	}
}

// stamp takes the kernel's receive time from the control messages.
func stamp(oob []byte) mono.Time {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err == nil {
		for _, m := range messages {
			if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SCM_TIMESTAMPNS && len(m.Data) >= 16 {
				return mono.FromReal(unix.Timespec{
					Sec:  int64(binary.NativeEndian.Uint64(m.Data)),
					Nsec: int64(binary.NativeEndian.Uint64(m.Data[8:])),
				})
			}
		}
	}
	return mono.Now()
}

func htons(v uint16) uint16 {
	var b [2]byte
	binary.BigEndian.PutUint16(b[:], v)
	return binary.NativeEndian.Uint16(b[:])
}

// every calls f in a fixed rhythm until stop is closed. A missed beat is not made up for.
func every(period time.Duration, stop <-chan struct{}, f func()) {
	t := time.NewTicker(period)
	defer t.Stop()
	for {
		select {
		case <-stop:
			return
		case <-t.C:
			f()
		}
	}
}
