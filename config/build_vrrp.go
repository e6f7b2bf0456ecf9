package config

import (
	"net/netip"
	"slices"
	"time"

	"github.com/lbha/lbha/ipvs"
	"github.com/lbha/lbha/vrrp"
)

// Defaults of [[vrrp.announce]] and of the schedule of scripts; the rest is vrrp's own.
const (
	defaultAnnounceCount  = 5
	defaultAnnounceRepeat = 5 * time.Second
	defaultTrackInterval  = 2 * time.Second
	defaultRise           = 2
	defaultFall           = 3
)

// Limits of the protocol.
const (
	maxAdvertised = 255                   // the count of addresses is one byte
	minInterval3  = 10 * time.Millisecond // 12 bits of centiseconds
	maxInterval3  = 40950 * time.Millisecond
	maxInterval2  = 255 * time.Second // one byte of seconds
	maxDelay      = time.Hour         // ours: more is a typing error
)

// router is what makes a virtual router on the network; routers with the same VRID on
// other interfaces, or of the other family, are independent.
type router struct {
	vrid   vrrp.VRID
	iface  string
	family ipvs.Family
}

func (b *builder) instance(raw *rawVRRP) Instance {
	in := Instance{
		Name:         b.name(raw.Node, raw.Name),
		Interface:    require(b, raw.Node, raw.Interface, "interface", ""),
		VRID:         require(b, raw.Node, raw.ID, "id", "the virtual router ID, 1 to 255, that no other pair on this network uses"),
		Version:      raw.Version.or(vrrp.Version3),
		Priority:     raw.Priority.or(vrrp.DefaultPriority),
		Interval:     raw.Interval.or(vrrp.DefaultInterval),
		Preempt:      raw.Preempt.or(true),
		PreemptDelay: b.duration(raw.PreemptDelay, 0, 0, maxDelay),
		StartupDelay: b.duration(raw.StartupDelay, 0, 0, maxDelay),
		DownAdverts:  b.number(raw.DownAdverts, vrrp.DefaultDownAdverts, 1, 100),
		AddressLease: raw.AddressLease.or(AddressLease{Auto: true}),
		VirtualMAC:   raw.VirtualMAC.or(false),
		Announce:     b.announce(raw.Announce),
	}
	b.ifname(raw.Interface)
	b.interval(raw, in.Version)
	in.Auth = b.auth(raw, &in)
	b.preemption(raw, &in)
	b.addresses(raw, &in)
	if raw.Unicast != nil {
		in.Unicast = b.unicast(raw.Unicast, in.Family)
	}
	b.checksum(raw, &in)
	in.Notify = b.notify(raw.Notify)
	for i := range raw.Tracks.Items {
		in.Tracks = append(in.Tracks, b.track(&raw.Tracks.Items[i], raw))
	}
	for i := range raw.Routes.Items {
		in.Routes = append(in.Routes, b.route(&raw.Routes.Items[i], &in))
	}
	for i := range raw.Rules.Items {
		in.Rules = append(in.Rules, b.rule(&raw.Rules.Items[i]))
	}
	if in.DownAdverts == 1 {
		b.warn(raw.DownAdverts.Node, "down_adverts: with 1, a single lost advert is a failover, and so is a master that is late by the skew of a backup; the protocol has 3")
	}
	if d := in.AddressLease.Duration; d > 0 && d <= in.Interval {
		b.errorHint(raw.AddressLease.Node, "it is renewed with each advert", "address_lease: %s ends before the next advert, one interval of %s later", short(d), short(in.Interval))
	}
	b.distinct(raw, &in)
	return in
}

// distinct refuses a second virtual router of the same identity.
func (b *builder) distinct(raw *rawVRRP, in *Instance) {
	if in.VRID == 0 || in.Interface == "" || in.Family == 0 {
		return // reported already
	}
	r := router{in.VRID, in.Interface, in.Family}
	if other, dup := b.routers[r]; dup {
		b.error(raw.ID.Node, "id: virtual router %d on %s is already instance %q", r.vrid, r.iface, other)
		return
	}
	b.routers[r] = in.Name
}

// interval checks what the version can carry.
func (b *builder) interval(raw *rawVRRP, version vrrp.Version) {
	d, n := raw.Interval.Value, raw.Interval.Node
	switch {
	case n == nil:
	case version == vrrp.Version2 && (d < time.Second || d > maxInterval2 || d%time.Second != 0):
		b.errorHint(n, "version 3 has centiseconds", "interval: version 2 carries whole seconds from 1s to 255s, not %s", short(d))
	case version == vrrp.Version3 && (d < minInterval3 || d > maxInterval3):
		b.error(n, "interval: must be 10ms to 40.95s, not %s", short(d))
	case version == vrrp.Version3 && d%(10*time.Millisecond) != 0:
		b.error(n, "interval: version 3 carries whole centiseconds (10ms), not %s", short(d))
	}
}

// preemption settles preempt, preempt_delay and the address owner.
func (b *builder) preemption(raw *rawVRRP, in *Instance) {
	owner := in.Priority == vrrp.PriorityOwner
	if owner && !in.Preempt {
		if raw.Preempt.Node.within(raw.Node) {
			b.error(raw.Preempt.Node, "preempt: the address owner (priority 255) always preempts")
		}
		in.Preempt = true
	}
	if in.PreemptDelay == 0 || in.Preempt && !owner {
		return
	}
	if raw.PreemptDelay.Node.within(raw.Node) {
		if owner {
			b.error(raw.PreemptDelay.Node, "preempt_delay: the address owner (priority 255) preempts at once")
		} else {
			b.error(raw.PreemptDelay.Node, "preempt_delay: preempt is off, so there is nothing to delay")
		}
	}
	in.PreemptDelay = 0
}

func (b *builder) announce(raw *rawAnnounce) Announce {
	if raw == nil {
		raw = new(rawAnnounce)
	}
	a := Announce{
		Count:       b.number(raw.Count, defaultAnnounceCount, 1, 100),
		RepeatAfter: b.duration(raw.RepeatAfter, defaultAnnounceRepeat, 0, maxDelay),
		Refresh:     b.duration(raw.Refresh, vrrp.DefaultRefresh, 0, 24*time.Hour),
		Gap:         b.duration(raw.Gap, 0, 0, 10*time.Second),
	}
	if a.Refresh > 0 && a.Refresh < time.Second {
		b.error(raw.Refresh.Node, "refresh: must be 1s or more, or 0s for none, not %s", short(a.Refresh))
	}
	return a
}

func (b *builder) unicast(raw *rawUnicast, family ipvs.Family) *Unicast {
	u := &Unicast{}
	if raw.Source.set() {
		u.Source = b.peer(raw.Source, family)
	}
	b.need(raw.Node, raw.Peers.Node, "peers", "")
	if raw.Peers.set() && len(raw.Peers.Items) == 0 {
		b.errorHint(raw.Peers.Node, "leave unicast out for multicast", "peers: must name at least one peer")
	}
	for _, o := range raw.Peers.Items {
		p := b.peer(o, family)
		switch {
		case !p.IsValid():
			continue
		case slices.Contains(u.Peers, p):
			b.error(o.Node, "%s: %s is listed twice", o.Node.label(), p)
		case p == u.Source:
			b.error(o.Node, "%s: %s is this director's own source", o.Node.label(), p)
		}
		u.Peers = append(u.Peers, p)
	}
	u.MinTTL = uint8(b.number(raw.MinTTL, 0, 1, 255))
	u.MaxTTL = uint8(b.number(raw.MaxTTL, 0, 1, 255))
	if u.MaxTTL > 0 && u.MinTTL > u.MaxTTL {
		b.error(raw.MaxTTL.Node, "max_ttl: %d is below min_ttl, %d: no advert would be heard", u.MaxTTL, u.MinTTL)
	}
	return u
}

// checksum settles the one choice that version 3 leaves to IPv4.
func (b *builder) checksum(raw *rawVRRP, in *Instance) {
	c := Checksum(b.choice(raw.Checksum, string(ChecksumPseudoHeader), string(ChecksumPseudoHeader), string(ChecksumMessage)))
	switch {
	case in.Version == vrrp.Version3 && in.Family == ipvs.IPv4:
		in.Checksum = c
	case raw.Checksum.Node.within(raw.Node):
		b.error(raw.Checksum.Node, "checksum: there is a choice in version 3 on IPv4 only")
	}
}

// peer reads a unicast address of the family.
func (b *builder) peer(o opt[string], family ipvs.Family) netip.Addr {
	if !o.set() {
		return netip.Addr{}
	}
	a, err := netip.ParseAddr(o.Value)
	a = a.Unmap()
	switch {
	case err != nil || a.Zone() != "":
		b.error(o.Node, "%s: %.80q is not an IP address", o.Node.label(), o.Value)
		return netip.Addr{}
	case !hostAddress(a):
		b.error(o.Node, "%s: %s is not the address of a host", o.Node.label(), a)
	case family != 0 && familyOf(a) != family:
		b.error(o.Node, "%s: %s is not of the family of the virtual addresses, %s", o.Node.label(), a, family)
	}
	return a
}
