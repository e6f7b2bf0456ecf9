//go:build linux

package address

import (
	"errors"
	"net"
	"net/netip"
	"time"
)

// Protocol is the IFA_PROTO that marks an address as ours in the kernel
// (Linux 5.18 and later; older ones keep no mark). It is VRRP's protocol number.
const Protocol = 112

var (
	// ErrNoInterface: the interface does not exist, or no longer.
	ErrNoInterface = errors.New("no such interface")
	// ErrPermission: CAP_NET_ADMIN is missing.
	ErrPermission = errors.New("changing addresses needs CAP_NET_ADMIN")
	// ErrTimeout: the kernel did not answer in time.
	ErrTimeout = errors.New("no answer from the kernel")
)

// VIP is a virtual IP address on an interface.
type VIP struct {
	// Prefix is the address with its prefix length.
	Prefix netip.Prefix
	// Index is the interface's, from Link.
	Index int
	// Label is the IPv4 label, at most 15 bytes beginning with the interface's
	// name; empty for none.
	Label string
}

// Held is an address that the kernel holds with our mark.
type Held struct {
	VIP
	// Remaining is what is left of its lifetime in whole seconds; negative:
	// forever.
	Remaining time.Duration
}

// Failure is what became of one VIP of a batch. Err is the kernel's.
type Failure struct {
	Op  string // "claim", "renew" or "release"
	VIP VIP
	Err error
}

// Error names the operation and the address.
func (f *Failure) Error() string { return f.Op + " " + f.VIP.Prefix.String() + ": " + f.Err.Error() }

// Unwrap returns the kernel's error.
func (f *Failure) Unwrap() error { return f.Err }

// State is what the kernel knows of a link.
type State struct {
	Name  string
	Index int
	// Up: administratively up, with carrier, and operational.
	Up bool
	// Admin: administratively up, whatever the carrier.
	Admin bool
	// MAC is nil on a link without one.
	MAC net.HardwareAddr
	MTU int
	// Addrs are the link's addresses in the kernel's order.
	Addrs []netip.Prefix
}

// Conn is an rtnetlink socket for requests.
type Conn struct{}

// Dial opens the socket in the network namespace of the calling thread.
func Dial() (*Conn, error) { return nil, errors.ErrUnsupported }

// Claim puts every VIP on its interface for the time of lease, rounded up to
// whole seconds, or for ever if lease is 0.
func (c *Conn) Claim(vips []VIP, lease time.Duration) error { return errors.ErrUnsupported }

// Renew begins the lease of every VIP anew.
func (c *Conn) Renew(vips []VIP, lease time.Duration) error { return errors.ErrUnsupported }

// Release takes every VIP off. One that is not there is no error.
func (c *Conn) Release(vips []VIP) error { return errors.ErrUnsupported }

// Held reads from the kernel which addresses carry our mark.
func (c *Conn) Held() ([]Held, error) { return nil, errors.ErrUnsupported }

// Link reads the state of a link by its name.
func (c *Conn) Link(name string) (State, error) { return State{}, errors.ErrUnsupported }

// Watch opens a second socket that hears of changes of links and addresses but
// for those that this Conn makes itself.
func (c *Conn) Watch() (*Watch, error) { return nil, errors.ErrUnsupported }

// Close closes the socket. Addresses stay until their lease ends.
func (c *Conn) Close() error { return nil }

// Watch hears of changes. They are hints to read the state again.
type Watch struct{}

// Changes is what a Watch heard since the last Read.
type Changes struct {
	// Lost: the kernel had more to say than the queue held (ENOBUFS); anything may have
	// changed.
	Lost bool
	// Links are the indexes of links of which something changed, each once.
	Links []int
	// Deleted are the addresses that somebody else, or the end of their
	// lease, took off.
	Deleted []Deleted
}

// Deleted is an address that went without our doing.
type Deleted struct {
	Index  int
	Prefix netip.Prefix
	// Ours: it carried our mark.
	Ours bool
	// Kernel: by the kernel itself (its lease ended, or its link went), not by a process.
	Kernel bool
}

// FD is the descriptor to watch for input.
func (w *Watch) FD() int { return -1 }

// Read drains the socket into ch, whose slices are reused. It does not block.
func (w *Watch) Read(ch *Changes) error { return errors.ErrUnsupported }

// Close closes the socket.
func (w *Watch) Close() error { return nil }

// Primary returns the source address of an interface's adverts: its first IPv4
// address that is no VIP, as keepalived picks it. ok is false if there is none.
func Primary(addrs []netip.Prefix, vips []VIP) (addr netip.Addr, ok bool) {
	return netip.Addr{}, false
}
