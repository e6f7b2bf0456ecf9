package config

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/lbha/lbha/healthcheck"
	"github.com/lbha/lbha/ipvs"
)

// servers fills in the real servers of a service.
func (b *builder) servers(raw *rawService, s *Service, sync bool) {
	if len(raw.Servers.Items) == 0 {
		if !raw.Servers.set() {
			b.need(raw.Node, nil, "server", "at least one [[service.server]]")
		} else {
			b.error(raw.Servers.Node, "server: must have at least one server")
		}
		return
	}
	ports := servicePorts(s)
	seen := make(map[netip.AddrPort]bool, len(raw.Servers.Items))
	weight := 0
	for i := range raw.Servers.Items {
		item := &raw.Servers.Items[i]
		v := Server{
			Weight:         item.Weight.or(defaultWeight),
			MaxConnections: uint32(b.number(item.MaxConnections, 0, 0, 1<<31-1)),
			MinConnections: uint32(b.number(item.MinConnections, 0, 0, 1<<31-1)),
			Backup:         item.Backup.or(false),
			Checks:         b.checks(item.Node, item.Check, item.Checks),
		}
		switch {
		case v.MinConnections > 0 && v.MaxConnections == 0:
			b.error(item.MinConnections.Node, "min_connections: needs max_connections: it says when a full server gets connections again")
		case v.MinConnections > v.MaxConnections:
			b.error(item.MinConnections.Node, "min_connections: must not be above max_connections, which is %d", v.MaxConnections)
		}
		if !v.Backup {
			weight += int(v.Weight)
		}
		require(b, item.Node, item.Address, "address", "")
		if item.Address.set() {
			b.serverAddress(item, &v, s, ports, sync)
			if v.Address.IsValid() && seen[v.Address] {
				b.error(item.Address.Node, "address: %s is already a server of this service", v.Address)
			}
			seen[v.Address] = true
		}
		s.Servers = append(s.Servers, v)
	}
	switch all := !slices.ContainsFunc(s.Servers, func(v Server) bool { return !v.Backup }); {
	case all:
		b.error(raw.Servers.Node, "server: all are backup; at least one must not be")
	case weight < s.Quorum+s.Hysteresis:
		at := raw.Quorum.Node
		if at == nil {
			at = raw.Servers.Node
		}
		b.warn(at, "quorum: the weights of all servers make %d, below quorum and hysteresis, %d: it can never be met", weight, s.Quorum+s.Hysteresis)
	}
}

// servicePorts returns the different ports of the service's keys.
func servicePorts(s *Service) []uint16 {
	var ports []uint16
	for _, k := range s.Keys {
		if k.Mark() == 0 {
			ports = append(ports, k.Addr().Port())
		}
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}

// serverAddress settles a server's address against the service and the checks.
func (b *builder) serverAddress(raw *rawServer, v *Server, s *Service, ports []uint16, sync bool) {
	at := raw.Address.Node
	ap, err := parseServerAddress(raw.Address.Value)
	if err != nil {
		b.error(at, "address: %v", err)
		return
	}
	if ap.Port() == 0 && len(ports) == 1 {
		ap = netip.AddrPortFrom(ap.Addr(), ports[0])
	}
	v.Address = ap
	if !hostAddress(ap.Addr()) && !ap.Addr().IsLoopback() {
		b.error(at, "address: %s cannot be a real server", ap.Addr())
	}
	if f := familyOf(ap.Addr()); s.Family != 0 && f != s.Family {
		switch {
		case s.Forward != ipvs.TUN:
			b.errorHint(at, `only forward = "tun" crosses families`, "address: %s is %s and the service is %s", ap.Addr(), f, s.Family)
		case sync:
			b.error(at, "address: %s is %s and the service is %s: the kernel refuses that while global.ipvs.sync is set", ap.Addr(), f, s.Family)
		}
	}
	if s.Forward != ipvs.NAT && ap.Port() != 0 && len(ports) > 0 && !slices.Contains(ports, ap.Port()) {
		b.errorHint(at, `only forward = "nat" can`, "address: port %d is not the service's: %s cannot change the port", ap.Port(), s.Forward)
	}
	for _, c := range s.ChecksOf(v) {
		if c.Port == 0 && ap.Port() == 0 && needsPort(c.Type) {
			b.errorHint(at, "set port in the check", "address: no port for the %s check: neither the server nor the check names one", c.Type)
			break
		}
	}
}

// needsPort reports whether a check of that type connects to a port.
func needsPort(t healthcheck.Type) bool {
	return t != healthcheck.TypeICMP && t != healthcheck.TypeScript && t != healthcheck.TypeFile
}

// Defaults of [service.check].
const (
	defaultCheckInterval = 2 * time.Second
	defaultCheckTimeout  = time.Second // or the interval, if that is shorter
)

// over returns c with what it leaves out filled in from base: everything, if both are of
// one type; else what every type has in common, the schedule.
func (c *rawCheck) over(base *rawCheck) *rawCheck {
	if c == nil || base == nil {
		return c
	}
	merged, from := *c, *base
	if c.Type.set() && c.Type.Value != base.Type.Value {
		from = rawCheck{Interval: base.Interval, Timeout: base.Timeout, Rise: base.Rise, Fall: base.Fall}
	}
	inherit(&merged, &from)
	return &merged
}

func overEach(l list[rawCheck], base *rawCheck) list[rawCheck] {
	l.Items = slices.Clone(l.Items)
	for i := range l.Items {
		l.Items[i] = *l.Items[i].over(base)
	}
	return l
}

// checks reads the checks of the table t, a service or a server: one, or several. It is
// nil if t says nothing about checks, and empty if it says that there are none.
func (b *builder) checks(t *node, one *rawCheck, several list[rawCheck]) []Check {
	if one != nil && several.set() {
		b.error(several.Node, "checks: write all of them in checks, or the one in check")
	}
	if one != nil {
		return []Check{b.check(one)}
	}
	if !several.set() {
		return nil
	}
	out := make([]Check, len(several.Items))
	for i := range several.Items {
		out[i] = b.check(&several.Items[i])
	}
	return out
}

func (b *builder) check(raw *rawCheck) Check {
	interval := b.duration(raw.Interval, defaultCheckInterval, 10*time.Millisecond, 24*time.Hour)
	c := Check{
		Type:     require(b, raw.Node, raw.Type, "type", "tcp, http or https"),
		Port:     uint16(b.number(raw.Port, 0, 1, 65535)),
		Interval: interval,
		Timeout:  b.duration(raw.Timeout, min(defaultCheckTimeout, interval), time.Millisecond, 24*time.Hour),
		Rise:     b.number(raw.Rise, defaultRise, 1, 1000),
		Fall:     b.number(raw.Fall, defaultFall, 1, 1000),
	}
	switch ownTimeout := raw.Timeout.Node.within(raw.Node); {
	case c.Timeout <= c.Interval:
	case !ownTimeout && raw.Interval.Node.within(raw.Node):
		c.Timeout = c.Interval
	default:
		b.error(raw.Timeout.Node, "timeout: %s is above the interval, %s: a probe must end before the next begins", short(c.Timeout), short(c.Interval))
	}
	if raw.Address.set() {
		a, err := netip.ParseAddr(raw.Address.Value)
		if c.Address = a.Unmap(); err != nil || a.Zone() != "" || a.IsUnspecified() || a.IsMulticast() {
			b.error(raw.Address.Node, "address: %.80q is not the IP address of a host", raw.Address.Value)
		}
	}
	if !raw.Type.set() {
		return c
	}
	b.foreignKeys(raw, c.Type)
	switch c.Type {
	case healthcheck.TypeHTTP, healthcheck.TypeHTTPS:
		b.http(raw, &c)
	case healthcheck.TypeDNS:
		c.Query = require(b, raw.Node, raw.Query, "name", "the name to ask for")
	}
	return c
}

// foreignKeys reports keys that mean nothing to the type of check.
func (b *builder) foreignKeys(raw *rawCheck, t healthcheck.Type) {
	web := []healthcheck.Type{healthcheck.TypeHTTP, healthcheck.TypeHTTPS}
	keys := []struct {
		at    *node
		types []healthcheck.Type
	}{
		{raw.Method.Node, web},
		{raw.Path.Node, web},
		{raw.Host.Node, web},
		{raw.Status.Node, web},
		{raw.Contains.Node, web},
		{raw.TLS.place(), []healthcheck.Type{healthcheck.TypeHTTPS}},
		{raw.Query.Node, []healthcheck.Type{healthcheck.TypeDNS}},
	}
	for _, k := range keys {
		if k.at == nil || slices.Contains(k.types, t) {
			continue
		}
		of := make([]string, len(k.types))
		for i, t := range k.types {
			of[i] = string(t)
		}
		b.error(k.at, "%s: a setting of %s checks, not of %s", k.at.label(), strings.Join(of, " and "), t)
	}
}
