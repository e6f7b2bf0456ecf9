package realserver

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/lbha/lbha/ipvs"
)

// ARP is how the host is kept from answering ARP for a VIP.
type ARP string

// The two means; see the package comment.
const (
	BySysctl ARP = "sysctl"
	ByFilter ARP = "filter"
)

// Wanted is one VIP that this host serves as a real server.
type Wanted struct {
	VIP  netip.Addr   `json:"vip"`
	Mode ipvs.Forward `json:"mode"`
	// Interface is that of the real server's own address, on which an IPv4 VIP
	// must be kept quiet; empty: that of the default route. Unused in NAT mode
	// and for IPv6.
	Interface string `json:"interface,omitempty"`
	// ARP is empty for BySysctl. Unused in NAT mode and for IPv6.
	ARP ARP `json:"arp,omitempty"`
	// Director is the director's inside address, which NAT mode needs; unused
	// in the others.
	Director netip.Addr `json:"director,omitzero"`
	// Tunnel is the encapsulation in TUN mode, as the director's servers have it;
	// its Checksum is not looked at.
	Tunnel ipvs.Tunnel `json:"tunnel,omitzero"`
	// Over is the family of the packets that the tunnel's travel in, which is that
	// of the real server's own address; 0: the VIP's.
	Over ipvs.Family `json:"over,omitempty"`
}

// Validate reports what no host could fulfil.
func (w Wanted) Validate() error {
	switch {
	case !w.VIP.IsValid() || w.VIP.IsUnspecified() || w.VIP.IsMulticast() || w.VIP.IsLoopback() || w.VIP.Zone() != "" || w.VIP.Is4In6():
		return fmt.Errorf("VIP %v: not a unicast address without a zone", w.VIP)
	case !slices.Contains([]ipvs.Forward{ipvs.NAT, ipvs.DR, ipvs.TUN}, w.Mode):
		return fmt.Errorf("VIP %v: unknown mode %v", w.VIP, w.Mode)
	case !slices.Contains([]ARP{"", BySysctl, ByFilter}, w.ARP):
		return fmt.Errorf("VIP %v: unknown ARP guard %q (sysctl or filter)", w.VIP, w.ARP)
	case !slices.Contains([]ipvs.TunnelType{ipvs.IPIP, ipvs.GUE, ipvs.GRE}, w.Tunnel.Type):
		return fmt.Errorf("VIP %v: unknown tunnel %v", w.VIP, w.Tunnel.Type)
	case w.Mode != ipvs.TUN && (w.Tunnel != ipvs.Tunnel{} || w.Over != 0):
		return fmt.Errorf("VIP %v: mode %v has no tunnel", w.VIP, w.Mode)
	case (w.Tunnel.Type == ipvs.GUE) != (w.Tunnel.Port != 0):
		return fmt.Errorf("VIP %v: a gue tunnel has a UDP port, and no other has one (--tunnel-port)", w.VIP)
	case w.Over != 0 && w.Over != ipvs.IPv4 && w.Over != ipvs.IPv6:
		return fmt.Errorf("VIP %v: unknown family %v of the tunnel's packets", w.VIP, w.Over)
	case w.Mode == ipvs.NAT && !w.Director.IsValid():
		return fmt.Errorf("VIP %v: NAT needs the director's inside address, to which the default route must lead (--director)", w.VIP)
	case w.Mode == ipvs.NAT && w.Director == w.VIP:
		return fmt.Errorf("VIP %v: the director's inside address cannot be the VIP", w.VIP)
	}
	return nil
}

// errNoInterface: no default route tells which interface is meant.
var errNoInterface = errors.New("no IPv4 default route: name the interface of the real server's own address (--interface)")

// resolve fills in what was left to the host, and drops what has no meaning for
// the VIP.
func (w Wanted) resolve(h Host) (Wanted, error) {
	if err := w.Validate(); err != nil {
		return w, err
	}
	if w.Mode != ipvs.NAT {
		w.Director = netip.Addr{}
	}
	if w.Over == w.family() {
		w.Over = 0
	}
	if !w.quiet() {
		w.Interface, w.ARP = "", ""
		return w, nil
	}
	if w.ARP == "" {
		w.ARP = BySysctl
	}
	if w.Interface == "" {
		i := slices.IndexFunc(h.Gateways, func(g Gateway) bool { return g.Family == ipvs.IPv4 })
		if i < 0 {
			return w, fmt.Errorf("VIP %v: %w", w.VIP, errNoInterface)
		}
		w.Interface = h.Gateways[i].Interface
	}
	return w, nil
}

// quiet reports whether the VIP needs an ARP guard.
func (w Wanted) quiet() bool { return w.Mode != ipvs.NAT && w.VIP.Is4() }

// prefix is the VIP as the host holds it.
func (w Wanted) prefix() netip.Prefix { return netip.PrefixFrom(w.VIP, w.VIP.BitLen()) }

// device is the interface that holds the VIP; empty in NAT mode, in which none
// may.
func (w Wanted) device() string {
	switch {
	case w.Mode == ipvs.NAT:
		return ""
	case w.Mode == ipvs.DR:
		return loopback
	}
	return w.tunnelDevice()
}

const loopback = "lo"

func (w Wanted) family() ipvs.Family {
	if w.VIP.Is4() {
		return ipvs.IPv4
	}
	return ipvs.IPv6
}
