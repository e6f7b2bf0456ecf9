package observe

import (
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/integration/internal/netlab"
)

// Ask sends ARP requests for an IPv4 address from a host that has the given addresses: one to all, as a host that looks for it does, and one to
// each of the given machines, as a host does that verifies what it knows.
func Ask(h *netlab.Host, iface string, mac net.HardwareAddr, source, target netip.Addr, machines ...net.HardwareAddr) error {
	return h.Do(func() error {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		index, err := interfaceIndex(fd, iface)
		if err != nil {
			return err
		}
		at := &unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_ARP), Ifindex: index, Halen: 6}
		for _, to := range append([]net.HardwareAddr{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}, machines...) {
			frame := append(append([]byte(nil), to...), mac...)
			frame = append(frame, 0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, arpRequest)
			frame = append(append(frame, mac...), source.AsSlice()...)
			frame = append(append(frame, 0, 0, 0, 0, 0, 0), target.AsSlice()...)
			if err := unix.Sendto(fd, frame, 0, at); err != nil {
				return fmt.Errorf("%s: ask %v for %v: %w", h.Name, to, target, err)
			}
		}
		return nil
	})
}
