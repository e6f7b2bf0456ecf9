package healthcheck

import (
	"fmt"
	"strconv"
)

// A Weight is what a probe that passed says of the weight of its server: a script by
// its exit status, a file by its content, an agent by its word. The zero value says
// nothing: the configured weight stands.
type Weight struct {
	said    bool
	percent bool
	value   uint32
}

// MaxWeight bounds what a [Weight] can say: what the configuration can.
const MaxWeight = 65535

// Weigh is a weight that replaces the configured one. 0 means no new connections.
func Weigh(n int) Weight { return Weight{said: true, value: clampWeight(n)} }

// Percent is a share of the configured weight, which may be above 100.
func Percent(n int) Weight { return Weight{said: true, percent: true, value: clampWeight(n)} }

func clampWeight(n int) uint32 { return uint32(min(max(n, 0), MaxWeight)) }

// IsZero reports whether nothing is said.
func (w Weight) IsZero() bool { return !w.said }

// Of returns the weight of a server that is configured to have another. A share of it
// that is more than nothing is at least 1.
func (w Weight) Of(configured uint32) uint32 {
	switch {
	case !w.said:
		return configured
	case !w.percent:
		return w.value
	case w.value == 0 || configured == 0:
		return 0
	}
	return uint32(min(max(uint64(configured)*uint64(w.value)/100, 1), MaxWeight))
}

// String returns "12", "75%" or, if nothing is said, "".
func (w Weight) String() string {
	switch n := strconv.FormatUint(uint64(w.value), 10); {
	case !w.said:
		return ""
	case w.percent:
		return n + "%"
	default:
		return n
	}
}

// MarshalText returns what String does.
func (w Weight) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

// UnmarshalText is the reverse of MarshalText.
func (w *Weight) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*w = Weight{}
		return nil
	}
	digits, percent := text, false
	if last := len(text) - 1; text[last] == '%' {
		digits, percent = text[:last], true
	}
	n, err := strconv.ParseUint(string(digits), 10, 16)
	if err != nil {
		return fmt.Errorf("weight %.20q: want a whole number from 0 to %d, or one of percent", text, MaxWeight)
	}
	*w = Weight{said: true, percent: percent, value: uint32(n)}
	return nil
}
