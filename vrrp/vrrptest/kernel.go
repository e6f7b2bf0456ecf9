package vrrptest

import (
	"net/netip"
	"slices"
	"time"

	"github.com/lbha/lbha/vrrp"
)

// leaseTail is how late the kernel may remove an address whose lease has ended.
const leaseTail = 400 * time.Millisecond

// kernel holds the addresses of one node. It outlives the process.
type kernel struct {
	held  []heldAddress
	lease time.Duration // what was asked for last; 0: for ever
}

type heldAddress struct {
	addr    netip.Addr
	expires vrrp.Instant // when the kernel removes it; never: no lease
	lease   uint64       // which lease this is, to recognise a renewal
}

func (k *kernel) find(a netip.Addr) *heldAddress {
	for i := range k.held {
		if k.held[i].addr == a {
			return &k.held[i]
		}
	}
	return nil
}

// holdsAll reports whether every one of the addresses is there.
func (k *kernel) holdsAll(addrs []netip.Addr) bool {
	return !slices.ContainsFunc(addrs, func(a netip.Addr) bool { return k.find(a) == nil })
}

// claim makes the addresses be what is held.
func (n *Node) claim(addrs []netip.Addr, lease time.Duration) {
	n.kernel.held = slices.DeleteFunc(n.kernel.held, func(h heldAddress) bool { return !slices.Contains(addrs, h.addr) })
	for _, a := range addrs {
		if n.kernel.find(a) == nil {
			n.kernel.held = append(n.kernel.held, heldAddress{addr: a})
		}
	}
	n.renew(lease)
}

// renew gives every address that is held a new lifetime.
func (n *Node) renew(lease time.Duration) {
	n.lan.seq++
	id := n.lan.seq
	n.kernel.lease = lease
	for i := range n.kernel.held {
		h := &n.kernel.held[i]
		h.lease, h.expires = id, never
		if lease > 0 {
			tail := n.leaseTail()
			h.expires = n.lan.now.Add(lease + tail)
			a := h.addr
			n.lan.after(lease+tail, func() { n.expire(a, id) })
		}
	}
}

// leaseTail draws how late the kernel is.
func (n *Node) leaseTail() time.Duration {
	if n.lan.Network.Jitter == 0 {
		return leaseTail / 2
	}
	return n.lan.upTo(leaseTail)
}

// expire ends a lease, unless it was renewed meanwhile.
func (n *Node) expire(a netip.Addr, id uint64) {
	if h := n.kernel.find(a); h != nil && h.lease == id {
		n.lan.trace(n.Name, "kernel: the lease of %v ended", a)
		n.lose(a)
	}
}

// lose removes an address behind the back of the process, which is told.
func (n *Node) lose(a netip.Addr) {
	n.kernel.held = slices.DeleteFunc(n.kernel.held, func(h heldAddress) bool { return h.addr == a })
	n.lostAt = n.lan.now
	n.deliver(vrrp.AddressLost{Address: a})
}
