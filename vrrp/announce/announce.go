//go:build linux

package announce

import (
	"errors"
	"net"
	"net/netip"
)

var (
	// ErrNoInterface: the interface does not exist, or no longer.
	ErrNoInterface = errors.New("no such interface")
	// ErrInterfaceDown: the interface is down.
	ErrInterfaceDown = errors.New("interface is down")
	// ErrBusy: a queue on the way out is full; not every frame was sent.
	ErrBusy = errors.New("transmit queue is full")
	// ErrPermission: CAP_NET_RAW is missing.
	ErrPermission = errors.New("packet sockets need CAP_NET_RAW")
)

// Sender announces addresses on one interface from one MAC.
type Sender struct{}

// Open prepares announcements on an interface. mac is both the Ethernet source
// and the ARP sender: the interface's or a virtual router's.
func Open(index int, mac net.HardwareAddr) (*Sender, error) { return nil, errors.ErrUnsupported }

// Send announces each IPv4 address of vips twice, as a request and as a reply. It
// does not block.
func (s *Sender) Send(vips []netip.Addr) error { return errors.ErrUnsupported }

// Close closes the socket.
func (s *Sender) Close() error { return nil }

// Conflict is an ARP packet in which somebody else claims to have one of our addresses.
type Conflict struct {
	IP  netip.Addr
	MAC net.HardwareAddr
}

// Listener hears ARP packets that claim our addresses from other MACs.
type Listener struct{}

// Listen opens a listener on an interface. own are the MACs that may speak for
// vips.
func Listen(index int, own []net.HardwareAddr, vips []netip.Addr) (*Listener, error) {
	return nil, errors.ErrUnsupported
}

// FD is the descriptor to watch for input.
func (l *Listener) FD() int { return -1 }

// Watch replaces the addresses and the MACs that may speak for them.
func (l *Listener) Watch(own []net.HardwareAddr, vips []netip.Addr) error {
	return errors.ErrUnsupported
}

// Heard reads at most len(cs) conflicts and returns how many. It does not block.
func (l *Listener) Heard(cs []Conflict) (n int, err error) { return 0, errors.ErrUnsupported }

// Close closes the socket.
func (l *Listener) Close() error { return nil }
