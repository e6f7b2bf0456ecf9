package netlab

import (
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
)

// NewHost makes a host that is on no segment yet: see [Host.Plug]. Unlike the hosts of [Build] it has IPv6.
func NewHost(name string) (*Host, error) {
	h, err := newHost(name)
	if err != nil {
		return nil, err
	}
	for _, key := range []string{"all", "default"} {
		// The lab gives every address once, and the detection of a double one takes a second.
		if err := h.Sysctl("net/ipv6/conf/"+key+"/accept_dad", "0"); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// AddBridge makes a segment in a host that is a switch. It floods multicast.
func (h *Host) AddBridge(name string) error {
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: name}, MulticastSnooping: new(false)}
	if err := h.link.LinkAdd(bridge); err != nil {
		return fmt.Errorf("%s: add the bridge %s: %w", h.Name, name, err)
	}
	return h.link.LinkSetUp(bridge)
}

// Plug connects the host to a bridge of a switch by an interface of the given name and MAC address. The switch's port is
// called HOST-IFACE.
func (h *Host) Plug(sw *Host, bridge, iface string, mac net.HardwareAddr) error {
	b, err := sw.link.LinkByName(bridge)
	if err != nil {
		return fmt.Errorf("%s: bridge %s: %w", sw.Name, bridge, err)
	}
	if err := h.plug(sw, b, h.Name+"-"+iface, iface, mac); err != nil {
		return err
	}
	link, err := h.link.LinkByName(iface)
	if err != nil {
		return fmt.Errorf("%s: %w", h.Name, err)
	}
	return h.link.LinkSetUp(link)
}

// plug makes the pair of interfaces; the switch's end is up.
func (h *Host) plug(sw *Host, bridge netlink.Link, port, iface string, mac net.HardwareAddr) error {
	pair := &netlink.Veth{
		LinkAttrs:        netlink.LinkAttrs{Name: port, MasterIndex: bridge.Attrs().Index},
		PeerName:         iface,
		PeerHardwareAddr: mac,
		PeerNamespace:    netlink.NsFd(h.ns),
	}
	if err := sw.link.LinkAdd(pair); err != nil {
		return fmt.Errorf("connect %s to the bridge: %w", h.Name, err)
	}
	h.port = port
	end, err := sw.link.LinkByName(port)
	if err != nil {
		return fmt.Errorf("%s: %w", sw.Name, err)
	}
	return sw.link.LinkSetUp(end)
}
