package config

import (
	"net/netip"
	"slices"
	"time"

	"github.com/lbha/lbha/healthcheck"
	"github.com/lbha/lbha/ipvs"
)

// Defaults of [[service]].
const (
	defaultPersistence  = 5 * time.Minute
	defaultDrainTimeout = 5 * time.Minute
	defaultQuorum       = 1
	defaultWeight       = 1
)

// maxKeys bounds the virtual services of a configuration; a range makes many of one line.
const maxKeys = 100_000

// inherit fills in what the service does not set from [defaults.service], nil if there is no such table.
func (s *rawService) inherit(from *rawService) {
	own := s.Servers.set()
	if from != nil {
		if s.Check != nil || s.Checks.set() {
			s.Check, s.Checks = s.Check.over(from.Check), overEach(s.Checks, from.Check)
			rest := *from
			rest.Check, rest.Checks = nil, list[rawCheck]{}
			from = &rest
		}
		inherit(s, from)
	}
	if !own { // they may be those of [defaults.service]
		s.Servers.Items = slices.Clone(s.Servers.Items)
	}
	for i := range s.Servers.Items {
		v := &s.Servers.Items[i]
		v.Check, v.Checks = v.Check.over(s.Check), overEach(v.Checks, s.Check)
	}
}

func (b *builder) service(raw *rawService, sync bool) Service {
	s := Service{
		Name:           b.name(raw.Node, raw.Name),
		Protocol:       raw.Protocol.or(ipvs.TCP),
		Scheduler:      raw.Scheduler.or(ipvs.WeightedLeastConnection),
		Forward:        raw.Forward.or(ipvs.NAT),
		Quorum:         b.number(raw.Quorum, defaultQuorum, 1, 1<<30),
		Hysteresis:     b.number(raw.Hysteresis, 0, 0, 1<<30),
		PanicThreshold: raw.PanicThreshold.or(0),
		OnFail:         raw.OnFail.or(ipvs.Remove),
		SlowStart:      b.duration(raw.SlowStart, 0, 0, time.Hour),
		DrainTimeout:   b.duration(raw.DrainTimeout, defaultDrainTimeout, 0, 7*24*time.Hour),
		Initial:        healthcheck.Down,
	}
	if b.choice(raw.Initial, "down", "down", "up") == "up" {
		s.Initial = healthcheck.Up
	}
	if p := s.PanicThreshold; !(p >= 0 && p <= 1) {
		b.errorHint(raw.PanicThreshold.Node, "0.3 means 30 %", "panic_threshold: must be a share from 0.0 to 1.0, not %v", p)
	}
	if s.Hysteresis >= s.Quorum && s.Hysteresis > 0 {
		b.error(raw.Hysteresis.Node, "hysteresis: must be below the quorum, %d, or the service could never lose it", s.Quorum)
	}
	b.keys(raw, &s)
	b.scheduling(raw, &s)
	b.tunnel(raw, &s)
	b.persistence(raw, &s)
	s.Checks = b.checks(raw.Node, raw.Check, raw.Checks)
	s.Need = b.needed(raw.Node, raw.ChecksNeeded, s.Checks)
	s.Standby = raw.StandbyChecks.or(healthcheck.Same)
	b.servers(raw, &s, sync)
	b.reachable(raw, &s)
	return s
}

// restless reports services whose checks would rest on a standby while its own priority
// hangs on them: what put it back once could never bring it forward again.
func (b *builder) restless(services []rawService, instances []Instance) {
	for i := range services {
		s := &services[i]
		if s.StandbyChecks.Value != healthcheck.Off {
			continue
		}
		for _, in := range instances {
			if slices.ContainsFunc(in.Tracks, func(t Track) bool { return t.Kind == TrackService && t.Target == s.Name.Value }) {
				b.error(s.StandbyChecks.Node, "standby_checks: vrrp %q tracks this service, and must know it on a standby too: \"same\" or \"slower\"", in.Name)
			}
		}
	}
}

// keys fills in the virtual services that the service expands to, and its family.
func (b *builder) keys(raw *rawService, s *Service) {
	texts := raw.Addresses.Items
	if raw.Address.set() {
		texts = append(slices.Clone(texts), raw.Address)
	}
	switch {
	case raw.Address.set() && raw.Addresses.set():
		b.error(raw.Address.Node, "address: write all of them in addresses, or the one in address")
	case raw.FWMark.set() && len(texts) > 0:
		b.error(raw.FWMark.Node, "fwmark: a service has addresses or a firewall mark, not both")
	case raw.FWMark.set():
		s.Family = raw.Family.or(ipvs.IPv4)
		b.claim(ipvs.MarkKey(uint32(raw.FWMark.Value), s.Family), s, raw.FWMark.Node)
		if raw.Protocol.Node.within(raw.Node) {
			b.error(raw.Protocol.Node, "protocol: a firewall mark takes packets of every protocol")
		}
		s.Protocol = 0
		return
	case raw.Addresses.set() && len(texts) == 0:
		b.error(raw.Addresses.Node, "addresses: must have at least one address")
	case len(texts) == 0 && raw.Node.lacks("address") && raw.Node.lacks("addresses") && raw.Node.lacks("fwmark"):
		b.missing(raw.Node, "address", `or "addresses", or "fwmark"`)
	}
	for _, o := range texts {
		if !o.set() {
			continue
		}
		addrs, err := parseServiceAddresses(o.Value)
		if err != nil {
			b.error(o.Node, "%s: %v", o.Node.label(), err)
			continue
		}
		f := familyOf(addrs[0].Addr())
		switch {
		case s.Family == 0:
			s.Family = f
		case s.Family != f:
			b.errorHint(o.Node, "make a second [[service]]", "%s: %s is not of the family of the first address, %s", o.Node.label(), o.Value, s.Family)
			continue
		}
		if !hostAddress(addrs[0].Addr()) && !addrs[0].Addr().IsLoopback() {
			b.error(o.Node, "%s: %s cannot be a virtual address", o.Node.label(), addrs[0].Addr())
		}
		for _, a := range addrs {
			b.claim(ipvs.NewKey(s.Protocol, a), s, o.Node)
		}
		b.unheld(o.Node, addrs)
	}
	if raw.Family.Node.within(raw.Node) && s.Family != 0 && raw.Family.Value != s.Family {
		b.error(raw.Family.Node, "family: the addresses are %s", s.Family)
	}
}

// claim gives a virtual service of the kernel to s.
func (b *builder) claim(k ipvs.Key, s *Service, at *node) {
	if other, dup := b.taken[k]; dup {
		b.error(at, "%s: %s is already a virtual service of %q", at.label(), k, other)
		return
	}
	if len(b.taken) == maxKeys {
		b.error(at, "%s: more than %d virtual services in all", at.label(), maxKeys)
		return
	}
	b.taken[k] = s.Name
	s.Keys = append(s.Keys, k)
}

// unheld warns of an address that no instance holds, if instances hold any.
func (b *builder) unheld(at *node, addrs []netip.AddrPort) {
	for _, a := range addrs {
		if _, held := b.vips[a.Addr()]; !held && len(b.vips) > 0 {
			b.warn(at, "%s: no [[vrrp]] holds %s", at.label(), a.Addr())
			return
		}
	}
}

// scheduling settles what depends on scheduler and protocol.
func (b *builder) scheduling(raw *rawService, s *Service) {
	if s.Scheduler == ipvs.WeightedOverflow && s.Protocol == ipvs.UDP {
		b.error(raw.Scheduler.Node, "scheduler: ovf counts connections and UDP has none; choose another")
	}
	for _, f := range raw.Flags.Items {
		switch _, err := ipvs.NewFlags(s.Scheduler, f.Value); {
		case !f.set():
		case err == nil && !slices.Contains(s.Flags, f.Value):
			s.Flags = append(s.Flags, f.Value)
		case err == nil:
			b.error(f.Node, "%s: %s is listed twice", f.Node.label(), f.Value)
		case f.Node.within(raw.Node):
			b.error(f.Node, "%s: %v", f.Node.label(), err)
		}
	}
	if s.OnePacket = raw.OnePacket.or(false); s.OnePacket && s.Protocol != ipvs.UDP && s.Protocol != 0 {
		if raw.OnePacket.Node.within(raw.Node) {
			b.error(raw.OnePacket.Node, "one_packet: is for udp: every packet of a %s connection would go elsewhere", s.Protocol)
		}
		s.OnePacket = false
	}
	if s.OnePacket && s.Forward == ipvs.NAT {
		// Measured: the answer leaves with the server's own address. The entry by which IPVS would rewrite it is what one-packet scheduling
		// does without (ip_vs_conn_new and ip_vs_out_hook in net/netfilter/ipvs).
		b.warn(raw.OnePacket.Node, "one_packet: with forward = \"nat\" the kernel does not rewrite the answers, and clients refuse them: only for what is not answered, as syslog; dr and tun answer by themselves")
	}
}

func (b *builder) tunnel(raw *rawService, s *Service) {
	t := raw.Tunnel
	if t == nil {
		return
	}
	if s.Forward != ipvs.TUN {
		if t.Node.within(raw.Node) {
			b.error(t.Node, "tunnel: needs forward = \"tun\", and it is %q", s.Forward)
		}
		return
	}
	s.Tunnel = ipvs.Tunnel{
		Type:     t.Type.or(ipvs.IPIP),
		Port:     uint16(b.number(t.Port, 0, 1, 65535)),
		Checksum: t.Checksum.or(ipvs.NoChecksum),
	}
	switch gue := s.Tunnel.Type == ipvs.GUE; {
	case gue && !t.Port.set() && t.Node.lacks("port"):
		b.missing(t.Node, "port", "the UDP port of gue")
	case !gue && t.Port.set():
		b.error(t.Port.Node, "port: a tunnel of type %s has none", s.Tunnel.Type)
	}
	switch {
	case s.Tunnel.Type == ipvs.IPIP && s.Tunnel.Checksum != ipvs.NoChecksum,
		s.Tunnel.Type == ipvs.GRE && s.Tunnel.Checksum == ipvs.RemoteChecksum:
		b.error(t.Checksum.Node, "checksum: a tunnel of type %s has no %s checksum", s.Tunnel.Type, s.Tunnel.Checksum)
	}
}

func (b *builder) persistence(raw *rawService, s *Service) {
	if p := raw.Persistence; p != nil {
		bits := s.Family.Bits()
		if s.Family == 0 { // no good address, which is reported: allow either
			bits = ipvs.IPv6.Bits()
		}
		s.Persistence = &Persistence{
			Timeout: b.seconds(p.Timeout, defaultPersistence, time.Second, maxKernelTimeout),
			Netmask: b.number(p.Netmask, bits, 1, bits),
		}
		return
	}
	for _, k := range s.Keys {
		if k.Mark() == 0 && k.Addr().Port() == 0 {
			b.errorHint(raw.Node, `persistence = { timeout = "5m" }`, "service %q: port 0, which is every port, needs persistence", s.Name)
			return
		}
	}
}
