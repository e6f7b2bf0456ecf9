//go:build linux

package realserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/ipvs"
)

const modprobeTimeout = 10 * time.Second

// loadTunnel makes the kernel load the module of a tunnel device, as ifconfig(8)
// does: who may administer the network and asks for an interface by a name that
// is unknown has it loaded (dev_load in net/core/dev_ioctl.c). That needs no
// right to load modules.
func loadTunnel(name string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, req); err != nil {
		return fmt.Errorf("the kernel has no %s and cannot load the module %s: %w", name, modules[name], err)
	}
	return nil
}

// modes are the protocols that an ip6tnl device takes in, as the kernel numbers
// them, and what ip(8) calls them.
var modes = map[uint8]string{0: anyProtocol, unix.IPPROTO_IPIP: onlyIPv4, unix.IPPROTO_IPV6: onlyIPv6}

func modeOf(link netlink.Link) string {
	t, ok := link.(*netlink.Ip6tnl)
	if !ok {
		return ""
	}
	if mode, ok := modes[t.Proto]; ok {
		return mode
	}
	return fmt.Sprintf("protocol %d", t.Proto)
}

// tunnelParameters is struct ip6_tnl_parm of linux/ip6_tunnel.h.
type tunnelParameters struct {
	name          [unix.IFNAMSIZ]byte
	link          int32
	proto         uint8
	encapLimit    uint8
	hopLimit      uint8
	flowInfo      uint32
	flags         uint32
	local, remote [16]byte
}

// Requests of tunnel devices, from linux/if_tunnel.h.
const (
	getTunnel    = 0x89f0 // SIOCGETTUNNEL
	changeTunnel = 0x89f3 // SIOCCHGTUNNEL
)

// setMode tells ip6tnl0 what to take in. Of a fallback device that is all that can
// be changed, and for long only by this old call (ip6_tnl_siocdevprivate in
// net/ipv6/ip6_tunnel.c); rtnetlink refused it.
func setMode(s Step) error {
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var p tunnelParameters
	copy(p.name[:unix.IFNAMSIZ-1], s.Name)
	if err := tunnelRequest(fd, getTunnel, s.Name, &p); err != nil {
		return err
	}
	for proto, mode := range modes {
		if mode == s.To {
			p.proto = proto
			return tunnelRequest(fd, changeTunnel, s.Name, &p)
		}
	}
	return fmt.Errorf("%s has no mode %q", s.Name, s.To)
}

func tunnelRequest(fd int, request uintptr, name string, p *tunnelParameters) error {
	// struct ifreq: the name, and in its union the address of the parameters.
	var req struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [24 - unsafe.Sizeof(uintptr(0))]byte
	}
	copy(req.name[:unix.IFNAMSIZ-1], name)
	req.data = unsafe.Pointer(p)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(unsafe.Pointer(&req))); errno != 0 {
		return errno
	}
	return nil
}

// fouFamilies are the families as foo over UDP numbers them.
var fouFamilies = map[ipvs.Family]int{ipvs.IPv4: unix.AF_INET, ipvs.IPv6: unix.AF_INET6}

// listeners are the ports whose packets are unwrapped: none, where the kernel
// cannot.
func (l *Linux) listeners() (map[string]string, error) {
	list, err := dump(func() ([]netlink.Fou, error) { return l.h.FouList(unix.AF_UNSPEC) })
	if errors.Is(err, unix.ENOENT) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	all := make(map[string]string, len(list))
	for _, f := range list {
		over := ipvs.IPv4
		if f.Family == unix.AF_INET6 {
			over = ipvs.IPv6
		}
		unwraps := gue
		if f.EncapType != netlink.FOU_ENCAP_GUE {
			unwraps = fmt.Sprintf("protocol %d", f.Protocol)
		}
		all[listener(over, uint16(f.Port)).Name] = unwraps
	}
	return all, nil
}

func (l *Linux) setListener(ctx context.Context, s Step) error {
	over, port, err := s.listener()
	if err != nil {
		return err
	}
	f := netlink.Fou{Family: fouFamilies[over], Port: int(port), EncapType: netlink.FOU_ENCAP_GUE}
	if s.To == absent {
		return l.h.FouDel(f)
	}
	err = l.h.FouAdd(f)
	if errors.Is(err, unix.ENOENT) {
		// The module has no alias by which the kernel could find it.
		said := loadFou(ctx)
		if err = l.h.FouAdd(f); errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("the kernel has no foo over UDP, which unwraps GUE, and the module fou cannot be loaded%s: have it loaded at boot (/etc/modules-load.d), or let the director's tunnel be gre or ipip", said)
		}
	}
	if errors.Is(err, unix.EADDRINUSE) {
		return fmt.Errorf("UDP port %d: %w by another program: choose another port, here and in the director's tunnel", port, err)
	}
	return err
}

// loadFou loads the module; what went wrong is for the error, if it is still
// missing then.
func loadFou(ctx context.Context) (said string) {
	ctx, cancel := context.WithTimeout(ctx, modprobeTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, "modprobe", "fou").CombinedOutput()
	if err == nil {
		return ""
	}
	return fmt.Sprintf(" (modprobe fou: %v: %s)", err, bytes.TrimSpace(out))
}
