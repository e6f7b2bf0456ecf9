package elector

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/vrrp"
	"github.com/lbha/lbha/vrrp/address"
	"github.com/lbha/lbha/vrrp/wire"
)

// instance is one virtual router with what is needed to carry out its effects.
type instance struct {
	cfg     config.Instance
	iface   *iface
	channel *channel      // on iface
	machine *vrrp.Machine // stepped through its group only
	group   *group
	member  int // of the group
	expect  wire.Expect
	auth    authenticator
	slot    int // of its clock in the memory file

	finished bool
	held     []address.VIP
	strays   []string // addresses that are here and should not be
	followers
	tracks
	refusals []refusal
	lateness
	counts
}

// lateness is how punctual the adverts are.
type lateness struct {
	late uint64        // adverts sent later than lateAfter
	max  time.Duration // the worst
}

// counts are what the machine does not see.
type counts struct {
	received uint64
	plain    uint64 // of received, those of version 3 whose checksum leaves the pseudo header out
	dropped  map[string]uint64
}

// lateAfter is the lateness of an advert that is worth counting.
func lateAfter(interval time.Duration) time.Duration { return min(20*time.Millisecond, interval/10) }

// machineConfig is what the machine needs of an instance's configuration.
func machineConfig(c *config.Instance, source netip.Addr) vrrp.Config {
	m := vrrp.Config{
		Name: c.Name, VRID: c.VRID, Version: c.Version,
		Priority: c.Priority, Interval: c.Interval,
		Preempt: c.Preempt, PreemptDelay: c.PreemptDelay, StartupDelay: c.StartupDelay,
		DownAdverts: c.DownAdverts, Source: source, Lease: lease(c),
		Announce: announcements(&c.Announce),
	}
	for _, a := range c.Addresses {
		m.Addresses = append(m.Addresses, a.Prefix.Addr())
	}
	return m
}

// lease is the kernel lifetime of the leased addresses, 0 for none.
func lease(c *config.Instance) time.Duration {
	if c.AddressLease.Auto {
		return vrrp.AutoLease(c.Interval, c.DownAdverts)
	}
	return c.AddressLease.Duration
}

// leased reports whether an address gets the lease. By default only host addresses do: with a prefix the connected
// route would expire too.
func leased(c *config.Instance, p netip.Prefix) bool {
	return !c.AddressLease.Auto || p.IsSingleIP()
}

// announcements turns count, repeat and refresh into one schedule: a first burst whose spacing grows (repeats serve
// against loss, and losses come in bursts), and the same again after RepeatAfter.
func announcements(a *config.Announce) vrrp.Announcements {
	spaced := vrrp.DefaultAnnounceOffsets()
	for last := spaced[len(spaced)-1]; len(spaced) < a.Count; {
		last += 2 * time.Second
		spaced = append(spaced, last)
	}
	offsets := spaced[:max(a.Count, 1)]
	if a.RepeatAfter > offsets[len(offsets)-1] {
		offsets = append(offsets, a.RepeatAfter)
	}
	refresh := a.Refresh
	if refresh == 0 {
		refresh = -1
	}
	return vrrp.Announcements{Offsets: slices.Clone(offsets), Refresh: refresh}
}

// expectation is what the instance accepts on the wire.
func expectation(c *config.Instance) (wire.Expect, error) {
	x := wire.Expect{Version: uint8(c.Version), VRID: uint8(c.VRID)}
	if c.Unicast != nil {
		x.Unicast, x.Peers = true, c.Unicast.Peers
		x.MinTTL, x.MaxTTL = c.Unicast.MinTTL, c.Unicast.MaxTTL
	}
	if c.Auth.Type == config.AuthPass {
		password, err := wire.Password(c.Auth.Key.Reveal())
		if err != nil {
			return x, err
		}
		x.AuthType, x.Password = wire.AuthPassword, password
	}
	x.HMAC = c.Auth.Type == config.AuthHMAC
	return x, new(authenticator).configure(c)
}

// do carries out one effect and returns its outcome, if it has one.
func (e *elector) do(in *instance, effect vrrp.Effect) vrrp.Event {
	switch effect := effect.(type) {
	case vrrp.Send:
		err := e.send(in, &effect)
		if err == nil {
			e.region.Clock(in.slot).Store(int64(now()))
		}
		return sent(err)
	case vrrp.Claim:
		return vrrp.Claimed{Err: e.claim(in, effect.Lease)}
	case vrrp.Renew:
		e.renewLater(in, effect.Lease)
	case vrrp.Release:
		return vrrp.Released{Err: e.release(in)}
	case vrrp.Announce:
		e.unsaved = e.unsaved || effect.Round == 0 // a schedule begins, which a successor would go on with
		return vrrp.Announced{Err: e.announce(in, effect.Round)}
	case vrrp.Transition:
		if effect.To != vrrp.Master {
			e.silence(in)
		}
		e.transition(in, &effect)
	case vrrp.Finding:
		e.finding(in, &effect)
	case vrrp.Reject:
		if effect.Reason == vrrp.RejectCommand { // no packet
			e.happened(in, "operation", string(effect.Reason), "there is nothing to hand over: this director is not master", true)
			return nil
		}
		in.drop(string(effect.Reason))
	case vrrp.Finished:
		in.finished = true
		e.dirty, e.unsaved = true, true
	case vrrp.SetSyncRole:
		// The director has it from the state that every transition reports.
	}
	return nil
}

func (in *instance) drop(reason string) {
	if in.dropped == nil {
		in.dropped = make(map[string]uint64)
	}
	in.dropped[reason]++
}

var errNoSocket = errors.New("the interface has no VRRP socket")

func (e *elector) send(in *instance, s *vrrp.Send) error {
	if in.channel.segment == nil {
		return errNoSocket
	}
	a := wire.Advert{
		Version: uint8(s.Version), VRID: uint8(s.VRID), Priority: uint8(s.Priority),
		Interval: s.Interval, Addresses: s.Addresses,
		AuthType: in.expect.AuthType, AuthData: in.expect.Password,
	}
	in.auth.signed = false
	if in.cfg.Unicast == nil {
		if err := e.sendTo(in, &a, s.Source, in.channel.group()); err != nil {
			return err
		}
	} else if err := e.sendPeers(in, &a, s.Source); err != nil {
		return err
	}
	if due := in.group.due; due != 0 { // an answer to a peer has no schedule to be late for
		by := now().Sub(due)
		in.max = max(in.max, by)
		if by > lateAfter(s.Interval) {
			in.late++
		}
	}
	return nil
}

// sendTo sends an advert to one destination. Its checksum covers the addresses, so it is encoded for each.
func (e *elector) sendTo(in *instance, a *wire.Advert, src, dst netip.Addr) (err error) {
	form := wire.FormPseudo
	if in.cfg.Checksum == config.ChecksumMessage {
		form = wire.FormMessage
	}
	if e.out, err = wire.Append(e.out[:0], a, src, dst, form); err != nil {
		return err
	}
	e.out = in.auth.sign(e.out, src, dst)
	if in.cfg.VirtualMAC && dst.IsMulticast() {
		return e.sendFrames(in, src)
	}
	return in.channel.segment.Send(e.out, src, dst)
}

// sendPeers sends an advert to each peer. It fails only if none could be sent: a peer that cannot be reached is no
// reason to give up for the others.
func (e *elector) sendPeers(in *instance, a *wire.Advert, src netip.Addr) error {
	var first error
	sent := false
	for _, peer := range in.cfg.Unicast.Peers {
		err := e.sendTo(in, a, src, peer)
		sent = sent || err == nil
		if first == nil {
			first = err
		}
	}
	if sent {
		return nil
	}
	return first
}

// place is what makes an address one in the kernel; its label and scope do not.
type place struct {
	index  int
	prefix netip.Prefix
}

func placeOf(v address.VIP) place { return place{v.Index, v.Prefix} }

// scope is the kernel's number for one that the configuration names.
func scope(s config.Scope) uint8 {
	switch s {
	case config.ScopeSite:
		return unix.RT_SCOPE_SITE
	case config.ScopeLink:
		return unix.RT_SCOPE_LINK
	case config.ScopeHost:
		return unix.RT_SCOPE_HOST
	}
	return unix.RT_SCOPE_UNIVERSE
}

// vips resolves the addresses of the instance to interfaces as they are now. With an error, which names one that cannot
// be, it returns the others.
func (e *elector) vips(in *instance) (vips []address.VIP, err error) {
	for _, a := range slices.Concat(in.cfg.Addresses, in.cfg.ExtraAddresses) {
		i := e.ifaces[a.Interface]
		if i == nil || i.index == 0 {
			err = fmt.Errorf("interface %s of address %s does not exist", a.Interface, a.Prefix)
			continue
		}
		vips = append(vips, address.VIP{Prefix: a.Prefix, Index: i.index, Label: a.Label, Scope: scope(a.Scope)})
	}
	return vips, err
}

// byLease splits addresses into those that get the lease and those that stay for ever.
func (in *instance) byLease(vips []address.VIP) (limited, permanent []address.VIP) {
	for _, v := range vips {
		if leased(&in.cfg, v.Prefix) {
			limited = append(limited, v)
		} else {
			permanent = append(permanent, v)
		}
	}
	return limited, permanent
}

// claim makes the held addresses the configured ones.
func (e *elector) claim(in *instance, lease time.Duration) error {
	if err := e.raise(in); err != nil {
		return err
	}
	vips, err := e.vips(in)
	if err != nil {
		return err
	}
	e.dirty = true
	wanted := make(map[place]address.VIP, len(vips))
	for _, v := range vips {
		wanted[placeOf(v)] = v
	}
	var renamed, gone []address.VIP
	for _, v := range in.held {
		switch want, ok := wanted[placeOf(v)]; {
		case !ok:
			gone = append(gone, v)
		case want != v:
			renamed = append(renamed, v)
		}
	}
	// The kernel changes neither label nor scope: such an address has to go, for as long as it takes to ask.
	errs := []error{e.roles().Release(renamed), e.claimBoth(in, vips, lease)}
	in.held = vips
	if gone = e.unshared(in, gone); len(gone) > 0 {
		// With the first address of a subnet the kernel may take the others off: they are claimed once more.
		errs = append(errs, e.roles().Release(gone), e.claimBoth(in, vips, lease))
	}
	e.follow(in)
	return errors.Join(errs...)
}

// unshared is what of vips no other instance holds: a reload may have moved an address, and its new holder may have
// been first.
func (e *elector) unshared(in *instance, vips []address.VIP) []address.VIP {
	return slices.DeleteFunc(vips, func(v address.VIP) bool {
		return slices.ContainsFunc(e.instances, func(other *instance) bool {
			holds := func(h address.VIP) bool { return placeOf(h) == placeOf(v) }
			return other != in && slices.ContainsFunc(other.held, holds)
		})
	})
}

// claimBoth claims the leased and the permanent ones.
func (e *elector) claimBoth(in *instance, vips []address.VIP, lease time.Duration) error {
	limited, permanent := in.byLease(vips)
	return errors.Join(e.claimAll(limited, lease), e.claimAll(permanent, 0))
}

func (e *elector) claimAll(vips []address.VIP, lease time.Duration) error {
	if len(vips) == 0 {
		return nil
	}
	return e.roles().Claim(vips, lease)
}

// release takes off what the instance holds, and what it would hold: a former process may have put it there.
func (e *elector) release(in *instance) error {
	e.dirty = true
	e.silence(in)
	e.unfollow(in)
	vips, _ := e.vips(in) // what is on no interface needs no release
	for _, v := range in.held {
		if !slices.ContainsFunc(vips, func(w address.VIP) bool { return placeOf(w) == placeOf(v) }) {
			vips = append(vips, v)
		}
	}
	in.held = nil
	vips = e.unshared(in, vips)
	err := e.roles().Release(vips)
	if err != nil {
		in.held = vips // for the next attempt, whatever the configuration is then
	}
	e.lower(in)
	return err
}
