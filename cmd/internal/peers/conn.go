package peers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// sendLimit bounds how long a full socket holds the loop. What is not sent by then is lost.
	sendLimit = 20 * time.Millisecond
	// afterError is how long a socket that fails to read rests.
	afterError = 100 * time.Millisecond
	readBuffer = 1 << 20
)

// udp is the real socket.
type udp struct{ *net.UDPConn }

// listen opens a UDP socket. The address may be one that this host does not have yet: an interface that comes up late
// is no reason not to start.
func listen(at netip.AddrPort) (Conn, error) {
	network, level, option := "udp4", unix.IPPROTO_IP, unix.IP_FREEBIND
	if at.Addr().Is6() {
		network, level, option = "udp6", unix.IPPROTO_IPV6, unix.IPV6_FREEBIND
	}
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), level, option, 1) }) // else the bind tells
	}}
	c, err := lc.ListenPacket(context.Background(), network, at.String())
	if err != nil {
		return nil, fmt.Errorf("exchange of verdicts: %w; set global.peers.listen to a free address of this host", err)
	}
	conn := c.(*net.UDPConn)
	_ = conn.SetReadBuffer(readBuffer) // a smaller one works as well
	return udp{conn}, nil
}

func (u udp) Send(datagram []byte, to netip.AddrPort) error {
	_ = u.SetWriteDeadline(time.Now().Add(sendLimit))
	_, err := u.WriteToUDPAddrPort(datagram, to)
	return err
}

func (u udp) Receive(buf []byte) (int, netip.AddrPort, error) {
	for {
		n, from, err := u.ReadFromUDPAddrPort(buf)
		switch {
		case err == nil:
			return n, netip.AddrPortFrom(from.Addr().Unmap().WithZone(""), from.Port()), nil
		case errors.Is(err, net.ErrClosed):
			return 0, netip.AddrPort{}, err
		}
		time.Sleep(afterError)
	}
}
