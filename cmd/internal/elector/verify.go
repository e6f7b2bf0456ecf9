package elector

import (
	"time"

	"github.com/lbha/lbha/vrrp"
	"github.com/lbha/lbha/vrrp/address"
)

// verifyRoom is how long the loop should have nothing to do when a look begins.
const verifyRoom = 50 * time.Millisecond

// verify compares what the kernel holds with what the instances believe to hold, once a second and after lost events:
// a notification is a hint, not a state. The mark of an address is not asked for: old kernels keep none. The look is
// taken beside the loop, and is none if a role has changed meanwhile.
func (e *elector) verify() {
	if !e.unseen {
		return
	}
	if !e.room(now()) {
		return
	}
	all := e.idle()
	for _, in := range e.instances {
		all = append(all, in.held...)
	}
	if len(all) == 0 {
		e.unseen = false
		return
	}
	asked := e.asked
	begun := e.aside.begin(func(conn *address.Conn) func() {
		gone, err := conn.Missing(all) // one look for all: it lists every address of this host
		return func() {
			switch {
			case err != nil: // the next second looks again
			case asked != e.asked:
				e.unseen = true
			default:
				e.compare(all, gone)
			}
		}
	})
	e.unseen = !begun
}

// room reports whether a look may begin: on a host with one processor even what is beside the loop is in its way. Where
// there is never enough it may once a second.
func (e *elector) room(t vrrp.Instant) bool {
	return e.schedule.first().Sub(t) >= verifyRoom || t >= e.nextTick.Add(-verifyRoom)
}

// compare takes in which of some addresses the kernel has not.
func (e *elector) compare(all, gone []address.VIP) {
	missing := make(map[place]bool, len(all)) // of those that were asked for
	for _, v := range all {
		missing[placeOf(v)] = false
	}
	for _, v := range gone {
		missing[placeOf(v)] = true
	}
	for _, in := range e.instances {
		for _, v := range in.held {
			if missing[placeOf(v)] || e.astray(in, v) {
				e.step(in, vrrp.AddressLost{Address: v.Prefix.Addr()})
				break
			}
		}
	}
	e.findStrays(missing)
}
