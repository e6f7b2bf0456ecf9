package config

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"time"
)

// Secret is a password or key. Every way to print one shows a fixed word in its place:
// fmt with any verb, log/slog, and text encodings. Only Reveal and JSON carry the value:
// JSON is how a Config travels between lbha's own processes, so JSON that holds a Config
// is itself a secret.
type Secret struct{ value string }

const hidden = "(secret)"

// NewSecret makes a Secret of value.
func NewSecret(value string) Secret { return Secret{value} }

// Reveal returns the value itself.
func (s Secret) Reveal() string { return s.value }

// IsZero reports whether there is no secret at all.
func (s Secret) IsZero() bool { return s.value == "" }

// String hides the value.
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return hidden
}

// Format hides the value from every verb of fmt, %#v and %x among them.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.String()) }

// LogValue hides the value from log/slog, its JSON handler included.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalJSON reveals the value: see Secret.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(s.value) }

// UnmarshalJSON is the reverse of MarshalJSON.
func (s *Secret) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, &s.value) }

// mark is a firewall mark; 0 is the mark of packets without one.
type mark uint32

func (m *mark) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 10, 32)
	if err != nil || n == 0 {
		return fmt.Errorf("firewall mark %.40q: want a whole number from 1 to 4294967295", text)
	}
	*m = mark(n)
	return nil
}

// AddressLease is the lifetime that the kernel gives a virtual address, renewed with each
// advert sent, so that a director that is killed or hangs loses its addresses by itself.
// The zero value is "off".
type AddressLease struct {
	// Auto leases host addresses (/32 and /128) for a time that follows from the
	// instance's intervals, and no others: with a prefix the connected route would expire
	// as well.
	Auto bool
	// Duration, in whole seconds (the kernel's unit), leases every address; 0 with Auto
	// false is off.
	Duration time.Duration
}

const (
	leaseAuto = "auto"
	leaseOff  = "off"
)

// String returns "auto", "off" or the duration.
func (l AddressLease) String() string {
	switch {
	case l.Auto:
		return leaseAuto
	case l.Duration == 0:
		return leaseOff
	default:
		return l.Duration.String()
	}
}

// MarshalText returns String.
func (l AddressLease) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText is the reverse of MarshalText. A duration is 1s to 1h in whole seconds.
func (l *AddressLease) UnmarshalText(text []byte) error {
	switch s := string(text); s {
	case leaseAuto:
		*l = AddressLease{Auto: true}
	case leaseOff:
		*l = AddressLease{}
	default:
		d, err := time.ParseDuration(s)
		if err != nil {
			return fmt.Errorf(`address lease %.40q: want "auto", "off" or a duration such as "3s"`, s)
		}
		if d < time.Second || d > time.Hour || d%time.Second != 0 {
			return fmt.Errorf("address lease %q: want whole seconds from 1s to 1h: the kernel counts no finer", s)
		}
		*l = AddressLease{Duration: d}
	}
	return nil
}
