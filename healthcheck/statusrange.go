package healthcheck

import (
	"fmt"
	"strconv"
	"strings"
)

// A StatusRange is a set of HTTP status codes that follow one another, both
// ends included. Its text is "200-299", or "204" for a single code.
type StatusRange struct {
	First, Last uint16 // 100 to 599, First <= Last
}

// Contains reports whether the range includes the status code.
func (r StatusRange) Contains(status int) bool {
	return int(r.First) <= status && status <= int(r.Last)
}

// String returns the text form.
func (r StatusRange) String() string {
	if r.First == r.Last {
		return strconv.Itoa(int(r.First))
	}
	return fmt.Sprintf("%d-%d", r.First, r.Last)
}

// MarshalText returns the text form.
func (r StatusRange) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText parses the text form.
func (r *StatusRange) UnmarshalText(text []byte) error {
	first, last, isRange := strings.Cut(string(text), "-")
	if !isRange {
		last = first
	}
	lo, err1 := statusCode(first)
	hi, err2 := statusCode(last)
	if err1 != nil || err2 != nil {
		return fmt.Errorf("bad status range %.20q: want a code from 100 to 599, or two such as 200-299", text)
	}
	if lo > hi {
		return fmt.Errorf("bad status range %q: %d is above %d", text, lo, hi)
	}
	*r = StatusRange{First: lo, Last: hi}
	return nil
}

// statusCode parses three digits from 100 to 599.
func statusCode(s string) (uint16, error) {
	if len(s) != 3 || s[0] < '1' || s[0] > '5' {
		return 0, strconv.ErrSyntax
	}
	n, err := strconv.ParseUint(s, 10, 16)
	return uint16(n), err
}
