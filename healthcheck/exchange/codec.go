package exchange

import (
	"encoding/binary"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/lbha/lbha/healthcheck"
)

const (
	magic      = "lbhv"
	version    = 1
	headerSize = 40
	macSize    = 32
)

// appendHeader appends the header of a datagram with n verdicts.
func appendHeader(b []byte, h Header, n int) []byte {
	b = append(b, magic...)
	b = append(b, version, byte(len(h.Name)))
	b = binary.BigEndian.AppendUint16(b, uint16(n))
	for _, v := range [...]uint64{h.Stamp.Run, h.Stamp.Seq, h.Echo.Run, h.Echo.Seq} {
		b = binary.BigEndian.AppendUint64(b, v)
	}
	return append(b, h.Name...)
}

// appendVerdict appends a verdict.
func appendVerdict(b []byte, v *Verdict) []byte {
	weight, _ := v.Weight.MarshalText() // never fails
	b = appendText(b, v.ID)
	b = append(b, v.Asks[:]...)
	b = append(b, byte(v.Verdict))
	b = binary.AppendUvarint(b, milliseconds(v.Age))
	b = binary.AppendUvarint(b, milliseconds(v.For))
	b = appendText(b, string(weight))
	b = appendText(b, string(v.Failure))
	return appendText(b, v.Detail)
}

func appendText(b []byte, s string) []byte { return append(append(b, byte(len(s))), s...) }

// milliseconds rounds up: nothing is made younger than it is.
func milliseconds(d time.Duration) uint64 {
	return uint64((min(max(d, 0), maxAge) + time.Millisecond - 1) / time.Millisecond)
}

// cleanName makes a name one that a datagram can carry.
func cleanName(s string) string {
	s = strings.Map(func(r rune) rune {
		if !printable(r) {
			return '?'
		}
		return r
	}, s)
	if s == "" {
		return "?"
	}
	return s[:min(len(s), maxName)]
}

func printable(r rune) bool { return '!' <= r && r <= '~' }

// fits reports whether a verdict can be told, and cuts what of it is too long.
func (v *Verdict) fits() bool {
	v.Detail = clip(v.Detail)
	return v.ID != "" && len(v.ID) <= maxID && (v.Verdict == healthcheck.Up && v.Failure == "" && v.Detail == "" || v.Verdict == healthcheck.Down && isWord(v.Failure))
}

// clip cuts a detail to what a datagram carries of it, between two characters.
func clip(s string) string {
	return strings.ToValidUTF8(s[:min(len(s), maxDetail)], "")
}

// isWord reports whether a failure is one word, such as we have now or may have later.
func isWord(f healthcheck.Failure) bool {
	return f != "" && len(f) <= maxFailure && strings.Trim(string(f), "abcdefghijklmnopqrstuvwxyz-") == ""
}

// parse reads a datagram without its MAC.
func parse(b []byte) (*Message, bool) {
	if len(b) < headerSize || string(b[:4]) != magic || b[4] != version {
		return nil, false
	}
	at := func(i int) uint64 { return binary.BigEndian.Uint64(b[i:]) }
	m := &Message{Header: Header{Stamp: Stamp{at(8), at(16)}, Echo: Stamp{at(24), at(32)}}}
	count := int(binary.BigEndian.Uint16(b[6:]))
	r := reader{rest: b[headerSize:], ok: true}
	m.Name = r.text(int(b[5]), maxName)
	r.ok = r.ok && m.Name == cleanName(m.Name)
	for range count {
		v := r.verdict()
		if !r.ok {
			return nil, false
		}
		m.Verdicts = append(m.Verdicts, v)
	}
	return m, r.ok && len(r.rest) == 0
}

// A reader takes fields from the front of rest until one is not there.
type reader struct {
	rest []byte
	ok   bool
}

func (r *reader) take(n int) []byte {
	if !r.ok || n > len(r.rest) {
		r.ok = false
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) byte() int {
	if b := r.take(1); b != nil {
		return int(b[0])
	}
	return 0
}

func (r *reader) text(n, most int) string {
	r.ok = r.ok && n <= most
	return string(r.take(n))
}

func (r *reader) duration() time.Duration {
	n, size := binary.Uvarint(r.rest)
	if !r.ok || size <= 0 || n > uint64(maxAge/time.Millisecond) {
		r.ok = false
		return 0
	}
	r.rest = r.rest[size:]
	return time.Duration(n) * time.Millisecond
}

func (r *reader) verdict() Verdict {
	var v Verdict
	v.ID = r.text(r.byte(), maxID)
	copy(v.Asks[:], r.take(len(v.Asks)))
	v.Verdict = healthcheck.Verdict(r.byte())
	v.Age, v.For = r.duration(), r.duration()
	weight := r.text(r.byte(), maxWeight)
	v.Failure = healthcheck.Failure(r.text(r.byte(), maxFailure))
	v.Detail = r.text(r.byte(), maxDetail)
	r.ok = r.ok && utf8.ValidString(v.Detail) && v.Weight.UnmarshalText([]byte(weight)) == nil && v.fits()
	return v
}
