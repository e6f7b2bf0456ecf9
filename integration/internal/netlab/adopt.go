package netlab

import (
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// Adopt makes a host of a network namespace that somebody else made, whose interface nic is on the segment. The switch's port to it must have
// the host's name. A namespace that is adopted stays as long as the host is used, whoever else leaves it.
func Adopt(name string, ns netns.NsHandle, nic string, addr netip.Addr) (*Host, error) {
	h := &Host{Name: name, Addr: addr, ns: ns, nic: nic, port: name}
	var err error
	if h.link, err = netlink.NewHandleAt(ns); err != nil {
		return nil, fmt.Errorf("netlink in %s: %w", name, err)
	}
	link, err := h.link.LinkByName(nic)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	h.MAC = link.Attrs().HardwareAddr
	return h, nil
}

// Move takes the host's cable to another namespace, which is the host from then on: whoever made that was not asked to plug it in. The MAC
// address and all that the switch does to it stay; addresses do not, but for the one on the segment. What is left is a host without a cable.
func (h *Host) Move(ns netns.NsHandle) (*Host, error) {
	link, err := h.link.LinkByName(h.Interface())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", h.Name, err)
	}
	if err := h.link.LinkSetNsFd(link, int(ns)); err != nil {
		return nil, fmt.Errorf("%s: move %s: %w", h.Name, h.Interface(), err)
	}
	moved, err := Adopt(h.Name, ns, h.Interface(), h.Addr)
	if err != nil {
		return nil, err
	}
	moved.port = h.port
	if err := moved.AddAddress(h.Interface(), h.Addr.String()+"/24"); err != nil {
		return nil, err
	}
	if link, err = moved.link.LinkByName(h.Interface()); err != nil {
		return nil, fmt.Errorf("%s: %w", h.Name, err)
	}
	return moved, moved.link.LinkSetUp(link)
}

// Here makes a switch of the namespace of this process, which has a bridge already.
func Here() (*Host, error) {
	ns, err := netns.Get()
	if err != nil {
		return nil, err
	}
	h := &Host{Name: "switch", ns: ns}
	h.link, err = netlink.NewHandleAt(ns)
	return h, err
}
