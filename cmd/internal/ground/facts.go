package ground

import (
	"net/netip"
	"slices"

	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/ipvs"
)

// Facts are what a host is like.
type Facts struct {
	// Sysctls are the values by path below /proc/sys. One that does not exist is missing.
	Sysctls map[string]string
	Links   []Link
	// Routes are those to the targets that were asked for.
	Routes map[netip.Addr]Route
	// Outside is the interface of the default route of IPv4; empty: there is none.
	Outside string
	IPVS    bool // the kernel has it, or has loaded it
	// Modules are those that the kernel has, loaded or not. Nil: nobody can tell.
	Modules map[string]bool
	// Files is how many descriptors this process may have; 0: unknown.
	Files uint64
}

// Link is a network interface.
type Link struct {
	Name    string
	Up      bool // its administrator wants it to be
	Carrier bool // and it is: there is somebody at the other end
	MTU     int
	Addrs   []netip.Prefix
}

// Route is how packets to an address leave the host.
type Route struct {
	Interface string // empty: unknown
	MTU       int
	Error     string // there is none
}

func (f *Facts) link(name string) (Link, bool) {
	i := slices.IndexFunc(f.Links, func(l Link) bool { return l.Name == name })
	if i < 0 {
		return Link{}, false
	}
	return f.Links[i], true
}

// owns reports whether an address is one of the host's own.
func (f *Facts) owns(addr netip.Addr) bool {
	return slices.ContainsFunc(f.Links, func(l Link) bool {
		return slices.ContainsFunc(l.Addrs, func(p netip.Prefix) bool { return p.Addr() == addr })
	})
}

// Asked is what [Read] is to look at.
type Asked struct {
	Sysctls []string // paths below /proc/sys
	Targets []netip.Addr
}

// maxTargets bounds the routes that are looked up: those of the first so many servers speak for the rest.
const maxTargets = 4096

// Ask returns what matters to a configuration.
func Ask(cfg *config.Config) Asked {
	a := Asked{Sysctls: []string{
		"net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding", "net/ipv4/ip_nonlocal_bind",
		"net/netfilter/nf_conntrack_max", "net/ipv4/conf/all/rp_filter", "net/ipv4/conf/all/send_redirects",
		"net/ipv4/conf/all/accept_local",
	}}
	for _, name := range []string{"conntrack", "expire_nodest_conn", "expire_quiescent_template", "backup_only", "sync_threshold", "sloppy_tcp"} {
		a.Sysctls = append(a.Sysctls, vs+name)
	}
	for i := range cfg.Instances {
		a.Sysctls = append(a.Sysctls, ofInterface(cfg.Instances[i].Interface)...)
	}
	seen := make(map[netip.Addr]bool)
	for i := range cfg.Services {
		for j := range cfg.Services[i].Servers {
			addr := cfg.Services[i].Servers[j].Address.Addr()
			if !seen[addr] && len(a.Targets) < maxTargets {
				seen[addr] = true
				a.Targets = append(a.Targets, addr)
			}
		}
	}
	slices.Sort(a.Sysctls)
	a.Sysctls = slices.Compact(a.Sysctls)
	return a
}

// vs is where the settings of IPVS are, of IPv6 too.
const vs = "net/ipv4/vs/"

func ofInterface(name string) []string {
	v4, v6 := "net/ipv4/conf/"+name+"/", "net/ipv6/conf/"+name+"/"
	return []string{v4 + "rp_filter", v4 + "accept_local", v4 + "send_redirects", v4 + "forwarding", v6 + "accept_ra"}
}

// families returns those of the services that match.
func families(cfg *config.Config, match func(*config.Service) bool) (v4, v6 bool) {
	for i := range cfg.Services {
		if s := &cfg.Services[i]; match(s) {
			v4, v6 = v4 || s.Family == ipvs.IPv4, v6 || s.Family == ipvs.IPv6
		}
	}
	return v4, v6
}
