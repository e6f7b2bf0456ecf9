//go:build linux

package address

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Macvlan is a virtual link with a MAC of its own on top of an interface. It is
// in bridge mode. In keepalived's, private, the kernel takes frames from outside
// with the same MAC away from the interface below: two masters with one virtual
// MAC would not hear each other there.
type Macvlan struct {
	Name   string
	Parent int // the index of the interface below
	MAC    net.HardwareAddr
	// Note is stored with the link, at most 200 bytes, so that whoever finds it
	// later knows whose it is.
	Note string
}

// note marks a link as ours in its alias, followed by its Note.
const note = "lbha "

// MacvlanState is a Macvlan that the kernel has.
type MacvlanState struct {
	Macvlan
	Index int
	Up    bool // administratively
	Ours  bool // made by AddMacvlan
}

// AddMacvlan makes the link, down: as long as it is, no frame to or from its MAC
// passes. It gets no address by itself, answers ARP only for addresses that are
// on it, and accepts packets from sources that another link leads to, whatever
// net.ipv4.conf.all.rp_filter says.
func (c *Conn) AddMacvlan(m Macvlan) error {
	const flags = unix.NLM_F_ACK | unix.NLM_F_CREATE | unix.NLM_F_EXCL
	err := c.request(unix.RTM_NEWLINK, flags, func(b []byte) []byte {
		b = appendLink(b, 0, 0, 0)
		b = appendAttribute(b, unix.IFLA_IFNAME, append([]byte(m.Name), 0)...)
		b = appendAttribute(b, unix.IFLA_LINK, native.AppendUint32(nil, uint32(m.Parent))...)
		b = appendAttribute(b, unix.IFLA_ADDRESS, m.MAC...)
		return appendNested(b, unix.IFLA_LINKINFO, func(b []byte) []byte {
			b = appendAttribute(b, unix.IFLA_INFO_KIND, []byte("macvlan")...)
			return appendNested(b, unix.IFLA_INFO_DATA, func(b []byte) []byte {
				return appendAttribute(b, unix.IFLA_MACVLAN_MODE, native.AppendUint32(nil, macvlanBridge)...)
			})
		})
	})
	if err != nil {
		return fmt.Errorf("make link %s: %w", m.Name, explain(err))
	}
	// The kernel looks at these only when the link is there.
	err = c.setUpMacvlan(&m, true)
	if errors.Is(err, unix.EAFNOSUPPORT) {
		err = c.setUpMacvlan(&m, false) // a kernel without IPv6
	}
	if err != nil {
		err = fmt.Errorf("set up link %s: %w", m.Name, explain(err))
		if s, readErr := c.Macvlan(m.Name); readErr == nil {
			err = errors.Join(err, c.DeleteLink(s.Index))
		}
	}
	return err
}

// setUpMacvlan marks a new link and sets its network settings.
func (c *Conn) setUpMacvlan(m *Macvlan, ipv6 bool) error {
	return c.request(unix.RTM_NEWLINK, unix.NLM_F_ACK, func(b []byte) []byte {
		b = appendLink(b, 0, 0, 0)
		b = appendAttribute(b, unix.IFLA_IFNAME, append([]byte(m.Name), 0)...)
		b = appendAttribute(b, unix.IFLA_IFALIAS, []byte(note+m.Note)...)
		return appendNested(b, unix.IFLA_AF_SPEC, func(b []byte) []byte {
			b = appendInet(b,
				setting{devconfARPIgnore, 1},
				setting{devconfRPFilter, 2}, // loose: the greater of this and all's counts
				setting{devconfPromoteSecondaries, 1})
			if !ipv6 {
				return b
			}
			return appendNested(b, unix.AF_INET6, func(b []byte) []byte {
				return appendAttribute(b, unix.IFLA_INET6_ADDR_GEN_MODE, addrGenModeNone)
			})
		})
	})
}

// SetUp brings a link up or down, which is idempotent. Up takes some 50 µs; down,
// 10 ms and more, in which the kernel waits for every processor to have let go of
// the link, and holds the lock of all network configuration.
func (c *Conn) SetUp(index int, up bool) error {
	flags := uint32(0)
	if up {
		flags = unix.IFF_UP
	}
	err := c.request(unix.RTM_NEWLINK, unix.NLM_F_ACK, func(b []byte) []byte {
		return appendLink(b, index, flags, unix.IFF_UP)
	})
	if err != nil {
		return fmt.Errorf("set link %d up %v: %w", index, up, explain(err))
	}
	return nil
}

// DeleteLinks removes links, all for the price of one: see SetUp, and double it. One
// that is not there is no failure.
func (c *Conn) DeleteLinks(indexes []int) error {
	if len(indexes) < 2 {
		for _, index := range indexes {
			return c.DeleteLink(index)
		}
		return nil
	}
	group := native.AppendUint32(nil, doomed)
	errs := c.table(len(indexes), func(b []byte, seq uint32, i int) []byte {
		return appendMessage(b, unix.RTM_NEWLINK, unix.NLM_F_ACK, seq, func(b []byte) []byte {
			return appendAttribute(appendLink(b, indexes[i], 0, 0), unix.IFLA_GROUP, group...)
		})
	})
	errs = slices.DeleteFunc(errs, func(err error) bool { return errors.Is(err, ErrNoInterface) })
	err := c.request(unix.RTM_DELLINK, unix.NLM_F_ACK, func(b []byte) []byte {
		return appendAttribute(appendLink(b, 0, 0, 0), unix.IFLA_GROUP, group...)
	})
	if err != nil && !errors.Is(err, unix.ENODEV) {
		errs = append(errs, explain(err))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("remove %d links: %w", len(indexes), err)
	}
	return nil
}

// doomed is the group of links that are about to be removed together: "lbha".
const doomed = 0x6c626861

// DeleteLink removes a link. One that is not there is no failure.
func (c *Conn) DeleteLink(index int) error {
	err := c.request(unix.RTM_DELLINK, unix.NLM_F_ACK, func(b []byte) []byte { return appendLink(b, index, 0, 0) })
	if err != nil && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("remove link %d: %w", index, explain(err))
	}
	return nil
}

// Macvlan reads a macvlan by its name. It is ErrNoInterface if there is no such
// link, and ErrNotMacvlan if it is one of another kind.
func (c *Conn) Macvlan(name string) (MacvlanState, error) {
	var s MacvlanState
	known := false
	err := c.exchange(unix.RTM_GETLINK, 0, linkNamed(name), func(kind uint16, body []byte) {
		if kind == unix.RTM_NEWLINK {
			s, known = parseMacvlan(body)
		}
	})
	if err == nil && !known {
		err = ErrNotMacvlan
	}
	if err != nil {
		return s, fmt.Errorf("read link %s: %w", name, explain(err))
	}
	return s, nil
}

// ErrNotMacvlan: a link has the name, but is of another kind.
var ErrNotMacvlan = errors.New("the link is no macvlan")

// Macvlans lists those that AddMacvlan made, in this process or in a former one.
func (c *Conn) Macvlans() ([]MacvlanState, error) {
	var all []MacvlanState
	err := c.dump(unix.RTM_GETLINK, func(b []byte) []byte {
		b = appendLink(b, 0, 0, 0)
		return appendNested(b, unix.IFLA_LINKINFO, func(b []byte) []byte {
			return appendAttribute(b, unix.IFLA_INFO_KIND, []byte("macvlan")...)
		})
	}, func(kind uint16, body []byte) {
		if s, ok := parseMacvlan(body); kind == unix.RTM_NEWLINK && ok && s.Ours {
			all = append(all, s)
		}
	}, func() { all = nil })
	if err != nil {
		return nil, fmt.Errorf("list macvlans: %w", err)
	}
	return all, nil
}

// ARP is how a link deals with ARP: net.ipv4.conf.*.arp_ignore and arp_announce.
type ARP struct {
	Ignore, Announce int
}

// ARP reads the settings of a link, without what net.ipv4.conf.all adds.
func (c *Conn) ARP(index int) (ARP, error) {
	var a ARP
	found := false
	err := c.exchange(unix.RTM_GETLINK, 0, func(b []byte) []byte { return appendLink(b, index, 0, 0) }, func(kind uint16, body []byte) {
		if kind == unix.RTM_NEWLINK {
			a, found = parseARP(body)
		}
	})
	if err == nil && !found {
		err = errNoDevconf
	}
	if err != nil {
		return a, fmt.Errorf("read ARP settings of link %d: %w", index, explain(err))
	}
	return a, nil
}

var errNoDevconf = errors.New("the kernel tells none")

// SetARP changes them.
func (c *Conn) SetARP(index int, a ARP) error {
	err := c.request(unix.RTM_NEWLINK, unix.NLM_F_ACK, func(b []byte) []byte {
		b = appendLink(b, index, 0, 0)
		return appendNested(b, unix.IFLA_AF_SPEC, func(b []byte) []byte {
			return appendInet(b, setting{devconfARPIgnore, a.Ignore}, setting{devconfARPAnnounce, a.Announce})
		})
	})
	if err != nil {
		return fmt.Errorf("set ARP settings of link %d: %w", index, explain(err))
	}
	return nil
}

// request sends one request, asking for its acknowledgement.
func (c *Conn) request(kind, flags uint16, body func([]byte) []byte) error {
	return c.exchange(kind, flags, body, func(uint16, []byte) {})
}

// MACVLAN_MODE_BRIDGE and IN6_ADDR_GEN_MODE_NONE of linux/if_link.h.
const (
	macvlanBridge   = 4
	addrGenModeNone = 1
)

// Places in the arrays of IFLA_INET_CONF (IPV4_DEVCONF_… of linux/ip.h).
const (
	devconfRPFilter           = 8
	devconfARPAnnounce        = 18
	devconfARPIgnore          = 19
	devconfPromoteSecondaries = 20
)

// setting is one of net.ipv4.conf.
type setting struct {
	place uint16
	value int
}

// appendInet appends settings of IPv4, as RTM_NEWLINK takes them in IFLA_AF_SPEC.
func appendInet(b []byte, settings ...setting) []byte {
	return appendNested(b, unix.AF_INET, func(b []byte) []byte {
		return appendNested(b, unix.IFLA_INET_CONF, func(b []byte) []byte {
			for _, s := range settings {
				b = appendAttribute(b, s.place, native.AppendUint32(nil, uint32(s.value))...)
			}
			return b
		})
	})
}

// appendLink appends a struct ifinfomsg.
func appendLink(b []byte, index int, flags, change uint32) []byte {
	b = append(b, unix.AF_UNSPEC, 0, 0, 0)
	b = native.AppendUint32(b, uint32(index))
	b = native.AppendUint32(b, flags)
	return native.AppendUint32(b, change)
}

// appendNested appends an attribute whose data is what body appends.
func appendNested(b []byte, kind uint16, body func([]byte) []byte) []byte {
	start := len(b)
	b = native.AppendUint16(b, 0)
	b = native.AppendUint16(b, kind|unix.NLA_F_NESTED)
	b = body(b) // attributes, which end aligned
	native.PutUint16(b[start:], uint16(len(b)-start))
	return b
}

// parseMacvlan reads the body of RTM_NEWLINK, if it is of a macvlan.
func parseMacvlan(b []byte) (s MacvlanState, ok bool) {
	if len(b) < unix.SizeofIfInfomsg {
		return s, false
	}
	s.Index = int(native.Uint32(b[4:]))
	s.Up = native.Uint32(b[8:])&unix.IFF_UP != 0
	for kind, data := range attributes(b, unix.SizeofIfInfomsg) {
		switch kind {
		case unix.IFLA_IFNAME:
			s.Name = unix.ByteSliceToString(data)
		case unix.IFLA_ADDRESS:
			s.MAC = append(s.MAC[:0], data...)
		case unix.IFLA_LINK:
			if len(data) >= 4 {
				s.Parent = int(native.Uint32(data))
			}
		case unix.IFLA_IFALIAS:
			s.Note, s.Ours = strings.CutPrefix(unix.ByteSliceToString(data), note)
		case unix.IFLA_LINKINFO:
			for kind, data := range attributes(data, 0) {
				ok = ok || kind == unix.IFLA_INFO_KIND && unix.ByteSliceToString(data) == "macvlan"
			}
		}
	}
	return s, ok
}

// parseARP reads ARP settings in the body of RTM_NEWLINK.
func parseARP(b []byte) (a ARP, ok bool) {
	for kind, data := range attributes(b, unix.SizeofIfInfomsg) {
		if kind != unix.IFLA_AF_SPEC {
			continue
		}
		for family, data := range attributes(data, 0) {
			for kind, conf := range attributes(data, 0) {
				if family != unix.AF_INET || kind != unix.IFLA_INET_CONF || len(conf) < 4*devconfARPIgnore {
					continue
				}
				at := func(place int) int { return int(int32(native.Uint32(conf[4*(place-1):]))) }
				a, ok = ARP{Ignore: at(devconfARPIgnore), Announce: at(devconfARPAnnounce)}, true
			}
		}
	}
	return a, ok
}
