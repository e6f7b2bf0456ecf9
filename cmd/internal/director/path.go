package director

import (
	"hash/fnv"
	"maps"
	"net/netip"

	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/ipvs"
)

// A path leads a probe the way of the traffic: to a virtual address, delivered to one real server. Its probes carry a
// firewall mark, and IPVS forwards what has the mark, from our own sockets too, to that server alone, in
// the way in which it forwards the clients of the service. Policy routing by the mark would do on a backup only: where the virtual address is
// ours, the kernel's table of local routes comes before every rule.
type path struct {
	vip, server netip.Addr
	forward     ipvs.Forward
	tunnel      ipvs.Tunnel
}

// marks are the firewall marks of paths.
type marks map[path]uint32

// The marks of paths are the 16,777,216 numbers from markBase on.
const (
	markBase = 0x6c000000
	markMask = 0x00ffffff
)

// newMarks gives each path of a configuration its mark. It follows from the path alone, so that it stays over reloads
// and restarts, unless two paths would have the same, or the configuration has it for something else.
func newMarks(cfg *config.Config) marks {
	taken := make(map[uint32]bool)
	for i := range cfg.Services {
		s := &cfg.Services[i]
		for _, k := range s.Keys {
			taken[k.Mark()] = true
		}
		for j := range s.Servers {
			checks := s.ChecksOf(&s.Servers[j])
			for n := range checks {
				taken[checks[n].Mark] = true
			}
		}
	}
	m := make(marks)
	for i := range cfg.Services {
		s := &cfg.Services[i]
		for j := range s.Servers {
			checks := s.ChecksOf(&s.Servers[j])
			for n := range checks {
				p, ok := pathOf(s, &s.Servers[j], &checks[n])
				if !ok || m[p] != 0 {
					continue
				}
				mark := p.mark()
				for taken[mark] {
					mark = markBase | (mark+1)&markMask
				}
				taken[mark] = true
				m[p] = mark
			}
		}
	}
	return m
}

// pathOf is the path of a check's probes; false if they go to the server itself.
func pathOf(s *config.Service, server *config.Server, c *config.Check) (path, bool) {
	if c.Through == "" || len(s.Keys) == 0 {
		return path{}, false
	}
	return path{vip: s.Keys[0].Addr().Addr(), server: server.Address.Addr(), forward: s.Forward, tunnel: s.Tunnel}, true
}

// mark is the mark that a path would have.
func (p path) mark() uint32 {
	h := fnv.New32a()
	for _, a := range []netip.Addr{p.vip, p.server} {
		h.Write(a.AsSlice())
	}
	h.Write([]byte(p.forward.String() + p.tunnel.Type.String()))
	return markBase | (h.Sum32()^h.Sum32()>>24)&markMask
}

func (p path) family() ipvs.Family {
	if p.vip.Is4() {
		return ipvs.IPv4
	}
	return ipvs.IPv6
}

// withPaths returns a table with what leads the probes of the pools.
func withPaths(pools []*pool, table ipvs.Table) ipvs.Table {
	t := maps.Clone(table)
	for _, pool := range pools {
		for p, mark := range pool.paths {
			key := ipvs.MarkKey(mark, p.family())
			t[key] = ipvs.Pool{
				// A datagram leaves no connection behind, which would outlive the use of its port.
				Service: ipvs.Service{Key: key, Scheduler: ipvs.RoundRobin, OnePacket: true},
				Servers: []ipvs.Server{{Addr: netip.AddrPortFrom(p.server, 0), Forward: p.forward, Weight: 1, Tunnel: p.tunnel}},
			}
		}
	}
	return t
}
