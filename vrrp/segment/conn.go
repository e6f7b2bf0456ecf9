//go:build linux

package segment

import (
	"errors"
	"net/netip"
)

// Conn is the VRRP socket of one interface.
type Conn struct{}

// Open opens the socket of an interface: filtered, then joined to 224.0.0.18.
func Open(cfg Config) (*Conn, error) { return nil, errors.ErrUnsupported }

// FD is the descriptor to watch for input. Only Receive may read from it.
func (c *Conn) FD() int { return -1 }

// Index is the index of the interface that Open found.
func (c *Conn) Index() int { return 0 }

// Receive reads what has arrived, at most len(pkts) packets, and returns how
// many. It is empty when n < len(pkts).
func (c *Conn) Receive(pkts []Packet) (n int, err error) { return 0, errors.ErrUnsupported }

// Send sends a message from src, which must be an address of this host, to dst:
// the group, or a peer.
func (c *Conn) Send(payload []byte, src, dst netip.Addr) error { return errors.ErrUnsupported }

// SetFilter replaces the filter. No packet is lost by it.
func (c *Conn) SetFilter(f Filter) error { return errors.ErrUnsupported }

// Audit reads at most len(rs) of the packets that the filter refused. lost is
// how many more there were since the last call that found no room in the queue.
func (c *Conn) Audit(rs []Rejected) (n int, lost uint32, err error) {
	return 0, 0, errors.ErrUnsupported
}

// Close closes the socket and leaves the group.
func (c *Conn) Close() error { return nil }
