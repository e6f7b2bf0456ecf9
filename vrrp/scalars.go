package vrrp

import (
	"fmt"
	"strconv"
)

// VRID is the identifier of a virtual router, 1–255. IPv4 and IPv6 routers with
// the same VRID are independent.
type VRID uint8

// MarshalText returns the decimal text of the VRID.
func (v VRID) MarshalText() ([]byte, error) { return strconv.AppendUint(nil, uint64(v), 10), nil }

// UnmarshalText reads a decimal number from 1 to 255.
func (v *VRID) UnmarshalText(text []byte) error {
	n, err := parseRange("virtual router id", text, 1, 255)
	if err == nil {
		*v = VRID(n)
	}
	return err
}

// Priority is the rank of a router in the election. 1–254 are configured, 255 is
// the address owner, and 0 appears only in an advert: "I resign".
type Priority uint8

// Priorities with a meaning of their own.
const (
	PriorityResign  Priority = 0   // the master leaves: take over at once
	PriorityLowest  Priority = 1   // what a master advertises while it hands over
	PriorityHighest Priority = 254 // the highest that is not the owner's
	PriorityOwner   Priority = 255 // the router owns the addresses
)

// MarshalText returns the decimal text of the priority.
func (p Priority) MarshalText() ([]byte, error) { return strconv.AppendUint(nil, uint64(p), 10), nil }

// UnmarshalText reads a decimal number from 1 to 255: 0 is never configured.
func (p *Priority) UnmarshalText(text []byte) error {
	n, err := parseRange("priority", text, 1, 255)
	if err == nil {
		*p = Priority(n)
	}
	return err
}

// Version is the protocol version, 2 or 3.
type Version uint8

// The protocol versions.
const (
	Version2 Version = 2 // RFC 3768: IPv4, whole seconds
	Version3 Version = 3 // RFC 9568: both families, centiseconds
)

// MarshalText returns the decimal text of the version.
func (v Version) MarshalText() ([]byte, error) { return strconv.AppendUint(nil, uint64(v), 10), nil }

// UnmarshalText reads "2" or "3".
func (v *Version) UnmarshalText(text []byte) error {
	n, err := parseRange("version", text, 2, 3)
	if err == nil {
		*v = Version(n)
	}
	return err
}

func parseRange(what string, text []byte, low, high uint64) (uint64, error) {
	n, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil || n < low || n > high {
		return 0, fmt.Errorf("%s %q is not a number from %d to %d", what, text, low, high)
	}
	return n, nil
}

// State is the state of a [Machine].
type State uint8

// The states of RFC 9568 §6.4, and keepalived's Fault.
const (
	Initialize State = iota // not started, or finished
	Backup                  // listens to a master, or waits for its silence
	Master                  // holds the addresses and sends adverts
	Fault                   // cannot or must not serve; the reason says why
)

var stateNames = [...]string{Initialize: "initialize", Backup: "backup", Master: "master", Fault: "fault"}

// String returns the lower-case name of the state.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "state(" + strconv.Itoa(int(s)) + ")"
}

// MarshalText returns the name of the state.
func (s State) MarshalText() ([]byte, error) {
	if int(s) >= len(stateNames) {
		return nil, fmt.Errorf("%s has no name", s)
	}
	return []byte(stateNames[s]), nil
}

// UnmarshalText reads the name of a state.
func (s *State) UnmarshalText(text []byte) error {
	for i, name := range stateNames {
		if name == string(text) {
			*s = State(i)
			return nil
		}
	}
	return fmt.Errorf("unknown state %q", text)
}
