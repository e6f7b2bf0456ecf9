//go:build linux

package segment

import (
	"errors"
	"net/netip"
	"time"

	"github.com/lbha/lbha/vrrp/wire"
)

// What Open and Send can meet. Each error they return matches at most one of
// these, and its system error.
var (
	// ErrNoInterface: the interface does not exist, or no longer.
	ErrNoInterface = errors.New("no such interface")
	// ErrInterfaceDown: the interface is administratively down.
	ErrInterfaceDown = errors.New("interface is down")
	// ErrUnreachable: the source address is not on this host, or no route leads
	// from it to the destination.
	ErrUnreachable = errors.New("no such source address or no route")
	// ErrBusy: a queue on the way out is full, the packet was not sent.
	ErrBusy = errors.New("transmit queue is full")
	// ErrPermission: CAP_NET_RAW is missing.
	ErrPermission = errors.New("raw sockets need CAP_NET_RAW")
)

// Config says what to open.
type Config struct {
	// Interface is the name of the interface.
	Interface string
	// IPv6 opens the socket of that family; IPv4's otherwise. An interface
	// whose virtual routers are of both families has two Conns.
	IPv6 bool
	// Filter is what to let through from the start.
	Filter Filter
	// ReceiveBuffer is the size of the hot socket's queue in bytes of kernel
	// memory, of which one packet takes about 800; 0 is 256 KiB.
	ReceiveBuffer int
}

// Packet is a received VRRP packet.
type Packet struct {
	// Payload is the message behind the IP header. It is valid until the next
	// Receive.
	Payload []byte
	Src     netip.Addr // without zone
	Dst     netip.Addr
	TTL     int // or hop limit
	IfIndex int
	// Age is how long before Receive the packet arrived, by the wall clock, not
	// below 0. A step of that clock in between is in it: limit it.
	Age time.Duration
}

// Meta is p as the decoder wants it.
func (p *Packet) Meta() wire.Meta {
	return wire.Meta{Src: p.Src, Dst: p.Dst, TTL: p.TTL, IfIndex: p.IfIndex}
}

// Rejected is a packet that the filter kept from Receive.
type Rejected struct {
	Src    netip.Addr
	VRID   uint8 // as the packet claims; 0 if it is too short to say
	Reason wire.Drop
}
