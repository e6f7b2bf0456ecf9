package vrrp

import (
	"net/netip"
	"strconv"
	"time"
)

// stranger is another host that announces an address of ours while we are master, and
// the evidence for it: a host with the same address by mistake, or a master whose
// adverts do not reach us.
type stranger struct {
	address      netip.Addr
	by, kind     string  // of the last packet, as is heard
	since, heard Instant // heard first, heard last
	packets      int
}

const (
	// maxStrangers bounds what is remembered. One host that announces hundreds of our
	// addresses must not make hundreds of findings: further ones are passed over.
	maxStrangers = 8
	// strangerLifetime is how long a stranger is one that is not heard any more: another
	// master would be heard once a refresh.
	strangerLifetime = 2 * DefaultRefresh
	// strangerRepeat is how soon one that goes on is reported again.
	strangerRepeat = time.Minute
)

func (s *stranger) finding() Finding {
	f := Finding{Reason: FindingForeignAnnouncement, Detail: s.address.String() + " is announced", Since: s.since}
	if s.by != "" {
		f.Detail += " by " + s.by
	}
	f.Detail += ", packets heard: " + strconv.Itoa(s.packets) + " in " + s.heard.Sub(s.since).Round(time.Millisecond).String()
	if s.kind != "" {
		f.Detail += ", the last: " + s.kind
	}
	return f
}

// suspect remembers who announces an address of ours. Who was master until now may have
// said so before it heard of us.
func (m *Machine) suspect(ev *AnnouncementHeard) {
	if m.now.Sub(m.since) < m.cfg.Interval && m.reason != ReasonResumed {
		return
	}
	list := &m.master.strangers
	for i := range *list {
		if s := &(*list)[i]; s.address == ev.Address && s.by == ev.By {
			before := s.heard.Sub(s.since) / strangerRepeat
			s.heard, s.kind = m.now, ev.Kind
			s.packets++
			if s.heard.Sub(s.since)/strangerRepeat > before {
				m.emit(s.finding())
			}
			return
		}
	}
	if len(*list) < maxStrangers {
		s := stranger{address: ev.Address, by: ev.By, kind: ev.Kind, since: m.now, heard: m.now, packets: 1}
		*list = append(*list, s)
		m.emit(s.finding())
	}
}

// expireStrangers forgets those that were not heard since, and clears what was found.
func (m *Machine) expireStrangers(since Instant) {
	kept := m.master.strangers[:0]
	for _, s := range m.master.strangers {
		if s.heard >= since {
			kept = append(kept, s)
			continue
		}
		f := s.finding()
		f.Cleared = true
		m.emit(f)
	}
	m.master.strangers = kept
}
