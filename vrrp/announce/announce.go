//go:build linux

package announce

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"

	"github.com/mdlayher/arp"
	"github.com/mdlayher/ethernet"
	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"
)

var (
	// ErrNoInterface: the interface does not exist, or no longer.
	ErrNoInterface = errors.New("no such interface")
	// ErrInterfaceDown: the interface is administratively down.
	ErrInterfaceDown = errors.New("interface is down")
	// ErrBusy: a queue on the way out is full; not every frame was sent.
	ErrBusy = errors.New("transmit queue is full")
	// ErrPermission: CAP_NET_RAW is missing.
	ErrPermission = errors.New("packet sockets need CAP_NET_RAW")
)

// Sender announces addresses of both families on one interface from one MAC. It
// is for one goroutine.
type Sender struct {
	op     string       // for errors
	conn   *packet.Conn // nil: it is another Sender's
	raw    syscall.RawConn
	mac    net.HardwareAddr
	router bool
	frames map[netip.Addr][][]byte // of one announcement

	// The frame being written, and what became of it: write is made once, so
	// that a send allocates nothing.
	frame []byte
	err   error
	write func(fd uintptr) (done bool)
}

// Open prepares announcements on an interface in the network namespace of the
// calling thread. mac, of 6 bytes, is the Ethernet source, and where every
// announced address is.
func Open(index int, mac net.HardwareAddr) (*Sender, error) {
	op := fmt.Sprintf("announce on interface %d", index)
	if len(mac) != 6 {
		return nil, fmt.Errorf("%s: MAC %v is not of Ethernet", op, mac)
	}
	// Protocol 0 receives nothing.
	conn, err := packet.Listen(&net.Interface{Index: index}, packet.Raw, 0, nil)
	if err != nil {
		return nil, explain(op, err)
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	s := newSender(op, raw, mac)
	s.conn = conn
	return s, nil
}

func newSender(op string, raw syscall.RawConn, mac net.HardwareAddr) *Sender {
	s := &Sender{op: op, raw: raw, mac: mac, frames: make(map[netip.Addr][][]byte)}
	s.write = func(fd uintptr) bool {
		_, s.err = unix.Write(int(fd), s.frame)
		return true // whatever came of it: the runtime's poller must not wait
	}
	return s
}

// As returns a Sender for another MAC on the same interface, a virtual one, which
// shares the socket of s: it works until s is closed, and need not be closed.
func (s *Sender) As(mac net.HardwareAddr) *Sender { return newSender(s.op, s.raw, mac) }

// SetRouter says whether this host forwards IPv6 packets, which each neighbour
// advertisement repeats. It is false at first.
func (s *Sender) SetRouter(router bool) {
	if router != s.router {
		s.router = router
		clear(s.frames)
	}
}

// Send announces each of vips. It does not block. A full queue loses frames but
// does not end the sending of the rest; any other error does.
func (s *Sender) Send(vips []netip.Addr) error {
	var busy error
	for _, vip := range vips {
		fs, ok := s.frames[vip]
		if !ok {
			var err error
			if fs, err = s.build(vip); err != nil {
				return fmt.Errorf("announce %v: %w", vip, err)
			}
			s.frames[vip] = fs
		}
		for _, f := range fs {
			err := s.send(f)
			switch {
			case errors.Is(err, ErrBusy):
				busy = err
			case err != nil:
				return err
			}
		}
	}
	return busy
}

func (s *Sender) send(frame []byte) error {
	s.frame = frame
	err := s.raw.Write(s.write)
	if err == nil {
		err = s.err
	}
	if err == nil || err == unix.EINTR {
		return nil
	}
	return explain(s.op, os.NewSyscallError("write", err))
}

// Close closes the socket.
func (s *Sender) Close() error {
	if s.conn == nil {
		return nil
	}
	return s.conn.Close()
}

// build makes the frames that announce vip.
func (s *Sender) build(vip netip.Addr) ([][]byte, error) {
	if vip.Is4() {
		return buildARP(s.mac, vip)
	}
	frame, err := buildNA(s.mac, vip, s.router)
	return [][]byte{frame}, err
}

// buildARP makes the two forms of the announcement of vip at mac.
func buildARP(mac net.HardwareAddr, vip netip.Addr) (frames [][]byte, err error) {
	for _, op := range [...]arp.Operation{arp.OperationRequest, arp.OperationReply} {
		p, err := arp.NewPacket(op, mac, vip, ethernet.Broadcast, vip)
		if err != nil {
			return nil, err
		}
		payload, err := p.MarshalBinary()
		if err != nil {
			return nil, err
		}
		f := ethernet.Frame{
			Destination: ethernet.Broadcast,
			Source:      mac,
			EtherType:   ethernet.EtherTypeARP,
			Payload:     payload,
		}
		frame, err := f.MarshalBinary()
		if err != nil {
			return nil, err
		}
		frames = append(frames, frame)
	}
	return frames, nil
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
