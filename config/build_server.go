package config

import (
	"net/netip"
	"slices"

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
	clear(b.seen)
	weight := 0
	s.Servers = make([]Server, 0, len(raw.Servers.Items))
	for i := range raw.Servers.Items {
		item := &raw.Servers.Items[i]
		v := Server{
			Weight:         item.Weight.or(defaultWeight),
			MaxConnections: uint32(b.number(item.MaxConnections, 0, 0, 1<<31-1)),
			MinConnections: uint32(b.number(item.MinConnections, 0, 0, 1<<31-1)),
			Backup:         item.Backup.or(false),
			Checks:         b.checks(item.Node, item.Check, item.Checks),
		}
		if item.ChecksNeeded.set() && v.Checks == nil {
			b.error(item.ChecksNeeded.Node, "checks_needed: is for the server's own checks, and it has none")
		} else {
			v.Need = b.needed(item.Node, item.ChecksNeeded, v.Checks)
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
			if v.Address.IsValid() && b.seen[v.Address] {
				b.error(item.Address.Node, "address: %s is already a server of this service", v.Address)
			}
			b.seen[v.Address] = true
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
		asked := ap.Addr()
		if c.Address.IsValid() {
			asked = c.Address
		}
		if c.Source.IsValid() && c.Source.Is4() != asked.Is4() {
			b.error(at, "address: the %s check cannot ask %s from its source, %s: it is of the other family", c.Type, asked, c.Source)
			break
		}
	}
}

// needsPort reports whether a check of that type connects to a port.
func needsPort(t healthcheck.Type) bool {
	return t != healthcheck.TypeICMP && t != healthcheck.TypeScript && t != healthcheck.TypeFile
}
