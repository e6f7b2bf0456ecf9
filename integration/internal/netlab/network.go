package netlab

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
)

// VIP is the virtual address that the directors hold.
var VIP = netip.MustParseAddr("10.9.0.100")

// Network is the whole lab.
type Network struct {
	Switch           *Host
	D1, D2           *Host    // directors
	Real             [3]*Host // real servers; the configurations name the first two
	Client, Observer *Host

	impaired map[string]*impairment // what the switch does to packets, by the port to their receiver
}

// Build makes the network. It is torn down by the end of the world that it lives in.
func Build() (*Network, error) {
	n := new(Network)
	var err error
	if n.Switch, err = newHost("sw"); err != nil {
		return nil, err
	}
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "lan"}, MulticastSnooping: new(false)}
	if err := n.Switch.link.LinkAdd(bridge); err != nil {
		return nil, fmt.Errorf("add the bridge: %w", err)
	}
	if err := n.Switch.link.LinkSetUp(bridge); err != nil {
		return nil, fmt.Errorf("set the bridge up: %w", err)
	}
	for _, h := range []struct {
		at   **Host
		name string
		last byte
	}{
		{&n.D1, "d1", 1}, {&n.D2, "d2", 2},
		{&n.Real[0], "rs1", 3}, {&n.Real[1], "rs2", 4}, {&n.Real[2], "rs3", 5},
		{&n.Client, "client", 10}, {&n.Observer, "observer", 20},
	} {
		if *h.at, err = n.attach(h.name, h.last, bridge); err != nil {
			return nil, err
		}
	}
	for _, rs := range n.Real {
		if err := realServer(rs); err != nil {
			return nil, err
		}
	}
	return n, n.checkReachable()
}

// attach makes a host with one interface on the bridge. Its MAC tells who it is: 02:00:00:00:00:LAST.
func (n *Network) attach(name string, last byte, bridge netlink.Link) (*Host, error) {
	h, err := newHost(name)
	if err != nil {
		return nil, err
	}
	h.Addr = netip.AddrFrom4([4]byte{10, 9, 0, last})
	h.MAC = net.HardwareAddr{2, 0, 0, 0, 0, last}
	if err := h.plug(n.Switch, bridge, name, Interface, h.MAC); err != nil {
		return nil, err
	}
	for _, key := range []string{"all", "default", Interface} {
		// IPv6 is not part of the lab, and its address detection delays a link by a second.
		if err := h.Sysctl("net/ipv6/conf/"+key+"/disable_ipv6", "1"); err != nil {
			return nil, err
		}
	}
	if err := h.AddAddress(Interface, h.Addr.String()+"/24"); err != nil {
		return nil, err
	}
	eth0, err := h.link.LinkByName(Interface)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return h, h.link.LinkSetUp(eth0)
}

// realServer prepares a host for direct routing: it accepts the VIP and never says so by ARP.
func realServer(h *Host) error {
	for _, s := range []struct{ key, value string }{
		{"net/ipv4/conf/all/arp_ignore", "1"},
		{"net/ipv4/conf/all/arp_announce", "2"},
	} {
		if err := h.Sysctl(s.key, s.value); err != nil {
			return err
		}
	}
	return h.AddAddress("lo", VIP.String()+"/32")
}

// Port sets the switch's side of a host's cable up or down: the host sees its carrier come and go.
func (n *Network) Port(h *Host, up bool) error {
	port, err := n.Switch.link.LinkByName(h.port)
	if err != nil {
		return fmt.Errorf("sw: %w", err)
	}
	if up {
		return n.Switch.link.LinkSetUp(port)
	}
	return n.Switch.link.LinkSetDown(port)
}

// checkReachable sends a datagram from every host to every other: a lab whose network is wrong must not be measured.
func (n *Network) checkReachable() error {
	hosts := []*Host{n.D1, n.D2, n.Real[0], n.Real[1], n.Real[2], n.Client, n.Observer}
	for _, to := range hosts {
		if err := n.reaches(hosts, to); err != nil {
			return err
		}
	}
	return nil
}
