package config

import (
	"slices"

	"github.com/lbha/lbha/ipvs"
)

// byFamily makes two services of each one whose addresses are of both families, because
// a virtual service of the kernel has one: the first keeps the name, the other has its
// family behind it, "www-ipv6". Each has its own pool, with the servers that can serve
// it, and so its own quorum. A tunnel crosses families: there both have all servers.
func (b *builder) byFamily(items []rawService) []rawService {
	if !slices.ContainsFunc(items, func(s rawService) bool {
		_, second := s.families()
		return second != 0
	}) {
		return items // nearly always, and they are large
	}
	all := make([]rawService, 0, len(items))
	for i := range items {
		s := &items[i]
		first, second := s.families()
		if second == 0 {
			all = append(all, *s)
			continue
		}
		if p := s.Persistence; p != nil && p.Netmask.set() {
			b.errorHint(p.Netmask.Node, "make a second [[service]]", "netmask: is of one family, and the addresses are of both")
		}
		for _, f := range []ipvs.Family{first, second} {
			part, ok := b.ofFamily(s, f)
			if !ok {
				continue
			}
			if f == second {
				part.Name.Value += "-" + f.String()
			}
			all = append(all, part)
		}
	}
	return all
}

// families are those of the addresses, in the order of the file; 0 for none.
func (s *rawService) families() (first, second ipvs.Family) {
	for _, o := range s.Addresses.Items {
		f := serviceFamily(o)
		switch {
		case f == 0 || f == first:
		case first == 0:
			first = f
		default:
			return first, f
		}
	}
	return first, 0
}

// serviceFamily is that of an address of a service; 0 for what is none, which is
// reported where addresses are read.
func serviceFamily(o opt[string]) ipvs.Family {
	addrs, err := parseServiceAddresses(o.Value)
	if err != nil {
		return 0
	}
	return familyOf(addrs[0].Addr())
}

// ofFamily is the part of a service that is of one family; false: it can have none.
func (b *builder) ofFamily(s *rawService, f ipvs.Family) (rawService, bool) {
	part := *s
	part.Addresses.Items = slices.DeleteFunc(slices.Clone(s.Addresses.Items), func(o opt[string]) bool {
		other := serviceFamily(o)
		return other != f && other != 0
	})
	if s.Forward.or(ipvs.NAT) == ipvs.TUN {
		return part, true
	}
	part.Servers.Items = slices.DeleteFunc(slices.Clone(s.Servers.Items), func(v rawServer) bool {
		addr, err := parseServerAddress(v.Address.Value)
		return err == nil && familyOf(addr.Addr()) != f
	})
	if len(part.Servers.Items) == 0 && len(s.Servers.Items) > 0 {
		b.errorHint(s.Addresses.Node, `only forward = "tun" crosses families`, "addresses: has some of %s, and no server is of it", f)
		return part, false
	}
	return part, true
}
