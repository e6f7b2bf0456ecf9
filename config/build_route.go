package config

import (
	"math"
	"net/netip"
)

// Limits of the kernel's rules: rule 0 is local, 32766 main and 32767 default.
const (
	maxRulePriority = 32765
	maxTable        = math.MaxInt32
)

// route reads one [[vrrp.route]].
func (b *builder) route(raw *rawRoute, in *Instance) Route {
	r := Route{
		Device: in.Interface,
		Via:    b.host(raw.Via),
		Source: b.host(raw.Source),
		Table:  b.number(raw.Table, MainTable, 1, maxTable),
		Metric: b.number(raw.Metric, 0, 0, maxTable),
	}
	if raw.Device.set() {
		r.Device = b.ifname(raw.Device)
	}
	v6 := in.Family != 0 && !in.Addresses[0].Prefix.Addr().Is4()
	switch {
	case r.Via.IsValid():
		v6 = r.Via.Is6()
	case r.Source.IsValid():
		v6 = r.Source.Is6()
	}
	switch require(b, raw.Node, raw.Destination, "destination", `a prefix, or "default"`) {
	case "":
	case "default":
		r.Destination = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		if v6 {
			r.Destination = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		}
	default:
		r.Destination = b.network(raw.Destination)
	}
	if !r.Destination.IsValid() {
		return r
	}
	for _, o := range []struct {
		at *node
		a  netip.Addr
	}{{raw.Via.Node, r.Via}, {raw.Source.Node, r.Source}} {
		if o.a.IsValid() && o.a.Is4() != r.Destination.Addr().Is4() {
			b.error(o.at, "%s: %s is not of the family of the destination, %s", o.at.label(), o.a, r.Destination)
		}
	}
	for _, other := range in.Routes {
		if other.Destination == r.Destination && other.Table == r.Table && other.Metric == r.Metric {
			b.errorHint(raw.Node, "a metric tells two routes to one place apart", "route: %s is there already", r.Destination)
		}
	}
	return r
}

// rule reads one [[vrrp.rule]].
func (b *builder) rule(raw *rawRule) Rule {
	r := Rule{
		From:     b.network(raw.From),
		To:       b.network(raw.To),
		Table:    b.number(raw.Table, 0, 1, maxTable),
		Priority: b.number(raw.Priority, 0, 1, maxRulePriority),
	}
	b.need(raw.Node, raw.Table.Node, "table", "the number of a routing table")
	b.need(raw.Node, raw.Priority.Node, "priority", "1 to 32765; main is 32766")
	switch {
	case !raw.From.set() && !raw.To.set():
		if raw.Node.lacks("to") {
			b.need(raw.Node, nil, "from", `or "to"`)
		}
	case r.From.IsValid() && r.To.IsValid() && r.From.Addr().Is4() != r.To.Addr().Is4():
		b.error(raw.To.Node, "to: %s is not of the family of from, %s", r.To, r.From)
	}
	return r
}

// network reads a prefix whose host bits are 0, if it is set.
func (b *builder) network(o opt[string]) netip.Prefix {
	if !o.set() {
		return netip.Prefix{}
	}
	p, err := parsePrefix(o.Value)
	switch {
	case err != nil:
		b.error(o.Node, "%s: %.80q is not an IP network", o.Node.label(), o.Value)
		return netip.Prefix{}
	case p != p.Masked():
		b.error(o.Node, "%s: %s has bits beyond its length: did you mean %s?", o.Node.label(), p, p.Masked())
	}
	return p
}
