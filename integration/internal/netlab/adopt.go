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
	h := &Host{Name: name, Addr: addr, ns: ns, nic: nic}
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
