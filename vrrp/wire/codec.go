package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

const (
	headerLen = 8
	typeAd    = 1

	second      = time.Second
	centisecond = time.Second / 100

	// ethernetPadded4 is the longest message that Ethernet's minimum payload of
	// 46 bytes may have padded, behind an IPv4 header without options.
	ethernetPadded4 = 46 - 20
)

// ErrUnencodable is returned by Append for an Advert that has no wire form.
var ErrUnencodable = errors.New("advert cannot be encoded")

// Append appends the message for a to buf. src and dst are the addresses of the
// packet that will carry it: they decide the family, and FormPseudo covers
// them. form is obeyed for version 3 on IPv4, where there is a choice.
//
// Append writes nothing that Decode would refuse: a field out of range is
// ErrUnencodable, and an interval is never rounded.
func Append(buf []byte, a *Advert, src, dst netip.Addr, form ChecksumForm) ([]byte, error) {
	if err := a.encodable(src, dst); err != nil {
		return buf, fmt.Errorf("%w: %s", ErrUnencodable, err)
	}
	start := len(buf)
	buf = append(buf, a.Version<<4|typeAd, a.VRID, a.Priority, uint8(len(a.Addresses)))
	if a.Version == 2 {
		buf = append(buf, uint8(a.AuthType), uint8(a.Interval/second))
	} else {
		buf = binary.BigEndian.AppendUint16(buf, uint16(a.Interval/centisecond))
	}
	buf = append(buf, 0, 0)
	for _, addr := range a.Addresses {
		if addr.Is4() {
			b := addr.As4()
			buf = append(buf, b[:]...)
		} else {
			b := addr.As16()
			buf = append(buf, b[:]...)
		}
	}
	if a.Version == 2 {
		buf = append(buf, a.AuthData[:]...)
	}
	msg := buf[start:]
	s := sum(0, msg)
	if a.Version == 3 && (form == FormPseudo || src.Is6()) {
		s += pseudo(src, dst, len(msg))
	}
	binary.BigEndian.PutUint16(msg[6:], ^fold(s))
	return buf, nil
}

// encodable says what keeps a from being sent from src to dst.
func (a *Advert) encodable(src, dst netip.Addr) error {
	unit, most := centisecond, 4095*centisecond
	if a.Version == 2 {
		unit, most = second, 255*second
	}
	switch {
	case a.Version != 2 && a.Version != 3:
		return fmt.Errorf("version %d", a.Version)
	case !sound(src, dst):
		return fmt.Errorf("from %v to %v", src, dst)
	case a.Version == 2 && src.Is6():
		return errors.New("version 2 on IPv6")
	case a.VRID == 0:
		return errors.New("VRID 0")
	case len(a.Addresses) == 0 || len(a.Addresses) > 255:
		return fmt.Errorf("%d addresses", len(a.Addresses))
	case a.Interval < unit || a.Interval > most || a.Interval%unit != 0:
		return fmt.Errorf("interval %v in version %d", a.Interval, a.Version)
	case a.Version == 2 && a.AuthType > AuthPassword:
		return fmt.Errorf("authentication type %d", a.AuthType)
	case a.Version == 3 && (a.AuthType != AuthNone || a.AuthData != AuthData{}):
		return errors.New("authentication in version 3")
	}
	for _, addr := range a.Addresses {
		if !addr.IsValid() || addr.Is4() != src.Is4() || addr.Zone() != "" {
			return fmt.Errorf("address %v from %v", addr, src)
		}
	}
	return nil
}

// sound reports whether a packet can have come from src to dst.
func sound(src, dst netip.Addr) bool {
	return src.IsValid() && dst.IsValid() && src.Is4() == dst.Is4() &&
		!src.IsUnspecified() && !src.IsMulticast() && !src.Is4In6() && !dst.Is4In6()
}

// Decode reads the message in payload, which starts behind the IP header, into
// a. On Accepted every field of a is set, and form is the checksum's; for a
// message that fits both forms FormPseudo is reported. On any other Drop a
// holds nothing of use. Decode keeps no reference to payload.
func Decode(a *Advert, payload []byte, m Meta) (form ChecksumForm, drop Drop) {
	if !sound(m.Src, m.Dst) {
		return 0, DropBadSource
	}
	if m.Dst.IsMulticast() && m.TTL != TTL {
		return 0, DropBadTTL
	}
	if len(payload) < headerLen {
		return 0, DropShort
	}
	version, v4 := payload[0]>>4, m.Src.Is4()
	switch {
	case version != 3 && (version != 2 || !v4):
		return 0, DropBadVersion
	case payload[0]&0xf != typeAd:
		return 0, DropBadType
	case payload[1] == 0:
		return 0, DropZeroVRID
	case payload[3] == 0:
		return 0, DropZeroCount
	}
	msg, ok := trim(payload, version, v4)
	if !ok {
		return 0, DropBadLength
	}
	a.Signed = len(payload) == len(msg)+TrailerLen
	covered := msg
	if !v4 {
		covered = payload // the kernel, which makes this checksum, knows no trailer
	}
	if form, ok = verify(covered, version, m); !ok {
		return 0, DropBadChecksum
	}
	a.Version, a.VRID, a.Priority = version, msg[1], msg[2]
	a.AuthType, a.AuthData = AuthNone, AuthData{}
	if version == 2 {
		a.AuthType = AuthType(msg[4])
		a.Interval = time.Duration(msg[5]) * second
		a.AuthData = AuthData(msg[len(msg)-len(a.AuthData):])
	} else {
		a.Interval = time.Duration(binary.BigEndian.Uint16(msg[4:])&0xfff) * centisecond
	}
	switch {
	case a.Interval == 0:
		return 0, DropZeroInterval
	case a.AuthType > AuthPassword:
		return 0, DropBadAuthType
	}
	a.Addresses = a.Addresses[:0]
	for rest := msg[headerLen:]; len(a.Addresses) < int(msg[3]); {
		if v4 {
			a.Addresses = append(a.Addresses, netip.AddrFrom4([4]byte(rest)))
			rest = rest[4:]
		} else {
			a.Addresses = append(a.Addresses, netip.AddrFrom16([16]byte(rest)))
			rest = rest[16:]
		}
	}
	return form, Accepted
}

// trim cuts payload to the length that its address count asks for. What is cut
// may only be Ethernet's padding of a short IPv4 packet, or a trailer, which is
// longer than any padding.
func trim(payload []byte, version uint8, v4 bool) (msg []byte, ok bool) {
	want := headerLen + int(payload[3])*16
	if v4 {
		want = headerLen + int(payload[3])*4
	}
	if version == 2 {
		want += len(AuthData{})
	}
	padded := v4 && len(payload) > want && len(payload) <= ethernetPadded4
	if len(payload) != want && len(payload) != want+TrailerLen && !padded {
		return nil, false
	}
	return payload[:want], true
}

// verify finds the checksum form of msg, with its trailer on IPv6.
func verify(msg []byte, version uint8, m Meta) (form ChecksumForm, ok bool) {
	s := sum(0, msg)
	if version == 3 && fold(s+pseudo(m.Src, m.Dst, len(msg))) == 0xffff {
		return FormPseudo, true
	}
	if m.Src.Is4() && fold(s) == 0xffff {
		return FormMessage, true
	}
	return 0, false
}
