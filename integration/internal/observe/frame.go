package observe

import (
	"errors"
	"fmt"

	"github.com/lbha/lbha/integration/internal/mono"
	"github.com/lbha/lbha/integration/internal/netlab"
	"golang.org/x/sys/unix"
)

// Frame is an Ethernet frame as an interface of a host had it.
type Frame struct {
	At        mono.Time
	Host      string
	Interface string
	Out       bool // sent by the host; else received by it
	Data      []byte
}

// Capture records every frame that an interface of a host sends, or receives for itself or for all, until stop is closed: what a switch
// flooded to it and is for another machine is left out.
func Capture(h *netlab.Host, iface string, tape *Tape[Frame], stop <-chan struct{}) error {
	c, err := listen(h, iface, nil)
	if err != nil {
		return err
	}
	// The end of a capture is noticed within this time.
	patience := unix.NsecToTimeval(50e6)
	if err := unix.SetsockoptTimeval(c.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &patience); err != nil {
		unix.Close(c.fd)
		return fmt.Errorf("%s: observe %s: %w", h.Name, iface, err)
	}
	go func() {
		defer unix.Close(c.fd)
		buf, oob := make([]byte, 1<<17), make([]byte, 256)
		for {
			select {
			case <-stop:
				return
			default:
			}
			n, oobn, _, from, err := unix.Recvmsg(c.fd, buf, oob, 0)
			if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) || errors.Is(err, unix.ENETDOWN) {
				continue
			}
			if err != nil {
				return
			}
			link, ok := from.(*unix.SockaddrLinklayer)
			if !ok || link.Pkttype == unix.PACKET_OTHERHOST {
				continue
			}
			at := stamp(oob[:oobn])
			tape.add(at, Frame{At: at, Host: h.Name, Interface: iface, Out: link.Pkttype == unix.PACKET_OUTGOING, Data: append([]byte(nil), buf[:n]...)})
		}
	}()
	return nil
}
