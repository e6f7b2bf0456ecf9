package elector

import (
	"slices"
	"time"

	"github.com/lbha/lbha/vrrp"
	"github.com/lbha/lbha/vrrp/address"
)

const (
	// renewWindow is how long a renewal may wait for others, where there are many: the kernel answers one write with
	// the leases of a hundred addresses as quickly as one with a single lease. It is well within what an automatic
	// lease allows for between an advert and its renewal.
	renewWindow = 20 * time.Millisecond
	// renewLimit is when a renewal is too late: this process has slept, and others may have the addresses by now. What
	// is left out is made up for after the next advert.
	renewLimit = 100 * time.Millisecond
)

// renewal is a lease that is to begin anew, since an advert was sent at at.
type renewal struct {
	in    *instance
	lease time.Duration
	at    vrrp.Instant
}

// renewLater queues a renewal. Its outcome comes when it was carried out.
func (e *elector) renewLater(in *instance, lease time.Duration) {
	if !slices.ContainsFunc(e.renewals, func(r renewal) bool { return r.in == in }) {
		e.renewals = append(e.renewals, renewal{in, lease, now()})
	}
}

// renew carries the queued renewals out, unless more are to come within the window: then it leaves them, to be called
// again after the next timer.
func (e *elector) renew(t vrrp.Instant) {
	if len(e.renewals) == 0 {
		return
	}
	if until := e.renewals[0].at.Add(renewWindow); t < until && e.schedule.first() < until {
		return
	}
	e.renewing = append(e.renewing[:0], e.renewals...)
	clear(e.renewals)
	e.renewals = e.renewals[:0]
	// What was demoted meanwhile holds nothing that it may keep.
	e.renewing = slices.DeleteFunc(e.renewing, func(r renewal) bool {
		return t.Sub(r.at) > renewLimit || r.in.machine.State() != vrrp.Master
	})
	for len(e.renewing) > 0 {
		lease := e.renewing[0].lease
		e.vipsOut = e.vipsOut[:0]
		for _, r := range e.renewing {
			if r.lease == lease {
				e.vipsOut = r.in.appendLeased(e.vipsOut)
			}
		}
		err := e.lengthen(e.vipsOut, lease)
		for _, r := range e.renewing {
			if r.lease != lease {
				continue
			}
			own := err
			if err != nil { // somebody's failed
				e.vipsOut = r.in.appendLeased(e.vipsOut[:0])
				own = e.lengthen(e.vipsOut, lease)
			}
			e.step(r.in, renewed(own))
		}
		e.renewing = slices.DeleteFunc(e.renewing, func(r renewal) bool { return r.lease == lease })
	}
}

func (e *elector) lengthen(vips []address.VIP, lease time.Duration) error {
	if len(vips) == 0 || lease == 0 {
		return nil
	}
	return e.rtnl.Renew(vips, lease)
}

// appendLeased appends those of the held addresses that have the lease.
func (in *instance) appendLeased(to []address.VIP) []address.VIP {
	for _, v := range in.held {
		if leased(&in.cfg, v.Prefix) {
			to = append(to, v)
		}
	}
	return to
}

// The outcomes of what goes well all the time, made once.
var (
	sentWell    vrrp.Event = vrrp.AdvertSent{}
	renewedWell vrrp.Event = vrrp.Renewed{}
)

func sent(err error) vrrp.Event {
	if err == nil {
		return sentWell
	}
	return vrrp.AdvertSent{Err: err}
}

func renewed(err error) vrrp.Event {
	if err == nil {
		return renewedWell
	}
	return vrrp.Renewed{Err: err}
}
