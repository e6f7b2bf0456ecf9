package ipvs

import (
	"fmt"
	"slices"
	"strings"
)

// Scheduler is the name of the kernel module part that picks a real server for
// a new connection. It is a string because the kernel's set is open: a table
// may hold one that this package does not know.
type Scheduler string

// The schedulers of the Linux kernel.
const (
	RoundRobin              Scheduler = "rr"
	WeightedRoundRobin      Scheduler = "wrr"
	LeastConnection         Scheduler = "lc"
	WeightedLeastConnection Scheduler = "wlc" // ipvsadm's default
	LocalityLeastConnection Scheduler = "lblc"
	LocalityWithReplication Scheduler = "lblcr"
	DestinationHash         Scheduler = "dh"
	SourceHash              Scheduler = "sh" // flags sh-port, sh-fallback
	Maglev                  Scheduler = "mh" // flags mh-port, mh-fallback
	ShortestExpectedDelay   Scheduler = "sed"
	NeverQueue              Scheduler = "nq"
	WeightedFailover        Scheduler = "fo"
	WeightedOverflow        Scheduler = "ovf" // not for UDP
	PowerOfTwo              Scheduler = "twos"
	NoScheduler             Scheduler = "none" // accepted by the kernel: a service that schedules nothing
)

// Schedulers returns the names a configuration may use, in the order of the
// manual.
func Schedulers() []Scheduler {
	return []Scheduler{
		RoundRobin, WeightedRoundRobin, LeastConnection, WeightedLeastConnection,
		LocalityLeastConnection, LocalityWithReplication, DestinationHash, SourceHash, Maglev,
		ShortestExpectedDelay, NeverQueue, WeightedFailover, WeightedOverflow, PowerOfTwo,
	}
}

// String returns the name.
func (s Scheduler) String() string { return string(s) }

// MarshalText returns the name.
func (s Scheduler) MarshalText() ([]byte, error) { return []byte(s), nil }

// UnmarshalText accepts the names of [Schedulers] only.
func (s *Scheduler) UnmarshalText(b []byte) error {
	if !slices.Contains(Schedulers(), Scheduler(b)) {
		var all []string
		for _, x := range Schedulers() {
			all = append(all, string(x))
		}
		return fmt.Errorf("scheduler %q: want %s", b, oneOf(all))
	}
	*s = Scheduler(b)
	return nil
}

// Flag is one scheduler flag by its name in ipvsadm's -b. What a flag means,
// and its name, depend on the scheduler; the kernel knows three bits.
type Flag string

// The flags that have names, and the three names for schedulers that have none.
const (
	SourceHashPort     Flag = "sh-port"     // hash the source port too
	SourceHashFallback Flag = "sh-fallback" // another server when the hashed one is not available
	MaglevPort         Flag = "mh-port"
	MaglevFallback     Flag = "mh-fallback"
	Flag1              Flag = "flag-1"
	Flag2              Flag = "flag-2"
	Flag3              Flag = "flag-3"
)

var flagNames = []string{
	string(SourceHashPort), string(SourceHashFallback), string(MaglevPort), string(MaglevFallback),
	string(Flag1), string(Flag2), string(Flag3),
}

// String returns the name.
func (f Flag) String() string { return string(f) }

// MarshalText returns the name.
func (f Flag) MarshalText() ([]byte, error) { return []byte(f), nil }

// UnmarshalText accepts the seven names. Whether a flag suits its scheduler is
// for [NewFlags] to say.
func (f *Flag) UnmarshalText(b []byte) error {
	if !slices.Contains(flagNames, string(b)) {
		return fmt.Errorf("scheduler flag %q: want %s", b, oneOf(flagNames))
	}
	*f = Flag(b)
	return nil
}

// Flags is the set of scheduler flags of a service: bit i is the kernel's
// IP_VS_SVC_F_SCHED(i+1).
type Flags uint8

// NewFlags turns names into the bits that they are for the scheduler.
func NewFlags(s Scheduler, flags ...Flag) (Flags, error) {
	known := flagsOf(s)
	var set Flags
	for _, f := range flags {
		i := slices.Index(known, f)
		if i < 0 {
			i = slices.Index([]Flag{Flag1, Flag2, Flag3}, f)
		}
		if i < 0 {
			return 0, fmt.Errorf("scheduler flag %q does not belong to scheduler %q", f, s)
		}
		set |= 1 << i
	}
	return set, nil
}

// Names returns the flags of the set by the names they have for the scheduler.
func (fs Flags) Names(s Scheduler) []Flag {
	var list []Flag
	for i, f := range flagsOf(s) {
		if fs&(1<<i) != 0 {
			list = append(list, f)
		}
	}
	return list
}

// text is the argument of ipvsadm's -b.
func (fs Flags) text(s Scheduler) string {
	var list []string
	for _, f := range fs.Names(s) {
		list = append(list, string(f))
	}
	return strings.Join(list, ",")
}

// flagsOf names the three bits of a scheduler, lowest first.
func flagsOf(s Scheduler) []Flag {
	switch s {
	case SourceHash:
		return []Flag{SourceHashFallback, SourceHashPort, Flag3}
	case Maglev:
		return []Flag{MaglevFallback, MaglevPort, Flag3}
	}
	return []Flag{Flag1, Flag2, Flag3}
}
