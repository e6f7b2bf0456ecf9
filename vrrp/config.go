package vrrp

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Defaults of [Config]. A zero field of a Config means its default.
const (
	DefaultPriority       Priority = 100
	DefaultInterval                = time.Second
	DefaultDownAdverts             = 3
	DefaultRefresh                 = time.Minute
	DefaultHandOverLinger          = 50 * time.Millisecond
)

// defaultOffsets: one announcement is enough for Linux; the repeats serve
// against loss, not against receivers.
var defaultOffsets = [...]time.Duration{0, 100 * time.Millisecond, 300 * time.Millisecond, time.Second, 3 * time.Second}

// DefaultAnnounceOffsets returns the times, after an address was claimed, at
// which it is announced.
func DefaultAnnounceOffsets() []time.Duration { return slices.Clone(defaultOffsets[:]) }

// Config is what one [Machine] needs to know. The identity of the virtual router
// (VRID, Version, the address family, and the interface, which the machine does
// not know) is fixed for the life of a machine; all else may change by
// [Reconfigured]. Durations are nanoseconds in JSON.
type Config struct {
	Name    string  `json:"name"`             // for people; not on the wire
	VRID    VRID    `json:"vrid"`             // 1–255
	Version Version `json:"version,omitzero"` // 0: version 3

	Priority Priority      `json:"priority,omitzero"` // 0: DefaultPriority; 255: address owner
	Interval time.Duration `json:"interval"`          // between adverts; 0: DefaultInterval. Version 2: whole seconds to 255 s, version 3: centiseconds to 40.95 s

	Preempt      bool          `json:"preempt"`       // take over from a master of lower priority
	PreemptDelay time.Duration `json:"preempt_delay"` // only after it was heard for so long
	StartupDelay time.Duration `json:"startup_delay"` // claim nothing for so long after the start (and the first link)
	DownAdverts  int           `json:"down_adverts"`  // adverts that must be missing before a takeover, 1–100; 0: DefaultDownAdverts

	Addresses []netip.Addr `json:"addresses"` // advertised, in the order of the configuration
	// Source is the primary address of the interface, which breaks ties. The
	// zero Addr: not known yet. LinkChanged updates it.
	Source netip.Addr `json:"source"`

	Lease    time.Duration `json:"lease"` // kernel lifetime of an address, whole seconds; 0: off. See AutoLease
	Announce Announcements `json:"announce"`

	// HandOverLinger bounds how long a master that was relieved during a
	// hand-over keeps the addresses, waiting for the winner's announcement.
	// 0: DefaultHandOverLinger; negative: not at all.
	HandOverLinger time.Duration `json:"hand_over_linger"`
}

// Announcements is the schedule of gratuitous ARP and unsolicited neighbour
// advertisements.
type Announcements struct {
	// Offsets are the times after the claim, ascending. Nil: DefaultAnnounceOffsets.
	Offsets []time.Duration `json:"offsets"`
	// Refresh is the period after the last offset. 0: DefaultRefresh; negative: none.
	Refresh time.Duration `json:"refresh"`
}

// Validate reports the first fault that would make a machine misbehave. It does
// not replace the diagnostics of the configuration file.
func (c *Config) Validate() error {
	d := c.withDefaults()
	switch {
	case d.VRID == 0:
		return errors.New("virtual router id 0")
	case d.Version != Version2 && d.Version != Version3:
		return fmt.Errorf("version %d", d.Version)
	case d.Interval < 0 || d.Version == Version3 && d.Interval > maxInterval3 || d.Version == Version2 && d.Interval > maxInterval2:
		return fmt.Errorf("interval %v out of range", d.Interval)
	case d.Version == Version2 && d.Interval%time.Second != 0:
		return fmt.Errorf("interval %v is not a number of whole seconds, as version 2 needs", d.Interval)
	case d.Interval%(10*time.Millisecond) != 0:
		return fmt.Errorf("interval %v is not a number of centiseconds", d.Interval)
	case d.DownAdverts < 1 || d.DownAdverts > 100:
		return fmt.Errorf("down adverts %d out of range 1 to 100", d.DownAdverts)
	case len(d.Addresses) == 0 || len(d.Addresses) > 255:
		return fmt.Errorf("%d addresses, want 1 to 255", len(d.Addresses))
	case d.Lease < 0 || d.Lease%time.Second != 0:
		return fmt.Errorf("lease %v is not a number of whole seconds", d.Lease)
	case d.Lease != 0 && d.Lease <= d.Interval:
		return fmt.Errorf("lease %v ends before the advert that renews it, after %v", d.Lease, d.Interval)
	case !slices.IsSorted(d.Announce.Offsets) || len(d.Announce.Offsets) > 0 && d.Announce.Offsets[0] < 0:
		return fmt.Errorf("announcement offsets %v are not ascending", d.Announce.Offsets)
	case d.PreemptDelay < 0 || d.StartupDelay < 0:
		return errors.New("negative delay")
	}
	family := d.Addresses[0].Is4()
	if d.Version == Version2 && !family {
		return errors.New("version 2 is IPv4 only")
	}
	for _, a := range d.Addresses {
		if !a.IsValid() || a.Is4In6() || a.Is4() != family {
			return fmt.Errorf("address %v: not of one family", a)
		}
	}
	if d.Source.IsValid() && d.Source.Is4() != family {
		return fmt.Errorf("source %v is not of the family of the addresses", d.Source)
	}
	return nil
}

// withDefaults returns a copy that shares nothing with c.
func (c *Config) withDefaults() Config {
	d := *c
	if d.Version == 0 {
		d.Version = Version3
	}
	if d.Priority == 0 {
		d.Priority = DefaultPriority
	}
	if d.Interval == 0 {
		d.Interval = DefaultInterval
	}
	if d.DownAdverts == 0 {
		d.DownAdverts = DefaultDownAdverts
	}
	if d.HandOverLinger == 0 {
		d.HandOverLinger = DefaultHandOverLinger
	}
	if d.Announce.Refresh == 0 {
		d.Announce.Refresh = DefaultRefresh
	}
	if d.Announce.Offsets == nil {
		d.Announce.Offsets = DefaultAnnounceOffsets()
	} else {
		d.Announce.Offsets = slices.Clone(d.Announce.Offsets)
	}
	d.Addresses = slices.Clone(d.Addresses)
	return d
}
