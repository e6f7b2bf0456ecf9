package ipvstest

import (
	"net/netip"
	"time"

	"github.com/lbha/lbha/ipvs"
)

// What follows writes tables in few words.

func svc(key string, s ipvs.Scheduler) ipvs.Service {
	k, err := ipvs.ParseKey(key)
	if err != nil {
		panic(err)
	}
	return ipvs.Service{Key: k, Scheduler: s}
}

func persistent(s ipvs.Service, d time.Duration, m ipvs.Netmask) ipvs.Service {
	s.Persistence, s.Netmask = d, m
	return s
}

func onePacket(s ipvs.Service) ipvs.Service {
	s.OnePacket = true
	return s
}

func engine(s ipvs.Service, name string) ipvs.Service {
	s.Engine = name
	return s
}

func flags(s ipvs.Service, list ...ipvs.Flag) ipvs.Service {
	var err error
	if s.Flags, err = ipvs.NewFlags(s.Scheduler, list...); err != nil {
		panic(err)
	}
	return s
}

func dr(addr string, w ipvs.Weight) ipvs.Server {
	return ipvs.Server{Addr: netip.MustParseAddrPort(addr), Forward: ipvs.DR, Weight: w}
}

func nat(addr string, w ipvs.Weight) ipvs.Server {
	return ipvs.Server{Addr: netip.MustParseAddrPort(addr), Forward: ipvs.NAT, Weight: w}
}

func tun(addr string, t ipvs.Tunnel) ipvs.Server {
	return ipvs.Server{Addr: netip.MustParseAddrPort(addr), Forward: ipvs.TUN, Weight: 1, Tunnel: t}
}

func thresholds(s ipvs.Server, upper, lower uint32) ipvs.Server {
	s.UpperThreshold, s.LowerThreshold = upper, lower
	return s
}

func pool(s ipvs.Service, servers ...ipvs.Server) ipvs.Pool {
	return ipvs.Pool{Service: s, Servers: servers}
}

func add(s ipvs.Service) ipvs.Op { return ipvs.Op{Action: ipvs.AddService, Service: s} }

func op(a ipvs.Action, k ipvs.Key, s ipvs.Server) ipvs.Op {
	return ipvs.Op{Action: a, Service: ipvs.Service{Key: k}, Server: s}
}
