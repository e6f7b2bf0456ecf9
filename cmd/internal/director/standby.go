package director

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/healthcheck"
	"github.com/lbha/lbha/ipvs"
	"github.com/lbha/lbha/vrrp"
)

// pace makes the checks of each service run as its role here wants it. What a peer has found meanwhile was taken over
// by takeOver, if there is a channel; what is ours is fresh soon after we become master.
func (d *director) pace() {
	paces := make(map[string]healthcheck.Pace)
	if !d.vrrpHeard.IsZero() { // else nobody knows who is master, and somebody has to check
		for i := range d.cfg.Services {
			s := &d.cfg.Services[i]
			if s.Standby != healthcheck.Same && !serves(s, d.cfg.Instances, d.masters()) {
				paces[s.Name] = s.Standby
			}
		}
	}
	if !maps.Equal(paces, d.paces) {
		d.paces = paces
		d.checker.SetPaces(paces)
	}
}

// masters are the instances that are master here.
func (d *director) masters() map[string]bool {
	masters := make(map[string]bool)
	for _, in := range d.vrrp.Instances {
		masters[in.Name] = in.State == vrrp.Master
	}
	return masters
}

// serves reports whether this director sends the traffic of a service: it is master of an instance that holds one of its
// addresses or, where none does, of any. Without instances nobody but us does.
func serves(s *config.Service, instances []config.Instance, masters map[string]bool) bool {
	held, anyMaster := false, len(instances) == 0
	for i := range instances {
		in := &instances[i]
		anyMaster = anyMaster || masters[in.Name]
		holds := slices.ContainsFunc(s.Keys, func(k ipvs.Key) bool { return k.Mark() == 0 && holdsAddress(in, k.Addr().Addr()) })
		if holds && masters[in.Name] {
			return true
		}
		held = held || holds
	}
	return !held && anyMaster
}

// holdsAddress reports whether the master of an instance has the address.
func holdsAddress(in *config.Instance, addr netip.Addr) bool {
	is := func(a config.Address) bool { return a.Prefix.Addr() == addr }
	return slices.ContainsFunc(in.Addresses, is) || slices.ContainsFunc(in.ExtraAddresses, is)
}
