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

// renew begins with the queued renewals, unless more are to come within the window, or the last ones are under way: then
// it leaves them, to be called again after the next timer, or when those are done.
func (e *elector) renew(t vrrp.Instant) {
	if len(e.renewals) == 0 {
		return
	}
	if until := e.renewals[0].at.Add(renewWindow); t < until && e.schedule.first() < until {
		return
	}
	// What was demoted meanwhile holds nothing that it may keep.
	e.renewals = slices.DeleteFunc(e.renewals, func(r renewal) bool {
		return t.Sub(r.at) > renewLimit || r.in.machine.State() != vrrp.Master
	})
	due := make([]lengthening, len(e.renewals))
	for k, r := range e.renewals {
		due[k] = lengthening{renewal: r, vips: r.in.appendLeased(nil)}
	}
	if len(due) == 0 || !e.aside.begin(func(conn *address.Conn) func() {
		lengthen(conn, due)
		return func() { e.renewed(due) }
	}) {
		return
	}
	clear(e.renewals)
	e.renewals = e.renewals[:0]
}

// renewed delivers the outcomes. Who is master no more has given the addresses up, after the renewal: see settle.
func (e *elector) renewed(done []lengthening) {
	for _, l := range done {
		if !l.in.finished && l.in.machine.State() == vrrp.Master {
			e.step(l.in, renewed(l.err))
		}
	}
}

// lengthening is a renewal being carried out.
type lengthening struct {
	renewal
	vips []address.VIP
	err  error
}

// lengthen carries renewals out, those of one lease together. If that fails each is tried by itself: it was somebody's.
func lengthen(conn *address.Conn, due []lengthening) {
	byLease := make(map[time.Duration][]address.VIP)
	for _, l := range due {
		byLease[l.lease] = append(byLease[l.lease], l.vips...)
	}
	for lease, vips := range byLease {
		if len(vips) == 0 || lease == 0 || conn.Renew(vips, lease) == nil {
			continue
		}
		for k := range due {
			if l := &due[k]; l.lease == lease && len(l.vips) > 0 {
				l.err = conn.Renew(l.vips, lease)
			}
		}
	}
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
