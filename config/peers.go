package config

import (
	"net/netip"
	"slices"

	"github.com/lbha/lbha/ipvs"
)

// Peers is the channel on which directors tell each other what their checks find, so that
// one that becomes master knows at once what the other knew.
type Peers struct {
	Listen    netip.AddrPort   `json:"listen"`    // what is sent comes from there, too; its address may be unspecified
	Directors []netip.AddrPort `json:"directors"` // where the others listen; of one family with Listen, each once
	Key       Secret           `json:"key"`       // as written: text, or "hex:" and digits; 32-64 bytes
}

// maxDirectors bounds the others: each is sent everything.
const maxDirectors = 15

// KeyBytes returns the key itself.
func (p *Peers) KeyBytes() []byte { return keyBytes(p.Key) }

// peers reads the table [global.peers].
func (b *builder) peers(raw *rawPeers) *Peers {
	p := &Peers{}
	b.need(raw.Node, raw.Listen.Node, "listen", `such as "10.9.0.1:1112"`)
	if raw.Listen.set() {
		p.Listen = b.endpoint(raw.Listen, 0)
		if a := p.Listen.Addr(); p.Listen.IsValid() && a.IsMulticast() {
			b.error(raw.Listen.Node, "listen: %s cannot be an address of this host", a)
		}
	}
	b.need(raw.Node, raw.Directors.Node, "directors", "where the others listen")
	switch n := len(raw.Directors.Items); {
	case raw.Directors.set() && n == 0:
		b.errorHint(raw.Directors.Node, "leave peers out to keep verdicts to yourself", "directors: must name at least one director")
	case n > maxDirectors:
		b.error(raw.Directors.Node, "directors: must be %d at most, not %d", maxDirectors, n)
	}
	family := ipvs.Family(0)
	if p.Listen.IsValid() {
		family = familyOf(p.Listen.Addr())
	}
	for _, o := range raw.Directors.Items {
		d := b.endpoint(o, family)
		switch {
		case !d.IsValid():
			continue
		case !hostAddress(d.Addr()) && !d.Addr().IsLoopback():
			b.error(o.Node, "%s: %s is not the address of a host", o.Node.label(), d.Addr())
		case slices.Contains(p.Directors, d):
			b.error(o.Node, "%s: %s is listed twice", o.Node.label(), d)
		case d == p.Listen:
			b.error(o.Node, "%s: %s is where this director listens itself", o.Node.label(), d)
		}
		p.Directors = append(p.Directors, d)
	}
	switch sources := ownOf(raw.Node, []*node{raw.Key.Node, raw.KeyFile.Node, raw.Credential.Node}); {
	case len(sources) > 1:
		b.error(sources[1], "%s: the key is given already, as %s", sources[1].label(), sources[0].label())
	case len(sources) == 1:
		p.Key = b.hmacKey(sources[0], raw.Key, raw.KeyFile, raw.Credential)
	case raw.Node.lacks("key_file") && raw.Node.lacks("credential"):
		b.need(raw.Node, nil, "key", `or "key_file", "credential"`)
	}
	return p
}

// endpoint reads an address and a port, of the family if one is given.
func (b *builder) endpoint(o opt[string], family ipvs.Family) netip.AddrPort {
	if !o.set() {
		return netip.AddrPort{}
	}
	e, err := netip.ParseAddrPort(o.Value)
	if err != nil || e.Port() == 0 || e.Addr().Zone() != "" {
		b.errorHint(o.Node, `such as "10.9.0.1:1112"`, "%s: %.80q is not an IP address and a port", o.Node.label(), o.Value)
		return netip.AddrPort{}
	}
	e = netip.AddrPortFrom(e.Addr().Unmap(), e.Port())
	if family != 0 && familyOf(e.Addr()) != family {
		b.error(o.Node, "%s: %s is not of the family of listen, %s", o.Node.label(), e.Addr(), family)
	}
	return e
}
