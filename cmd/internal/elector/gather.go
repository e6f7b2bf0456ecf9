package elector

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/vrrp"
)

// A backup of hundreds of virtual routers hears thousands of adverts a second, and what each costs is the waking up for
// it. Where they come so fast the loop lets them wait for one another. Nothing is counted from when they are read: the
// kernel has stamped them; and no deadline waits.
const (
	gatherFrom   = 1000                  // adverts a second
	gatherFor    = time.Millisecond      // at most, and
	gatherLeast  = gatherFor / 4         // not for less
	gatherWindow = 10 * time.Millisecond // in which they are counted
)

// traffic is how fast adverts come.
type traffic struct {
	adverts int          // heard in this window
	since   vrrp.Instant // its begin
	fast    bool         // they came fast in the last one
}

// count closes a window that is over at t.
func (c *traffic) count(t vrrp.Instant) {
	if took := t.Sub(c.since); took >= gatherWindow {
		*c = traffic{since: t, fast: time.Duration(c.adverts)*time.Second >= gatherFrom*took}
	}
}

// gather lets adverts gather, unless there is something to do before.
func (e *elector) gather(next vrrp.Instant) {
	t := now()
	e.traffic.count(t)
	if !e.traffic.fast {
		return
	}
	if wait := min(gatherFor, next.Sub(t)); wait >= gatherLeast {
		ts := unix.NsecToTimespec(int64(wait))
		_ = unix.Nanosleep(&ts, nil) // a signal ends it early, which does no harm
	}
}
