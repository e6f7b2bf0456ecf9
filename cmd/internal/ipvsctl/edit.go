package ipvsctl

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/lbha/lbha/ipvs"
)

// What ipvsadm takes where nothing is said.
const (
	defaultScheduler = ipvs.WeightedLeastConnection
	defaultForward   = ipvs.DR
	defaultWeight    = 1
)

// ServiceChange is what is said of a service; nil says nothing.
type ServiceChange struct {
	Scheduler   *ipvs.Scheduler
	Flags       *[]string // an empty list: none
	Persistence *time.Duration
	Netmask     *string // 255.255.255.0, or a prefix length
	OnePacket   *bool
	Engine      *string
}

// ServerChange is what is said of a server; nil says nothing.
type ServerChange struct {
	Forward        *ipvs.Forward
	Weight         *ipvs.Weight
	Upper, Lower   *uint32
	TunnelType     *ipvs.TunnelType
	TunnelPort     *uint16
	TunnelChecksum *ipvs.TunnelChecksum
}

// AddService returns the op that adds a service.
func AddService(t ipvs.Table, k ipvs.Key, c ServiceChange) (ipvs.Op, error) {
	if _, exists := t[k]; exists {
		return ipvs.Op{}, fmt.Errorf("there is a service %s already; change it with \"lbha ipvs edit\"", k)
	}
	s, err := c.apply(ipvs.Service{Key: k, Scheduler: defaultScheduler})
	return ipvs.Op{Action: ipvs.AddService, Service: s}, err
}

// EditService returns the op that changes a service. What c does not say stays as it is.
func EditService(t ipvs.Table, k ipvs.Key, c ServiceChange) (ipvs.Op, error) {
	p, exists := t[k]
	if !exists {
		return ipvs.Op{}, noService(t, k)
	}
	s, err := c.apply(p.Service)
	return ipvs.Op{Action: ipvs.EditService, Service: s, Was: ipvs.Was{Service: p.Service}}, err
}

// DeleteService returns the op that deletes a service and its servers.
func DeleteService(t ipvs.Table, k ipvs.Key) (ipvs.Op, error) {
	p, exists := t[k]
	if !exists {
		return ipvs.Op{}, noService(t, k)
	}
	return ipvs.Op{Action: ipvs.DeleteService, Service: ipvs.Service{Key: k}, Was: ipvs.Was{Service: p.Service}}, nil
}

// AddServer returns the op that adds a server to a service.
func AddServer(t ipvs.Table, k ipvs.Key, a netip.AddrPort, c ServerChange) (ipvs.Op, error) {
	_, exists, err := findServer(t, k, a)
	if err != nil {
		return ipvs.Op{}, err
	}
	if exists {
		return ipvs.Op{}, fmt.Errorf("the service %s has the server %s already; change it with \"lbha ipvs edit\"", k, a)
	}
	s, err := c.apply(k, ipvs.Server{Addr: a, Forward: defaultForward, Weight: defaultWeight})
	return ipvs.Op{Action: ipvs.AddServer, Service: ipvs.Service{Key: k}, Server: s}, err
}

// EditServer returns the op that changes a server. What c does not say stays as it is.
func EditServer(t ipvs.Table, k ipvs.Key, a netip.AddrPort, c ServerChange) (ipvs.Op, error) {
	was, err := serverOf(t, k, a)
	if err != nil {
		return ipvs.Op{}, err
	}
	s, err := c.apply(k, was)
	return ipvs.Op{Action: ipvs.EditServer, Service: ipvs.Service{Key: k}, Server: s, Was: ipvs.Was{Server: was}}, err
}

// DeleteServer returns the op that deletes a server of a service.
func DeleteServer(t ipvs.Table, k ipvs.Key, a netip.AddrPort) (ipvs.Op, error) {
	was, err := serverOf(t, k, a)
	return ipvs.Op{Action: ipvs.DeleteServer, Service: ipvs.Service{Key: k}, Server: ipvs.Server{Addr: a}, Was: ipvs.Was{Server: was}}, err
}

// NoOp reports whether the op changes nothing.
func NoOp(op ipvs.Op) bool {
	switch op.Action {
	case ipvs.EditService:
		return op.Service == op.Was.Service
	case ipvs.EditServer:
		return op.Server == op.Was.Server
	}
	return false
}

// findServer finds a server of a service that there must be.
func findServer(t ipvs.Table, k ipvs.Key, a netip.AddrPort) (ipvs.Server, bool, error) {
	p, exists := t[k]
	if !exists {
		return ipvs.Server{}, false, noService(t, k)
	}
	i := slices.IndexFunc(p.Servers, func(s ipvs.Server) bool { return s.Addr == a })
	if i < 0 {
		return ipvs.Server{}, false, nil
	}
	return p.Servers[i], true, nil
}

// serverOf finds a server that there must be.
func serverOf(t ipvs.Table, k ipvs.Key, a netip.AddrPort) (ipvs.Server, error) {
	s, exists, err := findServer(t, k, a)
	if err == nil && !exists {
		err = fmt.Errorf("the service %s has no server %s; see \"lbha ipvs list %s\"", k, a, k)
	}
	return s, err
}

// apply returns the service with what the change says.
func (c ServiceChange) apply(was ipvs.Service) (ipvs.Service, error) {
	s := was
	set(&s.Scheduler, c.Scheduler)
	set(&s.OnePacket, c.OnePacket)
	set(&s.Engine, c.Engine)
	set(&s.Persistence, c.Persistence)
	key := s.Key
	switch {
	case s.OnePacket && key.Mark() == 0 && key.Protocol() != ipvs.UDP:
		return s, errors.New("-o: one-packet scheduling is for UDP services and firewall marks")
	case key.Mark() == 0 && key.Addr().Port() == 0 && s.Persistence == 0:
		return s, errors.New("a service with port 0 (every port) needs persistence: give -p")
	case s.Persistence == 0 && c.Netmask != nil:
		return s, errors.New("-M belongs to persistence: give -p too")
	case s.Persistence == 0:
		s.Netmask = 0
	case was.Persistence == 0:
		s.Netmask = ipvs.HostNetmask(key.Family())
	}
	var err error
	if c.Netmask != nil {
		if s.Netmask, err = parseNetmask(key.Family(), *c.Netmask); err != nil {
			return s, err
		}
	}
	switch {
	case c.Flags != nil:
		var flags []ipvs.Flag
		for _, name := range *c.Flags {
			flags = append(flags, ipvs.Flag(name))
		}
		if s.Flags, err = ipvs.NewFlags(s.Scheduler, flags...); err != nil {
			return s, fmt.Errorf("-b: %w", err)
		}
	case s.Scheduler != was.Scheduler:
		s.Flags = 0 // they belonged to the other one
	}
	return s, nil
}

// parseNetmask reads a dotted mask, or the length of a prefix, which ipvsadm takes for IPv6 only.
func parseNetmask(f ipvs.Family, s string) (ipvs.Netmask, error) {
	if length, err := strconv.Atoi(s); err == nil {
		m, err := ipvs.NewNetmask(f, length)
		if err != nil {
			return 0, fmt.Errorf("-M: %w", err)
		}
		return m, nil
	}
	var m ipvs.Netmask
	if err := m.UnmarshalText([]byte(s)); err != nil || f == ipvs.IPv6 {
		return 0, fmt.Errorf("-M %q: want a mask as 255.255.255.0 for IPv4, or the length of a prefix", s)
	}
	return m, nil
}

// apply returns the server of the service k with what the change says.
func (c ServerChange) apply(k ipvs.Key, s ipvs.Server) (ipvs.Server, error) {
	set(&s.Forward, c.Forward)
	set(&s.Weight, c.Weight)
	set(&s.UpperThreshold, c.Upper)
	set(&s.LowerThreshold, c.Lower)
	set(&s.Tunnel.Type, c.TunnelType)
	set(&s.Tunnel.Port, c.TunnelPort)
	set(&s.Tunnel.Checksum, c.TunnelChecksum)
	switch {
	case s.Weight > ipvs.MaxWeight:
		return s, fmt.Errorf("-w %d: want 0 to %d", s.Weight, ipvs.MaxWeight)
	case s.LowerThreshold > s.UpperThreshold:
		return s, fmt.Errorf("-y %d is above -x %d", s.LowerThreshold, s.UpperThreshold)
	case s.Forward != ipvs.NAT && k.Mark() == 0 && s.Addr.Port() != k.Addr().Port():
		return s, fmt.Errorf("%s cannot change the port: the server's is that of the service, %d (leave it out), or use -m", s.Forward, k.Addr().Port())
	case s.Forward != ipvs.TUN && (c.TunnelType != nil || c.TunnelPort != nil || c.TunnelChecksum != nil):
		return s, errors.New("--tun-… belongs to -i")
	case s.Forward != ipvs.TUN && s.Addr.Addr().Is4() != (k.Family() == ipvs.IPv4):
		return s, errors.New("a server of the other address family needs tunnelling: -i")
	case s.Forward != ipvs.TUN:
		s.Tunnel = ipvs.Tunnel{}
	case s.Tunnel.Type != ipvs.GUE && c.TunnelType != nil && c.TunnelPort == nil:
		s.Tunnel.Port = 0
	}
	if s.Forward == ipvs.TUN && s.Tunnel.Type == ipvs.GUE && s.Tunnel.Port == 0 {
		return s, errors.New("--tun-type gue needs --tun-port")
	}
	return s, nil
}

// set sets a field if something is said of it.
func set[T any](field, said *T) {
	if said != nil {
		*field = *said
	}
}
