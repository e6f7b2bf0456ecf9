package elector

import (
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/ipvs"
	"github.com/lbha/lbha/vrrp"
	"github.com/lbha/lbha/vrrp/address"
	"github.com/lbha/lbha/vrrp/announce"
	"github.com/lbha/lbha/vrrp/segment"
	"github.com/lbha/lbha/vrrp/wire"
)

// vmac is what the link of a virtual MAC has beyond an interface. The link exists as long as its instance, so that a
// failover need not make it, and is up while the instance is master: a switch sees the MAC at one director.
type vmac struct {
	below *iface
	mac   net.HardwareAddr

	index int         // of the link, once it was seen to be ours; 0: not yet
	arp   address.ARP // what the interface below needs
}

// onVirtualMAC puts the addresses of an instance with a virtual MAC on the link that has it.
func onVirtualMAC(c config.Instance) config.Instance {
	if !c.VirtualMAC {
		return c
	}
	moved := func(addrs []config.Address) []config.Address {
		addrs = slices.Clone(addrs)
		for k := range addrs {
			if addrs[k].Interface == c.Interface {
				addrs[k].Interface = vmacName(&c)
			}
		}
		return addrs
	}
	c.Addresses, c.ExtraAddresses = moved(c.Addresses), moved(c.ExtraAddresses)
	return c
}

// vmacName is the name of the link: v4-51-eth0 for virtual router 51 of IPv4 on eth0. A long name of an interface is
// replaced by a number made of it.
func vmacName(c *config.Instance) string {
	const longest = 15 // IFNAMSIZ, less its end
	family := 4
	if c.Family == ipvs.IPv6 {
		family = 6
	}
	prefix := fmt.Sprintf("v%d-%d-", family, c.VRID)
	if len(prefix)+len(c.Interface) <= longest {
		return prefix + c.Interface
	}
	h := fnv.New32a()
	h.Write([]byte(c.Interface))
	return fmt.Sprintf("%s%08x", prefix, h.Sum32())
}

// checkVMAC refuses what does not fit into one frame of an Ethernet: those of a virtual MAC are not fragmented. All that
// IPv4 can count fits.
func checkVMAC(c *config.Instance) error {
	const most = (1500 - 40 - 8 - wire.TrailerLen) / 16
	if c.VirtualMAC && c.Unicast == nil && c.Family == ipvs.IPv6 && len(c.Addresses) > most {
		return fmt.Errorf("an advert from a virtual MAC has room for %d IPv6 addresses, not %d: let extra_addresses hold the others", most, len(c.Addresses))
	}
	return nil
}

// virtualMAC is the MAC that the protocol reserves for a virtual router.
func virtualMAC(c *config.Instance) net.HardwareAddr {
	mac := net.HardwareAddr{0, 0, 0x5e, 0, 1, byte(c.VRID)}
	if c.Family == ipvs.IPv6 {
		mac[4] = 2
	}
	return mac
}

// vmac returns the link of an instance's virtual MAC, and its part as an interface; nil: it has none.
func (e *elector) vmac(in *instance) (*iface, *vmac) {
	if !in.cfg.VirtualMAC {
		return nil, nil
	}
	i := e.ifaces[vmacName(&in.cfg)]
	if i == nil {
		return nil, nil
	}
	return i, i.vmac
}

// under is the interface by which packets for addresses on a named interface come: itself, or the one below it.
func (e *elector) under(name string) *iface {
	i := e.ifaces[name]
	if i != nil && i.vmac != nil {
		return i.vmac.below
	}
	return i
}

// useVMAC makes the link of an instance's virtual MAC, or adopts the one that a former process left, as soon as there
// is an interface to put it on.
func (e *elector) useVMAC(in *instance) error {
	if !in.cfg.VirtualMAC {
		return nil
	}
	name := vmacName(&in.cfg)
	i, below := e.ifaces[name], e.ifaces[in.cfg.Interface]
	if i.vmac == nil {
		e.closeSockets(i) // of a link that a former process left, they are not as they should be
		i.vmac = &vmac{below: below, mac: virtualMAC(&in.cfg)}
	}
	if below.index == 0 || i.index != 0 && i.vmac.index == i.index {
		return nil
	}
	e.keepLink(name)
	state, err := e.rtnl.Macvlan(name)
	switch {
	case err == nil && !state.Ours, errors.Is(err, address.ErrNotMacvlan):
		return fmt.Errorf("the link %s is there already, and not ours", name)
	case err == nil && (notedOn(state.Note).below != below.index || !slices.Equal(state.MAC, i.vmac.mac)):
		if err := e.rtnl.DeleteLink(state.Index); err != nil {
			return err
		}
		fallthrough
	case errors.Is(err, address.ErrNoInterface):
		state, err = e.makeVMAC(i, below)
	}
	if err != nil {
		return err
	}
	below.changed = notedOn(state.Note)
	i.vmac.arp = arpBelow(below.changed.arp)
	i.vmac.index = state.Index
	e.refresh(i)
	return e.rtnl.SetARP(below.index, i.vmac.arp)
}

func (e *elector) makeVMAC(i, below *iface) (address.MacvlanState, error) {
	was, err := e.arpBefore(below)
	if err != nil {
		return address.MacvlanState{}, err
	}
	m := address.Macvlan{Name: i.name, Parent: below.index, MAC: i.vmac.mac, Note: noted{below.index, was}.String()}
	if err := e.rtnl.AddMacvlan(m); err != nil {
		return address.MacvlanState{}, err
	}
	return e.rtnl.Macvlan(i.name)
}

// arpBelow is what an interface below a virtual MAC needs: not to answer for addresses that are not its own, and not to
// ask in their name. Either would tell the neighbours another MAC. Stricter settings stay.
func arpBelow(was address.ARP) address.ARP {
	return address.ARP{Ignore: max(was.Ignore, 1), Announce: max(was.Announce, 2)}
}

// arpBefore is how an interface dealt with ARP before we changed it. Links on it remember, whoever made them.
func (e *elector) arpBefore(below *iface) (address.ARP, error) {
	if below.changed.below == below.index {
		return below.changed.arp, nil
	}
	all, err := e.rtnl.Macvlans()
	if err != nil {
		return address.ARP{}, err
	}
	for _, m := range all {
		if n := notedOn(m.Note); n.below == below.index {
			return n.arp, nil
		}
	}
	return e.rtnl.ARP(below.index)
}

// noted is what stands on a link of ours: the interface that it was made on (where that is a macvlan too, the kernel
// names the one below both), and what was changed there. It survives whatever becomes of us.
type noted struct {
	below int
	arp   address.ARP
}

const noteFormat = "on=%d arp_ignore=%d arp_announce=%d"

func (n noted) String() string { return fmt.Sprintf(noteFormat, n.below, n.arp.Ignore, n.arp.Announce) }

func notedOn(note string) (n noted) {
	_, _ = fmt.Sscanf(note, noteFormat, &n.below, &n.arp.Ignore, &n.arp.Announce)
	return n
}

// raise brings the link of the virtual MAC up, before the first address is put on it.
func (e *elector) raise(in *instance) error {
	if err := e.useVMAC(in); err != nil {
		return err
	}
	i, v := e.vmac(in)
	if v == nil || i.index == 0 {
		return nil
	}
	e.keepLink(i.name)
	i.state.Admin = true // nobody need wait for the news of it
	if i.sender == nil {
		if err := e.openSockets(i); err != nil {
			return err
		}
	}
	return errors.Join(e.rtnl.SetARP(v.below.index, v.arp), e.rtnl.SetUp(i.index, true))
}

// lower takes it down when the last address has left it: nothing is sent from, or accepted for, the MAC of a master that
// is another. It happens soon, and without addresses nothing is answered until then.
func (e *elector) lower(in *instance) {
	i, v := e.vmac(in)
	if v == nil || i.index == 0 || i.index != v.index {
		return
	}
	i.state.Admin = false
	e.retire(linkJob{name: i.name, index: i.index})
}

// retire leaves the slow ways of a link to the worker, at the end of this turn: it would only be in the way of what else
// there is to say to the kernel now.
func (e *elector) retire(j linkJob) {
	e.keepLink(j.name)
	e.retiring = append(e.retiring, j)
}

// keepLink sees to it that a link which is wanted is not on its way out.
func (e *elector) keepLink(name string) {
	e.retiring = slices.DeleteFunc(e.retiring, func(j linkJob) bool { return j.name == name })
	if e.links != nil {
		e.links.keep(name)
	}
}

// retireLinks gives the worker what has come together.
func (e *elector) retireLinks() {
	if len(e.retiring) == 0 {
		return
	}
	if e.links == nil {
		l, err := newLinks()
		if err != nil {
			e.happened(nil, "interface", "no-virtual-mac", err.Error(), true)
			return
		}
		e.links = l
	}
	e.links.retire(e.retiring)
	e.retiring = e.retiring[:0]
}

// sendFrames sends the message in e.out to the group, from the virtual MAC.
func (e *elector) sendFrames(in *instance, src netip.Addr) (err error) {
	_, v := e.vmac(in)
	if v.below.frames == nil {
		if v.below.frames, err = segment.OpenFrames(v.below.index); err != nil {
			v.below.frames = nil
			return err
		}
	}
	return v.below.frames.Send(e.out, src, v.mac)
}

// openSender opens the socket for announcements on i, or, for a virtual MAC, borrows that of the interface below: each
// socket costs the kernel tens of milliseconds when it is closed, as at the end of this process.
func (e *elector) openSender(i *iface) (*announce.Sender, error) {
	switch {
	case i.vmac == nil:
		return announce.Open(i.index, i.state.MAC)
	case i.vmac.below.sender == nil:
		return nil, noSender(i.vmac.below)
	}
	return i.vmac.below.sender.As(i.vmac.mac), nil
}

// closeSender closes what frames leave i by, of its own and of the virtual MACs on it.
func (e *elector) closeSender(i *iface) {
	if i.sender != nil {
		e.closeLater(i.sender)
		i.sender = nil
	}
	if i.frames != nil {
		e.closeLater(i.frames)
		i.frames = nil
	}
	for _, above := range e.ifaces {
		if above.vmac != nil && above.vmac.below == i {
			above.sender = nil
		}
	}
}

// keepVMAC makes the link where it could not be made before, or somebody removed it, and tells an instance whose link
// somebody took down: the addresses on it are no use.
func (e *elector) keepVMAC(in *instance) {
	if err := e.useVMAC(in); err != nil {
		e.limited(in, "virtual-mac", "interface", "no-virtual-mac", err.Error())
		return
	}
	i, v := e.vmac(in)
	if v == nil || i.index == 0 || i.state.Admin {
		return
	}
	for _, h := range in.held {
		if h.Index == i.index {
			e.step(in, vrrp.AddressLost{Address: h.Prefix.Addr()})
			return
		}
	}
}

func (e *elector) keepVMACs() {
	for _, in := range e.instances {
		if !in.finished {
			e.keepVMAC(in)
		}
	}
	if e.links != nil {
		if err := e.links.trouble(); err != nil && !errors.Is(err, address.ErrNoInterface) {
			e.happened(nil, "interface", "no-virtual-mac", err.Error(), true)
		}
	}
}

// dropVMAC removes the link of an instance that is no more, if i is one, and with the last of an interface what was
// changed there.
func (e *elector) dropVMAC(i *iface) {
	v := i.vmac
	if v == nil {
		return
	}
	i.vmac = nil
	if i.index == 0 || i.index != v.index {
		return
	}
	e.retire(linkJob{name: i.name, index: i.index, gone: true})
	e.restoreARP(v.below.changed)
}

// restoreARP puts back how an interface dealt with ARP, unless a virtual MAC is left on it.
func (e *elector) restoreARP(n noted) {
	for _, i := range e.ifaces {
		if i.vmac != nil && i.vmac.below.index == n.below {
			return
		}
	}
	if n.below == 0 {
		return
	}
	if err := e.rtnl.SetARP(n.below, n.arp); err != nil && !errors.Is(err, address.ErrNoInterface) {
		e.happened(nil, "interface", "no-virtual-mac", err.Error(), true)
	}
	for _, i := range e.ifaces {
		if i.index == n.below {
			i.changed = noted{}
		}
	}
}

// dropVMACs removes all of ours: this process ends.
func (e *elector) dropVMACs() {
	const patience = 2 * time.Second
	for _, i := range e.ifaces {
		e.dropVMAC(i)
	}
	e.retireLinks()
	if e.links != nil {
		e.links.finish(patience)
	}
}

// sweepVMACs removes the links that a former process left and nobody wants.
func (e *elector) sweepVMACs() {
	all, err := e.rtnl.Macvlans()
	if err != nil {
		e.happened(nil, "interface", "no-virtual-mac", err.Error(), true)
	}
	for _, m := range all {
		if i := e.ifaces[m.Name]; i == nil || i.vmac == nil {
			e.retire(linkJob{name: m.Name, index: m.Index, gone: true})
			e.restoreARP(notedOn(m.Note))
		}
	}
}
