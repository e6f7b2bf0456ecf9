package scan

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"github.com/lbha/lbha/vrrp/wire"
)

// MaxSpeakers is how many speakers a Log keeps.
const MaxSpeakers = 4096

// A Speaker is one virtual router as one sender announces it on one interface.
type Speaker struct {
	Interface string       `json:"interface"`
	VRID      uint8        `json:"id"`
	Version   uint8        `json:"version,omitempty"` // 0: not even that is legible
	Source    netip.Addr   `json:"source"`
	To        netip.Addr   `json:"to"` // the group, or of unicast a peer
	Priority  uint8        `json:"priority"`
	Interval  Interval     `json:"interval"`
	Addresses []netip.Addr `json:"addresses"`
	Auth      string       `json:"auth"` // none, pass, hmac
	Adverts   int          `json:"adverts"`
	// Wrong is why the last advert would be dropped by everybody; "": it is right.
	Wrong wire.Drop `json:"wrong,omitempty"`
}

// An Interval is a time between adverts; its text is that of a Duration.
type Interval time.Duration

func (i Interval) String() string { return time.Duration(i).String() }

// MarshalText writes it as in a configuration.
func (i Interval) MarshalText() ([]byte, error) { return []byte(i.String()), nil }

// A speaker is known by these.
type identity struct {
	iface    string
	vrid     uint8
	src, dst netip.Addr
}

// A Log is who was heard. Its zero value is one of silence.
type Log struct {
	speakers map[identity]*Speaker
	lost     int
}

// Hear adds an IP packet that came by an interface, and reports whether it is of VRRP.
func (l *Log) Hear(iface string, packet []byte) bool {
	meta, payload, ok := header(packet)
	if !ok {
		return false
	}
	var a wire.Advert
	_, drop := wire.Decode(&a, payload, meta)
	id := identity{iface, wire.VRID(payload), meta.Src, meta.Dst}
	s := l.speakers[id]
	if s == nil {
		if len(l.speakers) >= MaxSpeakers {
			l.lost++
			return true
		}
		if l.speakers == nil {
			l.speakers = map[identity]*Speaker{}
		}
		s = &Speaker{Interface: iface, VRID: id.vrid, Source: meta.Src, To: meta.Dst, Auth: wire.AuthNone.String()}
		l.speakers[id] = s
	}
	s.Adverts++
	if drop != wire.Accepted {
		if s.Wrong = drop; s.Version == 0 && len(payload) > 0 {
			s.Version = payload[0] >> 4
		}
		return true
	}
	s.Wrong = ""
	s.Version, s.Priority, s.Interval, s.Addresses = a.Version, a.Priority, Interval(a.Interval), a.Addresses
	if s.Auth = a.AuthType.String(); a.Signed {
		s.Auth = "hmac"
	}
	return true
}

// Speakers returns who was heard, by interface, id and source.
func (l *Log) Speakers() []Speaker {
	out := make([]Speaker, 0, len(l.speakers))
	for _, s := range l.speakers {
		out = append(out, *s)
	}
	slices.SortFunc(out, func(a, b Speaker) int {
		return cmp.Or(cmp.Compare(a.Interface, b.Interface), cmp.Compare(a.VRID, b.VRID), a.Source.Compare(b.Source), a.To.Compare(b.To))
	})
	return out
}

// Lost is how many adverts were of speakers beyond MaxSpeakers.
func (l *Log) Lost() int { return l.lost }

// Used returns the ids that were heard on an interface.
func (l *Log) Used(iface string) map[uint8]bool {
	used := map[uint8]bool{}
	for id := range l.speakers {
		if id.iface == iface {
			used[id.vrid] = true
		}
	}
	return used
}

// Free returns the ids, 1 to 255, that nobody was heard with on an interface, as ranges of
// first and last.
func (l *Log) Free(iface string) [][2]int {
	used := l.Used(iface)
	var out [][2]int
	for id := 1; id <= 255; id++ {
		switch n := len(out); {
		case used[uint8(id)]:
		case n > 0 && out[n-1][1] == id-1:
			out[n-1][1] = id
		default:
			out = append(out, [2]int{id, id})
		}
	}
	return out
}

// header takes an IP packet of VRRP apart. Fragments are none: there are no large adverts.
func header(b []byte) (m wire.Meta, payload []byte, ok bool) {
	switch {
	case len(b) >= 20 && b[0]>>4 == 4:
		head, total := int(b[0]&0xf)*4, int(binary.BigEndian.Uint16(b[2:]))
		if b[9] != wire.Protocol || head < 20 || total < head || total > len(b) || binary.BigEndian.Uint16(b[6:])&0x3fff != 0 {
			return m, nil, false
		}
		m.Src, m.Dst, m.TTL = netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:])), int(b[8])
		return m, b[head:total], true
	case len(b) >= 40 && b[0]>>4 == 6:
		n := int(binary.BigEndian.Uint16(b[4:]))
		if b[6] != wire.Protocol || n > len(b)-40 {
			return m, nil, false
		}
		m.Src, m.Dst, m.TTL = netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[24:])), int(b[7])
		return m, b[40 : 40+n], true
	}
	return m, nil, false
}
