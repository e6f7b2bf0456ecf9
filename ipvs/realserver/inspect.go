package realserver

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/lbha/lbha/ipvs"
)

// Finding is one thing that was looked at, right or wrong.
type Finding struct {
	OK bool `json:"ok"`
	// Text says what is there and, if it is wrong, what follows from it.
	Text string `json:"text"`
	// Fix is the command or the advice that repairs it; empty if OK.
	Fix string `json:"fix,omitempty"`
}

// Report is what there is to say of one VIP on this host.
type Report struct {
	Wanted
	Findings []Finding `json:"findings"`
}

// OK reports whether all findings are.
func (r Report) OK() bool {
	return !slices.ContainsFunc(r.Findings, func(f Finding) bool { return !f.OK })
}

// inspect looks at one VIP of all those that are wanted.
func inspect(w Wanted, all []Wanted, s saved, h Host) Report {
	findings := conflicts(w, h)
	var needs []requirement
	if w.ARP == ByFilter {
		needs = append(needs, filterRequirement(rules(all, h)))
	}
	for _, r := range append(needs, w.requirements(h)...) {
		findings = append(findings, r.finding(w, h.value(r.Setting), s))
	}
	return Report{w, findings}
}

func (r requirement) finding(w Wanted, value string, s saved) Finding {
	ok := r.met(value, s) && !(r.Kind == LinkSet && value != up)
	f := Finding{OK: ok}
	switch r.Kind {
	case Sysctl:
		f.Text = fmt.Sprintf("%s is %s", r.Name, value)
		if value == "" {
			f.Text = fmt.Sprintf("%s does not exist", r.Name)
		}
	case LinkSet:
		f.Text = fmt.Sprintf("interface %s is %s", r.Name, value)
	case Address:
		p, device, _ := r.parts()
		f.Text = fmt.Sprintf("%v is on %s", p, device)
		if value == absent {
			f.Text = fmt.Sprintf("%v is not on %s", p, device)
		}
	case TunnelMode:
		f.Text = fmt.Sprintf("interface %s takes in %s", r.Name, value)
	case Listener:
		f.Text = fmt.Sprintf("UDP %s unwraps %s", r.Name, value)
		if value == absent {
			f.Text = fmt.Sprintf("UDP %s unwraps nothing", r.Name)
		}
	case Filter:
		f.Text = fmt.Sprintf("nftables table arp %s is in place", r.Name)
		if value == "" {
			f.Text = fmt.Sprintf("nftables table arp %s is missing", r.Name)
		} else if !ok {
			f.Text = fmt.Sprintf("nftables table arp %s is not what was installed for these VIPs and addresses", r.Name)
		}
	}
	if ok {
		return f
	}
	f.Text += ": " + r.why
	f.Fix = Step{r.Setting, value, r.value}.String()
	if r.Kind == Filter {
		f.Fix = fmt.Sprintf("lbha realserver up --vip %v --mode %v --interface %s --arp filter", w.VIP, w.Mode, w.Interface)
	}
	return f
}

// conflicts looks at what Up cannot repair, because it would take away what it
// did not add or is not its own affair.
func conflicts(w Wanted, h Host) []Finding {
	var fs []Finding
	if w.quiet() {
		fs = append(fs, w.ownInterface(h))
	}
	fs = append(fs, w.elsewhere(h)...)
	if !w.VIP.Is4() && w.Mode != ipvs.NAT {
		fs = append(fs, w.proxied(h)...)
	}
	if w.Mode == ipvs.NAT {
		fs = append(fs, w.gateway(h))
	}
	if w.Tunnel.Type == ipvs.GUE {
		fs = append(fs, w.occupied(h))
	}
	return fs
}

// ownInterface looks at the interface on which the VIP must be kept quiet.
func (w Wanted) ownInterface(h Host) Finding {
	link, ok := h.link(w.Interface)
	own := slices.ContainsFunc(link.Addrs, func(p netip.Prefix) bool { return p.Addr().Is4() && p.Addr() != w.VIP })
	const fix = "name the interface of the real server's own address (--interface)"
	switch {
	case !ok:
		return Finding{Text: fmt.Sprintf("there is no interface %s", w.Interface), Fix: fix}
	case !link.Speaks:
		return Finding{Text: fmt.Sprintf("interface %s does not speak ARP", w.Interface), Fix: fix}
	case !own:
		return Finding{Text: fmt.Sprintf("interface %s has no IPv4 address of its own to speak ARP with", w.Interface), Fix: fix}
	}
	return Finding{OK: true, Text: fmt.Sprintf("interface %s speaks ARP with an address of its own", w.Interface)}
}

// elsewhere looks for the VIP where it does harm.
func (w Wanted) elsewhere(h Host) []Finding {
	var fs []Finding
	for _, l := range h.Links {
		for _, p := range l.Addrs {
			if p.Addr() != w.VIP {
				continue
			}
			f := Finding{Fix: Step{address(p, l.Name), present, absent}.String()}
			switch {
			case w.Mode == ipvs.NAT:
				f.Text = fmt.Sprintf("%v is on %s, and in NAT mode belongs on the director alone", p, l.Name)
			case l.Speaks:
				f.Text = fmt.Sprintf("%v is on %s: the host answers for it there, as only the director may", p, l.Name)
			case !p.IsSingleIP():
				f.Text = fmt.Sprintf("%v is on %s: with this mask the whole network seems to be there", p, l.Name)
			default:
				continue // quiet: where it belongs, or as good
			}
			fs = append(fs, f)
		}
	}
	if fs == nil {
		fs = append(fs, Finding{OK: true, Text: fmt.Sprintf("%v is on no interface where it does harm", w.VIP)})
	}
	return fs
}

// proxied looks for neighbour discovery on behalf of the VIP.
func (w Wanted) proxied(h Host) []Finding {
	var fs []Finding
	for _, p := range h.Proxies {
		if p.Addr == w.VIP {
			fs = append(fs, Finding{
				Text: fmt.Sprintf("a proxy entry may answer neighbour solicitations for %v on %s", p.Addr, p.Interface),
				Fix:  fmt.Sprintf("ip -6 neighbour del proxy %v dev %s", p.Addr, p.Interface),
			})
		}
	}
	if fs == nil {
		fs = append(fs, Finding{OK: true, Text: fmt.Sprintf("no proxy entry answers neighbour solicitations for %v", w.VIP)})
	}
	return fs
}

// gateway looks at the way of the answers in NAT mode.
func (w Wanted) gateway(h Host) Finding {
	fix := fmt.Sprintf("ip route replace default via %v", w.Director)
	if w.Director.Is6() {
		fix = fmt.Sprintf("ip -6 route replace default via %v", w.Director)
	}
	found := false
	for _, g := range h.Gateways {
		if g.Family != w.family() {
			continue
		}
		found = true
		if g.Addr != w.Director {
			via := fmt.Sprintf("via %v", g.Addr)
			if !g.Addr.IsValid() {
				via = "directly on the link"
			}
			return Finding{Text: fmt.Sprintf("the %v default route leads %s (%s), not to the director %v: answers pass it by, and clients refuse them",
				w.family(), via, g.Interface, w.Director), Fix: fix}
		}
	}
	if !found {
		return Finding{Text: fmt.Sprintf("there is no %v default route: answers do not reach the director %v", w.family(), w.Director), Fix: fix}
	}
	return Finding{OK: true, Text: fmt.Sprintf("the %v default route leads to the director %v", w.family(), w.Director)}
}
