package observe

import (
	"net/netip"

	"github.com/lbha/lbha/integration/internal/mono"
	"github.com/lbha/lbha/integration/internal/netlab"
	"github.com/vishvananda/netlink"
)

// Holding is a change of who holds the VIP.
type Holding struct {
	At    mono.Time `json:"at"`
	Host  string    `json:"host"`
	Holds bool      `json:"holds"`
}

// WatchVIP records when the VIP comes to and leaves the host, from the kernel's own notifications. A renewed lifetime is no change.
func WatchVIP(h *netlab.Host, tape *Tape[Holding], stop <-chan struct{}) error {
	updates := make(chan netlink.AddrUpdate, 256)
	if err := h.Subscribe(updates, stop); err != nil {
		return err
	}
	// The subscription is open: whatever changes from here on is delivered.
	addrs, err := h.Addresses()
	if err != nil {
		return err
	}
	holds := false
	for _, a := range addrs {
		holds = holds || a == netlab.VIP
	}
	now := mono.Now()
	tape.add(now, Holding{At: now, Host: h.Name, Holds: holds})
	go func() {
		for u := range updates {
			at := mono.Now()
			if addr, ok := netip.AddrFromSlice(u.LinkAddress.IP.To4()); !ok || addr != netlab.VIP || u.LinkAddress.IP.IsLoopback() {
				continue
			}
			if u.NewAddr != holds {
				holds = u.NewAddr
				tape.add(at, Holding{At: at, Host: h.Name, Holds: holds})
			}
		}
	}()
	return nil
}
