package config

import (
	"net/netip"
	"reflect"
	"strconv"
	"time"

	"github.com/lbha/lbha/healthcheck"
	"github.com/lbha/lbha/ipvs"
)

// Service is one table [[service]]: a pool of real servers behind one or more virtual
// services of the kernel.
type Service struct {
	Name string `json:"name"`
	// Keys are all virtual services it expands to, in the order of the file: one for each
	// address, one for each address of a range, or the one firewall mark.
	Keys     []ipvs.Key    `json:"keys"`
	Protocol ipvs.Protocol `json:"protocol,omitzero"` // of every key; of no meaning for a firewall mark
	Family   ipvs.Family   `json:"family"`            // of every key

	Scheduler   ipvs.Scheduler `json:"scheduler"`
	Flags       []ipvs.Flag    `json:"scheduler_flags,omitempty"`
	Forward     ipvs.Forward   `json:"forward"`
	Tunnel      ipvs.Tunnel    `json:"tunnel,omitzero"`       // zero unless Forward is TUN
	Persistence *Persistence   `json:"persistence,omitempty"` // nil: none
	OnePacket   bool           `json:"one_packet"`            // schedule every datagram anew

	// The pool is up once the weight that is alive reaches Quorum + Hysteresis, and down
	// once it falls below Quorum - Hysteresis.
	Quorum     int `json:"quorum"`
	Hysteresis int `json:"hysteresis"`
	// PanicThreshold is a share of the servers, 0 to 1: while fewer are healthy, no more
	// are removed. 0 is off.
	PanicThreshold float64       `json:"panic_threshold"`
	OnFail         ipvs.OnFail   `json:"on_fail"`
	SlowStart      time.Duration `json:"slow_start"`    // a server that returns reaches its weight after so long; 0: at once
	DrainTimeout   time.Duration `json:"drain_timeout"` // a drained server is removed after so long at the latest; 0: no limit

	// Initial, Up or Down, is held of a server before its first results, where no saved
	// state and no entry in the kernel's table says better.
	Initial healthcheck.Verdict `json:"initial"`
	// Checks say whether a server is healthy: Need of them must pass. None: every server
	// counts as healthy.
	Checks []Check          `json:"checks,omitempty"`
	Need   healthcheck.Need `json:"checks_needed,omitzero"`
	// Standby is how the checks run while this director is not master of the service.
	Standby healthcheck.Pace `json:"standby_checks,omitzero"`
	Servers []Server         `json:"servers"`
}

// Persistence sends a client to the same server again.
type Persistence struct {
	Timeout time.Duration `json:"timeout"` // whole seconds
	Netmask int           `json:"netmask"` // prefix length: clients of one network count as one; 1-32 or 1-128
}

// Server is one real server of a service.
type Server struct {
	// Address is where traffic goes. Port 0 means the port of the virtual service, as DR
	// and TUN always do.
	Address        netip.AddrPort `json:"address"`
	Weight         ipvs.Weight    `json:"weight"`
	MaxConnections uint32         `json:"max_connections,omitempty"` // upper threshold: no new connections above; 0: none
	MinConnections uint32         `json:"min_connections,omitempty"` // lower threshold: new connections again below; 0: the kernel's 3/4
	Backup         bool           `json:"backup,omitempty"`          // used when the quorum is lost; checked like the others
	// Checks replace the service's; nil: the service's apply.
	Checks []Check `json:"checks,omitzero"`
	// Need is how many of its own checks must pass.
	Need healthcheck.Need `json:"checks_needed,omitzero"`
}

// plainServer is all there is of a server without checks of its own, as nearly all are: to
// hash and to compare tens of thousands needs no reflection.
type plainServer struct {
	address     netip.AddrPort
	weight      ipvs.Weight
	most, least uint32 // connections
	backup      bool
}

// plain returns the server as a plainServer, and false if it is more than that.
func (s *Server) plain() (plainServer, bool) {
	return plainServer{s.Address, s.Weight, s.MaxConnections, s.MinConnections, s.Backup}, s.Checks == nil && s.Need == 0
}

// appendTo appends the server as words, without a line end.
func (p plainServer) appendTo(b []byte) []byte {
	b = p.address.AppendTo(b)
	for _, n := range []uint32{uint32(p.weight), p.most, p.least} {
		b = strconv.AppendUint(append(b, ' '), uint64(n), 10)
	}
	return strconv.AppendBool(append(b, ' '), p.backup)
}

// equal reports whether nothing differs.
func (s *Server) equal(other *Server) bool {
	a, ok := s.plain()
	b, ok2 := other.plain()
	if ok && ok2 {
		return a == b
	}
	return reflect.DeepEqual(s, other)
}

// equal reports whether nothing differs, the servers and their order included.
func (s *Service) equal(other *Service) bool {
	if len(s.Servers) != len(other.Servers) {
		return false
	}
	for i := range s.Servers {
		if !s.Servers[i].equal(&other.Servers[i]) {
			return false
		}
	}
	a, b := *s, *other
	a.Servers, b.Servers = nil, nil
	return reflect.DeepEqual(&a, &b)
}

// ChecksOf returns the checks of a server, a member of the service.
func (s *Service) ChecksOf(server *Server) []Check {
	if server.Checks != nil {
		return server.Checks
	}
	return s.Checks
}

// NeedOf returns how many of its checks a server must pass.
func (s *Service) NeedOf(server *Server) healthcheck.Need {
	if server.Checks != nil {
		return server.Need
	}
	return s.Need
}

// Destination returns where the kernel sends traffic for key, one of the service's, when it
// picks server. DR and TUN cannot change the port, so there it is the key's.
func (s *Service) Destination(key ipvs.Key, server *Server) netip.AddrPort {
	port := server.Address.Port()
	if key.Mark() == 0 && (s.Forward != ipvs.NAT || port == 0) {
		port = key.Addr().Port()
	}
	return netip.AddrPortFrom(server.Address.Addr(), port)
}
