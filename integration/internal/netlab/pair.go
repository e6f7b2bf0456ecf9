package netlab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// SwitchAddr is the switch's own address in a network of [Pair]: there it is the third host.
var SwitchAddr = netip.MustParseAddr("10.9.0.20")

// BridgeName is the interface of the switch that is connected to everybody.
const BridgeName = "lan"

// Pair makes a network of two directors and nothing else. What concerns VRRP alone needs no more, and many of them can live beside
// each other: the names of their namespaces begin with prefix, which has at most ten characters.
//
// The switch has addresses of its own, 10.9.0.20 and fd00:9::14, so that it can ask as a client would. With IPv6 the directors
// have fd00:9::1 and fd00:9::2 beside their link-local addresses, without duplicate-address detection.
func Pair(prefix string, ipv6 bool) (*Network, error) {
	n := new(Network)
	if err := n.pair(prefix, ipv6); err != nil {
		n.Close()
		return nil, err
	}
	return n, nil
}

func (n *Network) pair(prefix string, ipv6 bool) (err error) {
	if n.Switch, err = newHost(prefix + "-sw"); err != nil {
		return err
	}
	n.Switch.Addr = SwitchAddr
	n.Switch.MAC = net.HardwareAddr{2, 0, 0, 0, 0, 20}
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: BridgeName, HardwareAddr: n.Switch.MAC}, MulticastSnooping: new(false)}
	if err := n.Switch.link.LinkAdd(bridge); err != nil {
		return fmt.Errorf("add the bridge: %w", err)
	}
	if err := n.Switch.AddAddress(BridgeName, SwitchAddr.String()+"/24"); err != nil {
		return err
	}
	if err := n.Switch.link.LinkSetUp(bridge); err != nil {
		return fmt.Errorf("set the bridge up: %w", err)
	}
	if n.D1, err = n.attach(prefix+"-d1", 1, bridge); err != nil {
		return err
	}
	if n.D2, err = n.attach(prefix+"-d2", 2, bridge); err != nil {
		return err
	}
	if !ipv6 {
		return nil
	}
	for _, h := range []struct {
		host  *Host
		iface string
		addr  string
	}{{n.Switch, BridgeName, "fd00:9::14/64"}, {n.D1, Interface, "fd00:9::1/64"}, {n.D2, Interface, "fd00:9::2/64"}} {
		if err := h.host.enableIPv6(h.iface, h.addr); err != nil {
			return err
		}
	}
	return nil
}

// enableIPv6 lets the kernel make link-local addresses, and adds one of global scope.
func (h *Host) enableIPv6(iface, cidr string) error {
	for _, key := range []string{"all", "default", iface} {
		for _, s := range []struct{ name, value string }{{"accept_dad", "0"}, {"dad_transmits", "0"}, {"disable_ipv6", "0"}} {
			if s.name == "dad_transmits" && key == "all" {
				continue // "all" has no meaning there
			}
			if err := h.Sysctl("net/ipv6/conf/"+key+"/"+s.name, s.value); err != nil {
				return fmt.Errorf("%s: %w", h.Name, err)
			}
		}
	}
	return h.AddAddress(iface, cidr)
}

// Close removes the namespaces of a [Pair] and everything in them. The processes there must have ended.
func (n *Network) Close() {
	for _, h := range []*Host{n.D1, n.D2, n.Switch} {
		if h == nil {
			continue
		}
		if h.link != nil {
			h.link.Close()
		}
		h.ns.Close()
		_ = netns.DeleteNamed(h.Name) // what is left ends with the world
	}
	n.D1, n.D2, n.Switch = nil, nil, nil
}

// Split cuts the directors off from each other, though not from the switch, or connects them again. No carrier goes.
func (n *Network) Split(apart bool) error {
	for _, h := range []*Host{n.D1, n.D2} {
		port, err := n.Switch.link.LinkByName(h.Name)
		if err != nil {
			return fmt.Errorf("sw: %w", err)
		}
		if err := n.Switch.link.LinkSetIsolated(port, apart); err != nil {
			return fmt.Errorf("sw: isolate %s: %w", h.Name, err)
		}
	}
	return nil
}

// Ports maps the indexes of the switch's interfaces to the directors behind them.
func (n *Network) Ports() (map[int]*Host, error) {
	ports := map[int]*Host{}
	for _, h := range []*Host{n.D1, n.D2} {
		port, err := n.Switch.link.LinkByName(h.Name)
		if err != nil {
			return nil, fmt.Errorf("sw: %w", err)
		}
		ports[port.Attrs().Index] = h
	}
	return ports, nil
}

// BridgeIndex is the index of the switch's own interface on the segment.
func (n *Network) BridgeIndex() (int, error) {
	bridge, err := n.Switch.link.LinkByName(BridgeName)
	if err != nil {
		return 0, fmt.Errorf("sw: %w", err)
	}
	return bridge.Attrs().Index, nil
}

// LinkLocal is the link-local address that the kernel makes of the host's MAC.
func (h *Host) LinkLocal() netip.Addr {
	return netip.AddrFrom16([16]byte{0xfe, 0x80, 8: h.MAC[0] ^ 2, h.MAC[1], h.MAC[2], 0xff, 0xfe, h.MAC[3], h.MAC[4], h.MAC[5]})
}

// Flush removes an address of either family from eth0, if it is there: what a killed daemon leaves behind.
func (h *Host) Flush(prefix netip.Prefix) error {
	link, err := h.link.LinkByName(Interface)
	if err != nil {
		return fmt.Errorf("%s: %w", h.Name, err)
	}
	mask := net.CIDRMask(prefix.Bits(), prefix.Addr().BitLen())
	err = h.link.AddrDel(link, &netlink.Addr{IPNet: &net.IPNet{IP: prefix.Addr().AsSlice(), Mask: mask}})
	if err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
		return fmt.Errorf("%s: remove %s: %w", h.Name, prefix, err)
	}
	return nil
}

// AddVirtualInterface prepares what FRR's vrrpd wants of an operator: a macvlan on eth0 with the virtual MAC and the virtual addresses. One
// that is there already stays.
func (h *Host) AddVirtualInterface(name string, mac net.HardwareAddr, prefixes []netip.Prefix) error {
	if _, err := h.link.LinkByName(name); err == nil {
		return nil
	}
	parent, err := h.link.LinkByName(Interface)
	if err != nil {
		return fmt.Errorf("%s: %w", h.Name, err)
	}
	macvlan := &netlink.Macvlan{
		LinkAttrs: netlink.LinkAttrs{Name: name, ParentIndex: parent.Attrs().Index, HardwareAddr: mac},
		Mode:      netlink.MACVLAN_MODE_BRIDGE,
	}
	if err := h.link.LinkAdd(macvlan); err != nil {
		return fmt.Errorf("%s: add %s: %w", h.Name, name, err)
	}
	for _, p := range prefixes {
		if err := h.AddAddress(name, p.String()); err != nil {
			return err
		}
	}
	return h.link.LinkSetUp(macvlan)
}

// RemoveVirtualInterface removes what [Host.AddVirtualInterface] made, if it is there.
func (h *Host) RemoveVirtualInterface(name string) error {
	link, err := h.link.LinkByName(name)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return nil
	}
	if err == nil {
		err = h.link.LinkDel(link)
	}
	if err != nil {
		return fmt.Errorf("%s: remove %s: %w", h.Name, name, err)
	}
	return nil
}

// WaitAddress waits until the host has an address on eth0: the kernel makes link-local ones in its own time.
func (h *Host) WaitAddress(addr netip.Addr, limit time.Duration) error {
	link, err := h.link.LinkByName(Interface)
	if err != nil {
		return fmt.Errorf("%s: %w", h.Name, err)
	}
	for deadline := time.Now().Add(limit); ; time.Sleep(5 * time.Millisecond) {
		list, err := h.link.AddrList(link, netlink.FAMILY_ALL)
		if err != nil {
			return fmt.Errorf("%s: list addresses: %w", h.Name, err)
		}
		for _, a := range list {
			if ip, ok := netip.AddrFromSlice(a.IP); ok && ip.Unmap() == addr && a.Flags&unix.IFA_F_TENTATIVE == 0 {
				return nil
			}
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s has no address %s: %w", h.Name, addr, os.ErrDeadlineExceeded)
		}
	}
}
