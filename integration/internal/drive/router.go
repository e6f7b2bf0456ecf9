package drive

import (
	"net/netip"
	"time"

	"github.com/lbha/lbha/integration/internal/netlab"
)

// Router is one virtual router of a director.
type Router struct {
	Name     string
	VRID     int
	Version  int // 2 or 3
	Priority int
	Interval time.Duration
	VIPs     []netip.Prefix // all of one family
	Unicast  *Unicast       // nil: multicast
	Password string         // simple text, version 2 only; empty: no authentication
}

// Unicast is how a virtual router reaches the other director without multicast.
type Unicast struct{ Source, Peer netip.Addr }

// MasterDown is how long a backup waits after the last advertisement of a master with the same interval: RFC 9568 §6.1, RFC 3768 §6.1.
func (r Router) MasterDown() time.Duration { return 3*r.Interval + r.Skew() }

// Skew is by how much a backup comes later the lower its priority is.
func (r Router) Skew() time.Duration {
	if r.Version == 2 {
		return time.Duration(256-r.Priority) * time.Second / 256
	}
	return time.Duration(256-r.Priority) * r.Interval / 256
}

// IPv6 reports the family of the virtual router.
func (r Router) IPv6() bool { return r.VIPs[0].Addr().Is6() }

// routers are the virtual routers of a director: those it is given, or the drill's single one.
func (s Settings) routers() []Router {
	if len(s.Routers) > 0 {
		return s.Routers
	}
	return []Router{{
		Name: "web", VRID: 51, Version: 3, Priority: s.Priority, Interval: s.Interval,
		VIPs: []netip.Prefix{netip.PrefixFrom(netlab.VIP, 32)},
	}}
}
