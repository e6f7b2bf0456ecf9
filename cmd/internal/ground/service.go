package ground

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/ipvs"
)

// service: the servers of one service, and the way to them.
func (j *judge) service(s *config.Service) {
	var own, lost []string
	first := "" // that is lost
	tight, lacking := "", 0
	for i := range s.Servers {
		addr := s.Servers[i].Address.Addr()
		if j.facts.owns(addr) {
			own = append(own, addr.String())
		}
		route, looked := j.facts.Routes[addr]
		switch {
		case !looked:
		case route.Error != "":
			first = cmp.Or(first, addr.String())
			lost = append(lost, fmt.Sprintf("%v (%s)", addr, route.Error))
		case s.Forward == ipvs.TUN && tight == "" && route.MTU > 0 && !addr.IsLoopback():
			if whole := route.MTU - overhead(s.Tunnel, addr.Is6()); whole < j.packet(s) {
				lacking = j.packet(s) - whole
				tight = fmt.Sprintf("the route to %v has an MTU of %d, so the tunnel carries packets of %d bytes, and clients send up to %d: the kernel tells them by ICMP, and where that is filtered, large requests hang",
					addr, route.MTU, whole, j.packet(s))
			}
		}
	}
	j.say(len(lost) > 0, Wrong, s.Name, "no-route", "", "no route to "+some(lost),
		"bring up the interface that leads there, or ip route add "+first+" via ROUTER")
	if s.Forward == ipvs.TUN {
		j.say(tight != "", Advice, s.Name, "tunnel-mtu", "the way to the servers has room for the tunnel", tight,
			fmt.Sprintf("raise the MTU between the directors and the servers by %d, or let the servers announce a smaller segment: ip route change … advmss, on each", lacking))
	}
	if s.Forward != ipvs.NAT && len(j.cfg.Instances) > 0 {
		j.say(len(own) > 0, Wrong, s.Name, "own-server", "", fmt.Sprintf("%s of this host is one of its servers: while it is backup, what the master forwards to it meets its own table and is forwarded again, in a loop", some(own)),
			"take this host out of the servers, or make it a service of a firewall mark (fwmark) that packets from the MAC address of the other director do not get")
	}
	if s.Forward == ipvs.NAT {
		j.redirects(s)
	}
	j.through(s)
}

// through: probes that go through the virtual address are answered from it, and on the master that is one of its own.
func (j *judge) through(s *config.Service) {
	const all = "net/ipv4/conf/all/accept_local"
	if s.Family != ipvs.IPv4 || len(j.cfg.Instances) == 0 {
		return
	}
	for i := range s.Servers {
		server := &s.Servers[i]
		if !slices.ContainsFunc(s.ChecksOf(server), func(c config.Check) bool { return c.Through != "" }) {
			continue
		}
		own := "net/ipv4/conf/" + j.facts.Routes[server.Address.Addr()].Interface + "/accept_local"
		if _, ok := j.facts.Sysctls[own]; !ok {
			continue // there is no route, or by an interface that was not looked at
		}
		j.say(!j.is(all, "1") && !j.is(own, "1"), Advice, s.Name, "accept-local", "answers to the probes through the vip are let in",
			"its checks go through the vip, and a master drops their answers as forged: while this host is master, no server of it is found dead", set(own, "1"))
		return
	}
}

// packet is the largest packet that clients send to a service: as the interface of its addresses takes it in.
func (j *judge) packet(s *config.Service) int {
	for i := range j.cfg.Instances {
		in := &j.cfg.Instances[i]
		for _, a := range in.Addresses {
			holds := slices.ContainsFunc(s.Keys, func(k ipvs.Key) bool { return k.Mark() == 0 && k.Addr().Addr() == a.Prefix.Addr() })
			if link, ok := j.facts.link(a.Interface); holds && ok {
				return link.MTU
			}
		}
	}
	return 1500
}

// overhead is what a tunnel adds to a packet, in bytes.
func overhead(t ipvs.Tunnel, v6 bool) int {
	n := 20
	if v6 {
		n = 40
	}
	switch t.Type {
	case ipvs.GUE:
		n += 8 + 4 // UDP, GUE
		if t.Checksum == ipvs.RemoteChecksum {
			n += 8 // the option, and its header
		}
	case ipvs.GRE:
		n += 4
		if t.Checksum != ipvs.NoChecksum {
			n += 4
		}
	}
	return n
}

// redirects: a router with one leg tells the servers of a shorter way to the clients, past itself.
func (j *judge) redirects(s *config.Service) {
	if s.Family != ipvs.IPv4 || len(s.Servers) == 0 {
		return
	}
	inside := j.facts.Routes[s.Servers[0].Address.Addr()].Interface
	for i := range j.cfg.Instances {
		in := &j.cfg.Instances[i]
		all, own := "net/ipv4/conf/all/send_redirects", "net/ipv4/conf/"+in.Interface+"/send_redirects"
		if in.Interface != inside || j.legs[inside] || !slices.ContainsFunc(s.Keys, func(k ipvs.Key) bool {
			return k.Mark() == 0 && slices.ContainsFunc(in.Addresses, func(a config.Address) bool { return a.Prefix.Addr() == k.Addr().Addr() })
		}) {
			continue
		}
		j.legs[inside] = true
		j.say(j.is(all, "1") || j.is(own, "1"), Advice, "nat", "send-redirects", "this host sends no redirects on "+inside,
			fmt.Sprintf("clients and servers are both on %s, and this host sends ICMP redirects there: a server that believes one answers past the director, and the client refuses the answer", inside),
			set(all, "0")+" "+strings.TrimPrefix(set(own, "0"), "sysctl -w "))
	}
}
