package vrrp

import "time"

// The largest intervals that the wire can carry.
const (
	maxInterval3 = 4095 * 10 * time.Millisecond // 12 bits of centiseconds
	maxInterval2 = 255 * time.Second            // 8 bits of seconds
)

// Skew returns the head start that a priority gives in the race for a silent
// master's place: the higher the priority, the shorter.
// Version 3: (256 − priority) × interval / 256 (RFC 9568 §6.1).
// Version 2: (256 − priority) / 256 s (RFC 3768 §6.1).
func Skew(v Version, p Priority, interval time.Duration) time.Duration {
	if v == Version2 {
		interval = time.Second
	}
	return time.Duration(256-int64(p)) * interval / 256
}

// MasterDown returns the master-down interval: how long after the last advert a
// backup of priority p takes over. The interval is the master's (version 3) or
// our own (version 2); down is the number of adverts that must be missing, 3 in
// the protocol.
func MasterDown(v Version, p Priority, interval time.Duration, down int) time.Duration {
	return time.Duration(down)*interval + Skew(v, p, interval)
}

// QuickestTakeover returns the least time after the last advert at which any
// router may take over: the master-down interval of the highest priority.
func QuickestTakeover(v Version, interval time.Duration, down int) time.Duration {
	return MasterDown(v, PriorityOwner, interval, down)
}

// leaseTail is how long after the end of its lifetime the kernel may still hold
// an address: it was measured to remove it 0 to 0.4 s late.
const leaseTail = 400 * time.Millisecond

// AutoLease returns the kernel lifetime for addresses whose adverts go out every
// interval: the longest that the kernel is sure to have ended before a backup
// takes over (so that a killed master and its successor never both answer), but
// at least two intervals, so that one lost renewal does not end it, and at least
// the kernel's unit of one second.
func AutoLease(interval time.Duration, down int) time.Duration {
	const margin = 50 * time.Millisecond // the renewal comes a little after the advert
	longest := (time.Duration(down)*interval - leaseTail - margin).Truncate(time.Second)
	least := (2*interval + time.Second - 1).Truncate(time.Second)
	return max(longest, least, time.Second)
}

// renewPeriod returns how often a lease is renewed: no more often than each
// advert, and no more often than four times a lease, because every renewal is an
// event to each listener of the kernel's address notifications.
func renewPeriod(interval, lease time.Duration) time.Duration {
	return max(interval, lease/4)
}

// next returns the first point of the schedule at, at+period, … that is after
// now. The schedule is absolute: lateness does not accumulate, and a router that
// was asleep does not catch up with a burst.
func next(at Instant, period time.Duration, now Instant) Instant {
	at = at.Add(period)
	if at <= now {
		at = at.Add((now.Sub(at)/period + 1) * period)
	}
	return at
}
