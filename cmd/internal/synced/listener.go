package synced

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// group is where the kernel's daemons send, unless told otherwise, which lbha does not: IP_VS_SYNC_GROUP and
// IP_VS_SYNC_PORT of include/net/ip_vs.h. With net.ipv4.vs.sync_ports above 1 the ports that follow carry a share.
var group = netip.MustParseAddrPort("224.0.0.81:8848")

const (
	// rest is how long nobody listens after a datagram: how much traffic a director has must not matter to us.
	rest = time.Second
	// longRest is that on the interfaces where nothing should come. What arrives there is a fault, or another pair's.
	longRest = 15 * time.Second
	// mostInterfaces bounds on how many others we listen. The kernel allows 20 memberships a socket.
	mostInterfaces = 16
)

// Listener hears the synchronisation daemons of others.
//
// On our own interface it joins nothing: the kernel's daemon has, and a socket with IP_MULTICAST_ALL gets what anybody
// on the host has joined. Without it the socket gets nothing, and the kernel counts nothing as dropped: to look once a
// second costs a copy a second, and no membership report. On the other interfaces it joins and leaves.
type Listener struct {
	packets chan Packet
	names   map[int]string // of the interfaces, by index, when it began
	own     *net.UDPConn
	others  *net.UDPConn
	closing chan struct{}
	wait    sync.WaitGroup
}

// Listen begins to listen on the interface of our daemons, and on all others that there are now.
func Listen(ifname string) (*Listener, error) {
	l := &Listener{packets: make(chan Packet), names: map[int]string{}, closing: make(chan struct{})}
	var err error
	if l.own, err = open(); err != nil {
		return nil, err
	}
	if l.others, err = open(); err != nil {
		l.own.Close()
		return nil, err
	}
	joined, err := l.join(ifname)
	if err != nil {
		l.own.Close()
		l.others.Close()
		return nil, err
	}
	l.wait.Go(func() { l.look(ifname) })
	if joined > 0 {
		l.wait.Go(l.lookAside)
	}
	return l, nil
}

// open makes a socket for the group that hears nothing yet.
func open() (*net.UDPConn, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	f := os.NewFile(uintptr(fd), "sync")
	defer f.Close() // the connection has a descriptor of its own
	// The kernel's own socket is there, too, and can be reused likewise.
	for _, o := range []struct{ level, name, value int }{
		{unix.SOL_SOCKET, unix.SO_REUSEADDR, 1}, {unix.SOL_IP, unix.IP_MULTICAST_ALL, 0}, {unix.SOL_IP, unix.IP_PKTINFO, 1},
	} {
		if err := unix.SetsockoptInt(fd, o.level, o.name, o.value); err != nil {
			return nil, fmt.Errorf("socket option: %w", err)
		}
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Port: int(group.Port()), Addr: group.Addr().As4()}); err != nil {
		return nil, fmt.Errorf("bind to %s: %w", group, err)
	}
	conn, err := net.FilePacketConn(f)
	if err != nil {
		return nil, err
	}
	return conn.(*net.UDPConn), nil
}

// join joins the group on the interfaces that are not ours, as many as may be, and returns how many those are.
func (l *Listener) join(ifname string) (n int, err error) {
	all, err := net.Interfaces()
	if err != nil {
		return 0, err
	}
	const want = net.FlagUp | net.FlagMulticast
	for _, i := range all {
		l.names[i.Index] = i.Name
		if i.Flags&(want|net.FlagLoopback) != want || i.Name == ifname || n == mostInterfaces {
			continue
		}
		if l.member(unix.IP_ADD_MEMBERSHIP, i.Index) == nil { // an interface may have gone, or have no IPv4
			n++
		}
	}
	return n, nil
}

// member joins or leaves the group on an interface.
func (l *Listener) member(option, ifindex int) error {
	return control(l.others, func(fd int) error {
		return unix.SetsockoptIPMreqn(fd, unix.SOL_IP, option, &unix.IPMreqn{Multiaddr: group.Addr().As4(), Ifindex: int32(ifindex)})
	})
}

// control runs f on a connection's descriptor.
func control(conn *net.UDPConn, f func(fd int) error) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = f(int(fd)) })
	return errors.Join(err, failed)
}

// Packets is where what was heard arrives, until the listener is closed.
func (l *Listener) Packets() <-chan Packet { return l.packets }

// Close ends it.
func (l *Listener) Close() {
	close(l.closing)
	l.own.Close()
	l.others.Close()
	l.wait.Wait()
}

// look takes a datagram of our own interface, and rests.
func (l *Listener) look(ifname string) {
	for {
		if control(l.own, func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_MULTICAST_ALL, 1) }) != nil {
			return
		}
		for {
			p, _, err := l.receive(l.own)
			if err != nil {
				return
			}
			if p.Interface == ifname { // somebody may have joined elsewhere
				l.hear(p)
				break
			}
		}
		if control(l.own, func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_MULTICAST_ALL, 0) }) != nil {
			return
		}
		l.pause(rest)
		drain(l.own)
	}
}

// lookAside takes a datagram of any other interface, and does not listen to that for a while.
func (l *Listener) lookAside() {
	for {
		p, ifindex, err := l.receive(l.others)
		if err != nil {
			return
		}
		if l.member(unix.IP_DROP_MEMBERSHIP, ifindex) != nil {
			continue // left already: it was on its way
		}
		l.hear(p)
		l.wait.Go(func() {
			l.pause(longRest)
			_ = l.member(unix.IP_ADD_MEMBERSHIP, ifindex) // the interface may have gone
		})
	}
}

func (l *Listener) hear(p Packet) {
	select {
	case l.packets <- p:
	case <-l.closing:
	}
}

func (l *Listener) pause(d time.Duration) {
	select {
	case <-time.After(d):
	case <-l.closing:
	}
}

// receive waits for a datagram that has a header, on an interface that was there when the listener began.
func (l *Listener) receive(conn *net.UDPConn) (p Packet, ifindex int, err error) {
	var header [headerLen]byte
	control := make([]byte, unix.CmsgSpace(unix.SizeofInet4Pktinfo))
	for {
		n, oobn, _, from, err := conn.ReadMsgUDPAddrPort(header[:], control)
		if err != nil {
			return p, 0, err
		}
		id, ok := parse(header[:n])
		ifindex = arrival(control[:oobn])
		name, known := l.names[ifindex]
		if !ok || !known {
			continue
		}
		return Packet{Interface: name, From: from.Addr().Unmap(), ID: id}, ifindex, nil
	}
}

// arrival is the index of the interface on which a datagram arrived; 0: not known.
func arrival(control []byte) int {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return 0
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_IP && m.Header.Type == unix.IP_PKTINFO && len(m.Data) >= unix.SizeofInet4Pktinfo {
			return int(int32(binary.NativeEndian.Uint32(m.Data)))
		}
	}
	return 0
}

// drain throws away what is there already.
func drain(conn *net.UDPConn) {
	_ = control(conn, func(fd int) error {
		var b [1]byte
		for {
			if _, _, err := unix.Recvfrom(fd, b[:], unix.MSG_DONTWAIT|unix.MSG_TRUNC); err != nil {
				return nil
			}
		}
	})
}
