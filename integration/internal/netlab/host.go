package netlab

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// Interface is the name of the interface that each host has on the segment.
const Interface = "eth0"

// Host is a machine of the lab: a network namespace.
type Host struct {
	Name string
	Addr netip.Addr       // on the segment
	MAC  net.HardwareAddr // of eth0
	ns   netns.NsHandle
	link *netlink.Handle // netlink of its namespace
	nic  string          // the interface on the segment, if it is not Interface
	port string          // the switch's side of its last cable
}

// Interface is the name of the host's interface on the segment.
func (h *Host) Interface() string {
	if h.nic != "" {
		return h.nic
	}
	return Interface
}

// newHost makes a namespace and names it, with its loopback up.
func newHost(name string) (*Host, error) {
	h := &Host{Name: name}
	made := make(chan error)
	go func() {
		// The thread changes its namespace: it is never unlocked, so that it ends with the goroutine.
		runtime.LockOSThread()
		var err error
		h.ns, err = netns.NewNamed(name)
		made <- err
	}()
	if err := <-made; err != nil {
		return nil, fmt.Errorf("make namespace %s: %w", name, err)
	}
	var err error
	if h.link, err = netlink.NewHandleAt(h.ns); err != nil {
		return nil, fmt.Errorf("netlink in %s: %w", name, err)
	}
	lo, err := h.link.LinkByName("lo")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return h, h.link.LinkSetUp(lo)
}

// Do runs f on a thread in the host's network namespace. Sockets that f opens stay in that namespace.
func (h *Host) Do(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: see newHost
		if err := netns.Set(h.ns); err != nil {
			done <- fmt.Errorf("enter namespace %s: %w", h.Name, err)
			return
		}
		done <- f()
	}()
	return <-done
}

// Start starts a command in the host's network namespace.
func (h *Host) Start(cmd *exec.Cmd) error { return h.Do(cmd.Start) }

// Output runs a command in the host's network namespace and returns what it printed. The error carries the last line of what it
// said on standard error.
func (h *Host) Output(name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := h.Start(cmd)
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		lines := strings.Split(strings.TrimSpace(errs.String()), "\n")
		return out.String(), fmt.Errorf("%s: %s: %w: %s", h.Name, filepath.Base(name), err, lines[len(lines)-1])
	}
	return out.String(), nil
}

// Sysctl sets a network parameter of the host; key has slashes: "net/ipv4/ip_forward".
func (h *Host) Sysctl(key, value string) error {
	return h.Do(func() error {
		// /proc/sys/net shows the namespace of the thread that opens it.
		return os.WriteFile(filepath.Join("/proc/sys", key), []byte(value), 0)
	})
}

// AddAddress adds an address to one of the host's interfaces.
func (h *Host) AddAddress(iface, cidr string) error {
	link, err := h.link.LinkByName(iface)
	if err != nil {
		return fmt.Errorf("%s: %w", h.Name, err)
	}
	addr, err := netlink.ParseAddr(cidr)
	if err != nil {
		return err
	}
	if err := h.link.AddrAdd(link, addr); err != nil {
		return fmt.Errorf("%s: add %s to %s: %w", h.Name, cidr, iface, err)
	}
	return nil
}

// Addresses lists the IPv4 addresses of eth0.
func (h *Host) Addresses() ([]netip.Addr, error) {
	link, err := h.link.LinkByName(h.Interface())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", h.Name, err)
	}
	list, err := h.link.AddrList(link, netlink.FAMILY_V4)
	if err != nil {
		return nil, fmt.Errorf("%s: list addresses: %w", h.Name, err)
	}
	var addrs []netip.Addr
	for _, a := range list {
		if addr, ok := netip.AddrFromSlice(a.IP.To4()); ok {
			addrs = append(addrs, addr)
		}
	}
	return addrs, nil
}

// DeleteAddress removes an address from eth0, as an operator would by hand.
func (h *Host) DeleteAddress(addr netip.Addr) error { return h.DeletePrefix(addr, addr.BitLen()) }

// DeletePrefix removes an IPv4 address that has a prefix length of its own from eth0.
func (h *Host) DeletePrefix(addr netip.Addr, bits int) error {
	link, err := h.link.LinkByName(h.Interface())
	if err != nil {
		return fmt.Errorf("%s: %w", h.Name, err)
	}
	return h.link.AddrDel(link, &netlink.Addr{IPNet: &net.IPNet{IP: addr.AsSlice(), Mask: net.CIDRMask(bits, addr.BitLen())}})
}

// Neighbour returns the MAC address that the host's ARP cache has for addr, or nil.
func (h *Host) Neighbour(addr netip.Addr) (net.HardwareAddr, error) {
	link, err := h.link.LinkByName(h.Interface())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", h.Name, err)
	}
	list, err := h.link.NeighList(link.Attrs().Index, netlink.FAMILY_V4)
	if err != nil {
		return nil, fmt.Errorf("%s: list neighbours: %w", h.Name, err)
	}
	for _, n := range list {
		if ip, ok := netip.AddrFromSlice(n.IP.To4()); ok && ip == addr {
			return n.HardwareAddr, nil
		}
	}
	return nil, nil
}
