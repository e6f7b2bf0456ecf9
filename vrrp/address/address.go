//go:build linux

package address

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Protocol is the IFA_PROTO that marks an address as ours in the kernel. It is
// VRRP's protocol number.
const Protocol = 112

// Forever is the Remaining of an address without a lease.
const Forever time.Duration = -1

var (
	// ErrNoInterface: the interface does not exist, or no longer.
	ErrNoInterface = errors.New("no such interface")
	// ErrPermission: CAP_NET_ADMIN is missing.
	ErrPermission = errors.New("changing addresses needs CAP_NET_ADMIN")
	// ErrIPv6Off: IPv6 is switched off on the interface.
	ErrIPv6Off = errors.New("IPv6 is switched off on the interface (sysctl disable_ipv6)")
	// ErrTimeout: the kernel did not answer in time. What was asked for may
	// have happened.
	ErrTimeout = errors.New("no answer from the kernel")
)

// VIP is a virtual IP address on an interface.
type VIP struct {
	// Prefix is the address with its prefix length.
	Prefix netip.Prefix
	// Index is the interface's, from Link.
	Index int
	// Label is the IPv4 label, at most 15 bytes beginning with the interface's
	// name; empty for the name itself.
	Label string
	// Scope is an IPv4 address's: RT_SCOPE_… of linux/rtnetlink.h, 0 for global.
	// An IPv6 address has the scope that its bits say.
	Scope uint8
	// AnyLength is for Missing: the address counts with whatever prefix length
	// it is there.
	AnyLength bool
}

// Held is an address that the kernel holds with our mark.
type Held struct {
	VIP
	// Remaining is what is left of the lease in whole seconds, rounded down, or
	// Forever.
	Remaining time.Duration
}

// Failure is what became of one VIP of a set.
type Failure struct {
	Op  string // "claim", "renew" or "release"
	VIP VIP
	Err error // the kernel's, with the sentinel that fits
}

// Error names the operation, the address and the interface.
func (f *Failure) Error() string {
	return fmt.Sprintf("%s %v on interface %d: %v", f.Op, f.VIP.Prefix, f.VIP.Index, f.Err)
}

// Unwrap returns the kernel's error.
func (f *Failure) Unwrap() error { return f.Err }

// State is what the kernel knows of a link.
type State struct {
	Name  string
	Index int
	// Up: administratively up, with carrier, and operational (RFC 2863).
	Up bool
	// Admin: administratively up, whatever the carrier.
	Admin bool
	// MAC is empty on a link without one.
	MAC net.HardwareAddr
	MTU int
	// Addrs are the link's addresses of both families in the kernel's order,
	// each with its prefix length; but not those of IPv6 that are not to be sent
	// from: temporary ones (RFC 8981), and these two:
	Addrs []netip.Prefix
	// Tentative are addresses for which duplicate address detection has not
	// ended. A Watch reports the link when it does.
	Tentative []netip.Addr
	// Duplicate are addresses that it found with another host.
	Duplicate []netip.Addr
	// IPv6Off: IPv6 is switched off on the link (the sysctl disable_ipv6).
	IPv6Off bool
	// Router: the host forwards IPv6 packets that come by the link (the sysctl
	// forwarding). A Watch reports a change.
	Router bool
}

// Primary returns the source address of an interface's IPv4 adverts: its first
// address that is no VIP, as keepalived picks it. ok is false if there is none.
func Primary(addrs []netip.Prefix, vips []VIP) (addr netip.Addr, ok bool) {
	for _, p := range addrs {
		isVIP := func(v VIP) bool { return v.Prefix.Addr() == p.Addr() }
		if p.Addr().Is4() && !slices.ContainsFunc(vips, isVIP) {
			return p.Addr(), true
		}
	}
	return netip.Addr{}, false
}

// Primary6 is Primary for IPv6 adverts: a link-local address for multicast, and
// for peers that are link-local too, or one that is not. Of several it returns
// the one that has been there longest: the kernel lists the newest first.
func Primary6(addrs []netip.Prefix, vips []VIP, linkLocal bool) (addr netip.Addr, ok bool) {
	for _, p := range slices.Backward(addrs) {
		isVIP := func(v VIP) bool { return v.Prefix.Addr() == p.Addr() }
		if p.Addr().Is6() && p.Addr().IsLinkLocalUnicast() == linkLocal && !slices.ContainsFunc(vips, isVIP) {
			return p.Addr(), true
		}
	}
	return netip.Addr{}, false
}

// explain gives an error of the kernel its sentinel.
func explain(err error) error {
	switch {
	case errors.Is(err, unix.ENODEV):
		return fmt.Errorf("%w: %w", ErrNoInterface, err)
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w: %w", ErrPermission, err)
	case errors.Is(err, unix.EACCES): // not a matter of capabilities
		return fmt.Errorf("%w: %w", ErrIPv6Off, err)
	}
	return err
}
