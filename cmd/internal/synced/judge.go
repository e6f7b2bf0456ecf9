package synced

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Packet is a datagram of a synchronisation daemon of another host.
type Packet struct {
	Interface string // on which it arrived
	From      netip.Addr
	ID        uint8
}

// headerLen is the length of the header of a datagram: struct ip_vs_sync_mesg in net/netfilter/ipvs/ip_vs_sync.c. Of
// both of its versions the second byte is the ID.
const headerLen = 8

// parse reads the header of a datagram.
func parse(datagram []byte) (id uint8, ok bool) {
	if len(datagram) < headerLen {
		return 0, false
	}
	return datagram[1], true
}

// Self is what our configuration says, and what we know of the others.
type Self struct {
	Interface string // of the synchronisation daemons; empty: there are none
	ID        uint8
	Others    []netip.Addr // addresses of directors of ours
	Shared    bool         // the interface carries VRRP, and so the addresses by which we know the others
	Serves    bool         // every instance is master here: no other director of ours has connections to tell of
}

// The findings, by their words.
const (
	IDDiffers        = "sync-id-differs"        // another director of ours uses another ID
	InterfaceDiffers = "sync-interface-differs" // it sends where we do not listen
	IDShared         = "sync-id-shared"         // somebody else uses our ID
)

// Finding is something wrong.
type Finding struct {
	Object  string // the interface on which it is seen
	Reason  string
	Message string
}

const (
	// lately is how long a datagram counts: some come seldom.
	lately = time.Minute
	// mostHeard bounds what is remembered: on a segment with more senders the longest silent are forgotten.
	mostHeard = 256
)

// Judge remembers what was heard.
type Judge struct{ heard map[Packet]time.Time }

// NewJudge makes one that has heard nothing.
func NewJudge() *Judge { return &Judge{heard: map[Packet]time.Time{}} }

// Hear takes a datagram in.
func (j *Judge) Hear(p Packet, now time.Time) {
	if _, known := j.heard[p]; !known && len(j.heard) >= mostHeard {
		var oldest Packet
		for q, at := range j.heard {
			if !oldest.From.IsValid() || at.Before(j.heard[oldest]) {
				oldest = q
			}
		}
		delete(j.heard, oldest)
	}
	j.heard[p] = now
}

// Findings says what is wrong, in a stable order.
func (j *Judge) Findings(self Self, now time.Time) (found []Finding) {
	if self.Interface == "" {
		return nil
	}
	agreed := false // somebody who may be one of ours does as we do
	for p, at := range j.heard {
		if now.Sub(at) > lately {
			delete(j.heard, p)
			continue
		}
		agreed = agreed || p.Interface == self.Interface && p.ID == self.ID && (!self.Shared || slices.Contains(self.Others, p.From))
	}
	for p := range j.heard {
		ours := slices.Contains(self.Others, p.From)
		// On an interface of their own directors have addresses that we do not know. Whoever sends there is one of ours as long as nobody
		// does as we do.
		taken := ours || !self.Shared && !agreed && !self.Serves
		switch {
		case p.Interface == self.Interface && p.ID != self.ID && taken:
			found = append(found, Finding{p.Interface, IDDiffers, fmt.Sprintf(
				"%s synchronises connections under ID %d, and we under %d: a failover would lose them; global.ipvs.sync.id must be the same on every director of a pair", p.From, p.ID, self.ID)})
		case p.Interface == self.Interface && p.ID == self.ID && self.Shared && !ours && (agreed || self.Serves):
			found = append(found, Finding{p.Interface, IDShared, fmt.Sprintf(
				"%s is no director of ours, and synchronises connections under our ID %d: they get into our table; give each pair a global.ipvs.sync.id of its own", p.From, p.ID)})
		case p.Interface != self.Interface && p.ID == self.ID && !agreed && !self.Serves:
			found = append(found, Finding{p.Interface, InterfaceDiffers, fmt.Sprintf(
				"%s synchronises connections on %s under our ID %d, and we listen on %s, where nobody does: a failover would lose them; global.ipvs.sync.interface must be on the same network on every director of a pair",
				p.From, p.Interface, p.ID, self.Interface)})
		}
	}
	slices.SortFunc(found, func(a, b Finding) int {
		return strings.Compare(a.Object+" "+a.Reason+" "+a.Message, b.Object+" "+b.Reason+" "+b.Message)
	})
	return found
}
