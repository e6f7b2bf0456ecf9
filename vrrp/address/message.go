//go:build linux

package address

import (
	"encoding/binary"
	"fmt"
	"iter"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

var native = binary.NativeEndian

// header is a struct nlmsghdr (netlink(7)).
type header struct {
	kind  uint16
	flags uint16
	seq   uint32
	port  uint32
}

// align rounds up to the 4 bytes of NLMSG_ALIGN and NLA_ALIGN.
func align(n int) int { return (n + 3) &^ 3 }

// messages yields the messages of a datagram, and stops at what is malformed.
func messages(b []byte) iter.Seq2[header, []byte] {
	return func(yield func(header, []byte) bool) {
		for len(b) >= unix.NLMSG_HDRLEN {
			n := int(native.Uint32(b))
			if n < unix.NLMSG_HDRLEN || n > len(b) {
				return
			}
			h := header{
				kind:  native.Uint16(b[4:]),
				flags: native.Uint16(b[6:]),
				seq:   native.Uint32(b[8:]),
				port:  native.Uint32(b[12:]),
			}
			if !yield(h, b[unix.NLMSG_HDRLEN:n]) {
				return
			}
			b = b[min(align(n), len(b)):]
		}
	}
}

// typeMask is NLA_TYPE_MASK of linux/netlink.h: a type without its flags.
const typeMask = 0x3fff

// attributes yields the attributes of a message from offset on, and stops at
// what is malformed.
func attributes(b []byte, offset int) iter.Seq2[uint16, []byte] {
	return func(yield func(uint16, []byte) bool) {
		b := b[min(offset, len(b)):]
		for len(b) >= unix.SizeofNlAttr {
			n := int(native.Uint16(b))
			if n < unix.SizeofNlAttr || n > len(b) {
				return
			}
			if !yield(native.Uint16(b[2:])&typeMask, b[unix.SizeofNlAttr:n]) {
				return
			}
			b = b[min(align(n), len(b)):]
		}
	}
}

// appendMessage appends a message whose body is what body appends.
func appendMessage(b []byte, kind, flags uint16, seq uint32, body func([]byte) []byte) []byte {
	start := len(b)
	b = append(b, 0, 0, 0, 0)
	b = native.AppendUint16(b, kind)
	b = native.AppendUint16(b, flags|unix.NLM_F_REQUEST)
	b = native.AppendUint32(b, seq)
	b = append(b, 0, 0, 0, 0)
	b = body(b)
	native.PutUint32(b[start:], uint32(len(b)-start))
	return b
}

// appendAttribute appends an attribute with its padding.
func appendAttribute(b []byte, kind uint16, data ...byte) []byte {
	b = native.AppendUint16(b, uint16(unix.SizeofNlAttr+len(data)))
	b = native.AppendUint16(b, kind)
	b = append(b, data...)
	for range align(len(data)) - len(data) {
		b = append(b, 0)
	}
	return b
}

// ifaProto is IFA_PROTO of linux/if_addr.h.
const ifaProto = 11

// appendVIP appends the body of a message that names a VIP.
func appendVIP(b []byte, v *VIP) []byte {
	addr := v.Prefix.Addr()
	family, flags, scope := uint8(unix.AF_INET), uint8(0), v.Scope
	if addr.Is6() {
		scope = unix.RT_SCOPE_UNIVERSE
		// It was another's a moment ago: detecting that as a duplicate would
		// keep it unusable.
		family, flags = unix.AF_INET6, unix.IFA_F_NODAD
	}
	b = append(b, family, uint8(v.Prefix.Bits()), flags, scope)
	b = native.AppendUint32(b, uint32(v.Index))
	if addr.Is4() {
		a := addr.As4()
		b = appendAttribute(b, unix.IFA_LOCAL, a[:]...)
		return appendAttribute(b, unix.IFA_ADDRESS, a[:]...)
	}
	a := addr.As16()
	b = appendAttribute(b, unix.IFA_LOCAL, a[:]...)
	return appendAttribute(b, unix.IFA_ADDRESS, a[:]...)
}

// appendLease appends what a claim says beyond the VIP: label, mark and
// lifetime.
func appendLease(b []byte, v *VIP, lease time.Duration) []byte {
	if v.Label != "" && v.Prefix.Addr().Is4() {
		b = appendAttribute(b, unix.IFA_LABEL, append([]byte(v.Label), 0)...)
	}
	b = appendAttribute(b, ifaProto, Protocol)
	var info [unix.SizeofIfaCacheinfo]byte
	if v.Prefix.Addr().Is4() {
		native.PutUint32(info[0:], lifetime(lease)) // preferred; of IPv6 not for a moment
	}
	native.PutUint32(info[4:], lifetime(lease)) // valid
	return appendAttribute(b, unix.IFA_CACHEINFO, info[:]...)
}

// infinity is INFINITY_LIFE_TIME of net/addrconf.h.
const infinity = 1<<32 - 1

// lifetime is a lease in the kernel's whole seconds, rounded up; 0 is forever.
func lifetime(lease time.Duration) uint32 {
	if lease <= 0 {
		return infinity
	}
	return uint32(min((lease+time.Second-1)/time.Second, infinity-1))
}

// addressMessage is the body of RTM_NEWADDR and RTM_DELADDR.
type addressMessage struct {
	index    int
	prefix   netip.Prefix
	label    string
	protocol uint8
	flags    uint32 // IFA_F_…
	valid    uint32 // seconds
}

// parseAddress reads the body of RTM_NEWADDR or RTM_DELADDR. Without an address
// of ours in it, the prefix is the zero one.
func parseAddress(b []byte) (m addressMessage) {
	if len(b) < unix.SizeofIfAddrmsg {
		return m
	}
	m.index = int(native.Uint32(b[4:]))
	m.flags = uint32(b[2])
	m.valid = infinity
	var local, address netip.Addr
	for kind, data := range attributes(b, unix.SizeofIfAddrmsg) {
		switch kind {
		case unix.IFA_LOCAL:
			local, _ = netip.AddrFromSlice(data)
		case unix.IFA_ADDRESS:
			address, _ = netip.AddrFromSlice(data)
		case unix.IFA_LABEL:
			m.label = unix.ByteSliceToString(data)
		case unix.IFA_FLAGS: // those of the header, and more
			if len(data) >= 4 {
				m.flags = native.Uint32(data)
			}
		case ifaProto:
			if len(data) >= 1 {
				m.protocol = data[0]
			}
		case unix.IFA_CACHEINFO:
			if len(data) >= unix.SizeofIfaCacheinfo {
				m.valid = native.Uint32(data[4:])
			}
		}
	}
	if !local.IsValid() { // IPv6 says it once; with both, the other is a peer's
		local = address
	}
	if local.IsValid() {
		m.prefix = netip.PrefixFrom(local, int(b[1]))
	}
	return m
}

// remaining is the valid lifetime as a duration.
func (m *addressMessage) remaining() time.Duration {
	if m.valid == infinity {
		return Forever
	}
	return time.Duration(m.valid) * time.Second
}

// parseLink reads the body of RTM_NEWLINK or RTM_DELLINK.
func parseLink(b []byte) (s State, ok bool) {
	if len(b) < unix.SizeofIfInfomsg {
		return State{}, false
	}
	const up = unix.IFF_UP | unix.IFF_RUNNING | unix.IFF_LOWER_UP
	flags := native.Uint32(b[8:])
	s.Index = int(native.Uint32(b[4:]))
	s.Admin = flags&unix.IFF_UP != 0
	s.Up = flags&up == up
	for kind, data := range attributes(b, unix.SizeofIfInfomsg) {
		switch kind {
		case unix.IFLA_IFNAME:
			s.Name = unix.ByteSliceToString(data)
		case unix.IFLA_ADDRESS:
			s.MAC = append(s.MAC[:0], data...)
		case unix.IFLA_MTU:
			if len(data) >= 4 {
				s.MTU = int(native.Uint32(data))
			}
		case unix.IFLA_AF_SPEC:
			for family, data := range attributes(data, 0) {
				if family == unix.AF_INET6 {
					s.readIPv6(data)
				}
			}
		}
	}
	return s, true
}

// The settings of a link, IFLA_INET6_CONF of linux/if_link.h, are numbers of 32
// bits in the order of linux/ipv6.h.
const (
	iflaInet6Conf      = 2
	devconfForwarding  = 0
	devconfDisableIPv6 = 26
)

// readIPv6 reads a link's attributes of IPv6.
func (s *State) readIPv6(b []byte) {
	for kind, data := range attributes(b, 0) {
		if kind != iflaInet6Conf {
			continue
		}
		setting := func(i int) bool { return len(data) >= 4*(i+1) && native.Uint32(data[4*i:]) != 0 }
		s.Router, s.IPv6Off = setting(devconfForwarding), setting(devconfDisableIPv6)
	}
}

// parseSettings reads the index of the link that RTM_NEWNETCONF is about. It is
// not positive for the settings of all links and of those to come.
func parseSettings(b []byte) (index int) {
	const headerLen, netconfaIfindex = 4, 1 // struct netconfmsg, linux/netconf.h
	for kind, data := range attributes(b, headerLen) {
		if kind == netconfaIfindex && len(data) >= 4 {
			index = int(int32(native.Uint32(data)))
		}
	}
	return index
}

// parseAck reads the body of NLMSG_ERROR: nil if the request was carried out.
func parseAck(flags uint16, b []byte) error {
	if len(b) < 4 {
		return errTruncated
	}
	errno := -int32(native.Uint32(b))
	if errno == 0 {
		return nil
	}
	err := error(unix.Errno(errno))
	if flags&unix.NLM_F_ACK_TLVS == 0 || len(b) < 4+unix.NLMSG_HDRLEN {
		return err
	}
	// The request's header, or all of the request, stands before the
	// attributes.
	request := unix.NLMSG_HDRLEN
	if flags&unix.NLM_F_CAPPED == 0 {
		request = align(int(min(native.Uint32(b[4:]), uint32(len(b)))))
	}
	for kind, data := range attributes(b, 4+request) {
		if kind == unix.NLMSGERR_ATTR_MSG {
			return fmt.Errorf("%w: %s", err, unix.ByteSliceToString(data))
		}
	}
	return err
}
