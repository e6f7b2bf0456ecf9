package interop

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/netlab"
)

// Cell is one pairing of lbha with another daemon. The first director has the higher priority.
type Cell struct {
	First    drive.Kind `json:"first"`
	Second   drive.Kind `json:"second"`
	Version  int        `json:"version"`
	IPv6     bool       `json:"ipv6"`
	Unicast  bool       `json:"unicast"`
	Password bool       `json:"password"`
}

// What the peers offer beside version 3 over IPv4 multicast: FRR has neither unicast nor passwords, and there is no IPv6 before version 3.
var offers = []struct {
	peer drive.Kind
	cell Cell
}{
	{drive.Keepalived, Cell{Version: 2}},
	{drive.Keepalived, Cell{Version: 2, Password: true}},
	{drive.Keepalived, Cell{Version: 2, Unicast: true}},
	{drive.Keepalived, Cell{Version: 2, Unicast: true, Password: true}},
	{drive.FRR, Cell{Version: 2}},
	{drive.Keepalived, Cell{Version: 3}},
	{drive.Keepalived, Cell{Version: 3, Unicast: true}},
	{drive.FRR, Cell{Version: 3}},
	{drive.Keepalived, Cell{Version: 3, IPv6: true}},
	{drive.Keepalived, Cell{Version: 3, IPv6: true, Unicast: true}},
	{drive.FRR, Cell{Version: 3, IPv6: true}},
}

// Matrix lists all cells: each offer of each peer, with lbha as the master and as the backup.
func Matrix() (list []Cell) {
	for _, o := range offers {
		c := o.cell
		c.First, c.Second = drive.LBHA, o.peer
		list = append(list, c)
		c.First, c.Second = o.peer, drive.LBHA
		list = append(list, c)
	}
	return list
}

// String names a cell: "lbha > frr v3 ipv4 multicast none".
func (c Cell) String() string {
	family, cast, auth := "ipv4", "multicast", "none"
	if c.IPv6 {
		family = "ipv6"
	}
	if c.Unicast {
		cast = "unicast"
	}
	if c.Password {
		auth = "pass"
	}
	return fmt.Sprintf("%s > %s v%d %s %s %s", c.First, c.Second, c.Version, family, cast, auth)
}

// Interval is that of the cell's advertisements: version 2 has whole seconds only.
func (c Cell) Interval() time.Duration {
	if c.Version == 2 {
		return time.Second
	}
	return 100 * time.Millisecond
}

const (
	vrid = 51
	// Priorities of the two directors, and the one that both have at last.
	priorityFirst, prioritySecond, priorityEqual = 200, 100, 150
)

// vips are the virtual addresses: over IPv6 the first one is link-local, as RFC 9568 §5.2.9 demands.
func (c Cell) vips() []netip.Prefix {
	if c.IPv6 {
		return []netip.Prefix{netip.MustParsePrefix("fe80::9:64/128"), netip.MustParsePrefix("fd00:9::64/128")}
	}
	return []netip.Prefix{netip.PrefixFrom(netlab.VIP, 32)}
}

// asked is the virtual address that a client uses.
func (c Cell) asked() netip.Addr {
	vips := c.vips()
	return vips[len(vips)-1].Addr()
}

// timing is a virtual router without what depends on the host.
func (c Cell) timing(priority int) drive.Router {
	return drive.Router{Name: "web", VRID: vrid, Version: c.Version, Priority: priority, Interval: c.Interval(), VIPs: c.vips()}
}

// router is the virtual router as one of the two directors has it.
func (c Cell) router(own, other *netlab.Host, priority int) drive.Router {
	r := c.timing(priority)
	if c.Unicast {
		r.Unicast = &drive.Unicast{Source: own.Addr, Peer: other.Addr}
		if c.IPv6 {
			r.Unicast = &drive.Unicast{Source: own.LinkLocal(), Peer: other.LinkLocal()}
		}
	}
	if c.Password {
		r.Password = "secret12"
	}
	return r
}

// matches reports whether a cell is among those that the words choose: all words must be in its name.
func (c Cell) matches(words []string) bool {
	name := c.String()
	for _, w := range words {
		if !strings.Contains(name, w) {
			return false
		}
	}
	return true
}
