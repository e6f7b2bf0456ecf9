package realserver

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"github.com/lbha/lbha/ipvs"
)

// requirement is what a wanted VIP asks of one setting.
type requirement struct {
	Setting
	value string   // what Up sets
	also  []string // what is right too if it is found
	why   string   // what goes wrong otherwise
}

// requirements are what one VIP asks of the host, but for the filter, which all
// VIPs share. What belongs to a device that is absent is asked for once the
// device is there.
func (w Wanted) requirements(h Host) []requirement {
	if w.Mode == ipvs.NAT {
		return nil
	}
	var rs []requirement
	if w.quiet() && w.ARP == BySysctl {
		for _, on := range []string{"all", w.Interface} {
			rs = append(rs,
				// 2 and 8 answer for fewer addresses still.
				requirement{sysctl("net/ipv4/conf/%s/arp_ignore", on), "1", []string{"2", "8"}, "the host answers ARP for the VIP"},
				requirement{sysctl("net/ipv4/conf/%s/arp_announce", on), "2", nil, "its own ARP requests carry the VIP"})
		}
	}
	device := w.device()
	_, exists := h.link(device)
	switch {
	case !exists || !h.takes(w.VIP, device):
	case !w.VIP.Is4():
		rs = append(rs, requirement{sysctl("net/ipv6/conf/%s/disable_ipv6", device), "0", nil, "the interface takes no IPv6 address"})
	case w.Mode == ipvs.TUN:
		r := requirement{sysctl("net/ipv4/conf/%s/rp_filter", device), "0", []string{"2"}, "strict reverse-path filtering drops what comes out of the tunnel"}
		switch h.Sysctls["net/ipv4/conf/all/rp_filter"] {
		case "1": // The kernel takes the greater of both: loose overrules strict.
			r.value, r.also = "2", nil
		case "2":
			r.also = append(r.also, "1")
		}
		rs = append(rs, r)
	}
	if exists && w.Mode == ipvs.TUN {
		rs = append(rs, w.unwrapping()...)
	}
	state := requirement{Setting{LinkSet, device}, up, nil, "nothing arrives through it"}
	if !exists {
		state.value, state.why = down, fmt.Sprintf("the module %s is not loaded", modules[device])
	}
	return append(rs, state,
		requirement{address(w.prefix(), device), present, nil, "the host drops packets to the VIP"})
}

// takes reports whether a device can have a VIP now. It must be there; and some
// tunnels are interfaces of IPv6, with settings of their own, only once they have
// been up (their MTU is set after their registration, and addrconf_notify in
// net/ipv6/addrconf.c looks at it then).
func (h Host) takes(vip netip.Addr, device string) bool {
	l, exists := h.link(device)
	_, six := h.Sysctls[fmt.Sprintf("net/ipv6/conf/%s/disable_ipv6", device)]
	return exists && (vip.Is4() || six || l.Up)
}

// met reports whether the setting is as required. What nft lists differs from
// what it was given, so the filter is right if it still looks as it did when we
// installed the same rules.
func (r requirement) met(value string, s saved) bool {
	if r.Kind == Filter {
		i := s.find(r.Setting)
		return i >= 0 && s.Originals[i].Set == r.value && value != "" && value == s.Listing
	}
	return value == r.value || slices.Contains(r.also, value)
}

// requirementsOf are what all of the VIPs together ask of the host.
func requirementsOf(want []Wanted, h Host) []requirement {
	var all []requirement
	for _, w := range want {
		for _, r := range w.requirements(h) {
			if !slices.ContainsFunc(all, func(o requirement) bool { return o.Setting == r.Setting }) {
				all = append(all, r)
			}
		}
	}
	// Last: a VIP that leaves the filter for the sysctls is still in it while they
	// are set.
	if rules := rules(want, h); rules != "" {
		all = append(all, filterRequirement(rules))
	}
	return all
}

func filterRequirement(rules string) requirement {
	return requirement{Setting{Filter, table}, rules, nil, "the host may answer ARP for the VIP"}
}

// The order of steps: a VIP goes before its guard falls, and comes when it
// stands.
const (
	takeOff = iota
	guard
	putOn
	giveBack
)

// plan is the way from the host as it is to one that fulfils what is wanted, and
// in which nothing else differs from what was there before. It is empty when
// there is nothing to do.
//
// A device that is absent has no settings yet: the plan then ends with loading
// it, and the caller plans again. So it does where a device must be up first.
func plan(want []Wanted, s saved, h Host) []Step {
	type ranked struct {
		Step
		rank int
	}
	var steps []ranked
	needs := requirementsOf(want, h)
	for _, r := range needs {
		value := h.value(r.Setting)
		if r.met(value, s) {
			continue
		}
		rank := guard
		if r.Kind == Address {
			rank = putOn
			if p, device, _ := r.parts(); !h.takes(p.Addr(), device) {
				continue
			}
		}
		steps = append(steps, ranked{Step{r.Setting, value, r.value}, rank})
	}
	for _, o := range slices.Backward(s.Originals) {
		if slices.ContainsFunc(needs, func(r requirement) bool { return r.Setting == o.Setting }) || !o.ours(h) {
			continue
		}
		rank := giveBack
		if o.Kind == Address {
			rank = takeOff
		}
		steps = append(steps, ranked{Step{o.Setting, h.value(o.Setting), o.before()}, rank})
	}
	slices.SortStableFunc(steps, func(a, b ranked) int { return cmp.Compare(a.rank, b.rank) })
	var ordered []Step
	for _, st := range steps {
		ordered = append(ordered, st.Step)
	}
	return ordered
}

// before is the value to restore.
func (o original) before() string {
	if o.Kind == LinkSet && o.Was == absent {
		return down // a device goes only with its module, which others may use
	}
	return o.Was
}

// ours reports whether the setting is still as we made it, and not as it was.
// The filter's table is ours by its name.
func (o original) ours(h Host) bool {
	value := h.value(o.Setting)
	return value != o.before() && (o.Kind == Filter || value == o.Set)
}

// left reports whether somebody has changed the setting since: what is neither
// ours nor what was there before.
func (o original) left(h Host) bool {
	value := h.value(o.Setting)
	return value != "" && value != absent && value != o.before() && !o.ours(h)
}
