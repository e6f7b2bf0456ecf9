package healthcheck

import (
	"fmt"
	"strconv"
)

// Need is how many of a server's checks must pass: a number, or [All].
type Need int

// The needs with a name.
const (
	All Need = 0
	Any Need = 1
)

// Verdict is the verdict on a server whose checks have these: up if enough are up,
// down if too many are down for that, else unknown. A server without checks is up.
func (n Need) Verdict(checks ...Verdict) Verdict {
	want := n.Of(len(checks))
	up, down := 0, 0
	for _, v := range checks {
		switch v {
		case Up:
			up++
		case Down:
			down++
		}
	}
	switch {
	case up >= want:
		return Up
	case len(checks)-down < want:
		return Down
	}
	return Unknown
}

// Of returns how many of so many checks must pass.
func (n Need) Of(checks int) int {
	if n == All {
		return checks
	}
	return min(int(n), checks)
}

// UnmarshalText accepts "all", "any" and a number from 1.
func (n *Need) UnmarshalText(text []byte) error {
	switch word := string(text); word {
	case "all":
		*n = All
	case "any":
		*n = Any
	default:
		i, err := strconv.Atoi(word)
		if err != nil || i < 1 {
			return fmt.Errorf("%.40q: want \"all\", \"any\" or how many checks must pass", word)
		}
		*n = Need(i)
	}
	return nil
}

// MarshalText returns the text form.
func (n Need) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// String returns "all", "any" or the number.
func (n Need) String() string {
	switch n {
	case All:
		return "all"
	case Any:
		return "any"
	}
	return strconv.Itoa(int(n))
}
