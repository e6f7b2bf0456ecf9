package ipvs

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Service is a virtual service: its identity and everything about it that can
// be edited in place. Services are comparable with ==.
type Service struct {
	Key       Key       `json:"key"`
	Scheduler Scheduler `json:"scheduler"`
	Flags     Flags     `json:"flags,omitempty"` // of the scheduler
	// Persistence binds a client to the server it got first, for this long
	// after its last connection. Whole seconds; 0 is off.
	Persistence time.Duration `json:"persistence,omitempty"`
	// Netmask groups the clients that are bound together. It means nothing,
	// and is 0, without Persistence.
	Netmask   Netmask `json:"netmask,omitempty"`
	OnePacket bool    `json:"one_packet,omitempty"` // schedule each datagram by itself
	Engine    string  `json:"engine,omitempty"`     // persistence engine: "sip" or none
}

// Server is a real server (the kernel's "destination") of one virtual service.
// Its Addr is its identity there. Servers are comparable with ==.
type Server struct {
	Addr    netip.AddrPort `json:"addr"`
	Forward Forward        `json:"forward"`
	Weight  Weight         `json:"weight"`
	// UpperThreshold is the number of connections at which the server gets no
	// more; LowerThreshold the number at which it is back. 0 is no limit.
	UpperThreshold uint32 `json:"upper_threshold,omitempty"`
	LowerThreshold uint32 `json:"lower_threshold,omitempty"`
	Tunnel         Tunnel `json:"tunnel,omitzero"` // zero unless Forward is TUN
}

// Tunnel is how [TUN] encapsulates.
type Tunnel struct {
	Type     TunnelType     `json:"type"`
	Port     uint16         `json:"port,omitempty"`     // UDP port of GUE
	Checksum TunnelChecksum `json:"checksum,omitempty"` // of GUE and GRE
}

// Pool is a virtual service and its real servers.
type Pool struct {
	Service Service  `json:"service"`
	Servers []Server `json:"servers"` // sorted by Addr, each once
}

// Table is a whole IPVS table, or the part of one that somebody cares about.
type Table map[Key]Pool

// NewTable returns the table of the pools, with the servers of each sorted as
// [Pool] demands. It keeps no reference to the given slices. Of two pools with
// the same key, and of two servers with the same address, the first counts.
func NewTable(pools ...Pool) Table {
	t := make(Table, len(pools))
	for _, p := range pools {
		if _, dup := t[p.Service.Key]; dup {
			continue
		}
		servers := slices.Clone(p.Servers)
		slices.SortStableFunc(servers, func(a, b Server) int { return a.Addr.Compare(b.Addr) })
		servers = slices.CompactFunc(servers, func(a, b Server) bool { return a.Addr == b.Addr })
		t[p.Service.Key] = Pool{p.Service, servers}
	}
	return t
}

// Keys returns the keys of the table in the order of [Key.Compare].
func (t Table) Keys() []Key {
	return slices.SortedFunc(maps.Keys(t), Key.Compare)
}

// Equal reports whether both tables say the same.
func (t Table) Equal(o Table) bool {
	return maps.EqualFunc(t, o, func(a, b Pool) bool {
		return a.Service == b.Service && slices.Equal(a.Servers, b.Servers)
	})
}

// Clone returns a copy that shares nothing with t.
func (t Table) Clone() Table {
	c := make(Table, len(t))
	for k, p := range t {
		c[k] = Pool{p.Service, slices.Clone(p.Servers)}
	}
	return c
}

// String returns the rules that make the table, one a line, as "ipvsadm -Sn"
// writes them, and with the thresholds that ipvsadm leaves out.
func (t Table) String() string {
	var b strings.Builder
	for _, k := range t.Keys() {
		p := t[k]
		b.WriteString("-A ")
		b.WriteString(serviceRule(p.Service))
		b.WriteByte('\n')
		for _, s := range p.Servers {
			b.WriteString("-a ")
			b.WriteString(serverRule(k, s))
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// live counts the servers that take new connections.
func (p Pool) live() int {
	n := 0
	for _, s := range p.Servers {
		if s.Weight > 0 {
			n++
		}
	}
	return n
}

// After returns the table as it is once the ops have been carried out. It shares
// the pools that no op is about with t.
func (t Table) After(ops []Op) Table {
	if len(ops) == 0 {
		return t
	}
	after := maps.Clone(t)
	if after == nil {
		after = Table{}
	}
	owned := map[Key]bool{} // pools that are not shared with t
	for _, op := range ops {
		k := op.Key()
		p := after[k]
		if !owned[k] {
			owned[k] = true
			p.Servers = slices.Clone(p.Servers)
		}
		i, found := slices.BinarySearchFunc(p.Servers, op.Server.Addr, compareAddr)
		switch op.Action {
		case AddService, EditService:
			p.Service = op.Service
		case DeleteService:
			delete(after, k)
			continue
		case AddServer, EditServer:
			if found {
				p.Servers[i] = op.Server
			} else {
				p.Servers = slices.Insert(p.Servers, i, op.Server)
			}
		case DeleteServer:
			if found {
				p.Servers = slices.Delete(p.Servers, i, i+1)
			}
		}
		after[k] = p
	}
	return after
}

func compareAddr(s Server, a netip.AddrPort) int { return s.Addr.Compare(a) }
