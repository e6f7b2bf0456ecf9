package wire

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"net/netip"
	"time"
)

const (
	// TrailerLen is the length in bytes of the trailer that authenticates a
	// message.
	TrailerLen = 28

	prefixLen    = 12 // of the trailer: all but the MAC
	schemeSHA256 = 1  // HMAC-SHA256, its first 16 bytes
)

// Trailer is what follows a signed message. See the package comment for its
// fields.
type Trailer [TrailerLen]byte

// Append appends t to a message that Append made for the same addresses. On IPv6
// the checksum covers the trailer and is made anew.
func (t *Trailer) Append(msg []byte, src, dst netip.Addr) []byte {
	msg = append(msg, t[:]...)
	if src.Is6() {
		msg[6], msg[7] = 0, 0
		binary.BigEndian.PutUint16(msg[6:], ^fold(sum(0, msg)+pseudo(src, dst, len(msg))))
	}
	return msg
}

// The length of a key in bytes.
const (
	MinKeyLen = 32
	MaxKeyLen = 64
)

// ErrBadKey is returned for a key with the id 0, or of a wrong length.
var ErrBadKey = errors.New("bad hmac key")

// Key is a secret that routers share, with the id by which a trailer names it.
type Key struct {
	id     uint8
	secret func() []byte // fmt cannot look into a function where it cannot call Format
}

// NewKey makes a key of 32 to 64 bytes, or returns ErrBadKey, which holds none of
// them.
func NewKey(id uint8, secret []byte) (Key, error) {
	switch {
	case id == 0:
		return Key{}, fmt.Errorf("%w: its id must be 1 to 255", ErrBadKey)
	case len(secret) < MinKeyLen || len(secret) > MaxKeyLen:
		return Key{}, fmt.Errorf("%w: it must have %d to %d bytes, not %d", ErrBadKey, MinKeyLen, MaxKeyLen, len(secret))
	}
	secret = bytes.Clone(secret)
	return Key{id, func() []byte { return secret }}, nil
}

// ID is 1 to 255.
func (k Key) ID() uint8 { return k.id }

// Format prints the id and never the secret, with every verb.
func (k Key) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "key %d", k.id) }

// mac computes the MACs of one key. It allocates nothing once it is made.
type mac struct {
	id     uint8
	hash   hash.Hash
	head   [pseudoLen + headerLen]byte
	zeros  [TrailerLen - prefixLen]byte
	digest [sha256.Size]byte
}

// pseudoLen is the length of what stands for the IP header under the MAC: the
// family, version and VRID, 0, and the source address in 16 bytes.
const pseudoLen = 4 + 16

func newMAC(k Key) mac { return mac{id: k.id, hash: hmac.New(sha256.New, k.secret())} }

// sum returns the MAC of msg with the first bytes of its trailer, good until the
// next call. The checksum counts as 0: it differs from peer to peer. So does the
// destination, and the IP header is left out altogether.
func (m *mac) sum(msg, prefix []byte, src netip.Addr) []byte {
	clear(m.head[:])
	if src.Is4() {
		a := src.As4()
		m.head[0] = 4
		copy(m.head[4:], a[:])
	} else {
		a := src.As16()
		m.head[0] = 6
		copy(m.head[4:], a[:])
	}
	m.head[1], m.head[2] = msg[0]>>4, msg[1]
	copy(m.head[pseudoLen:], msg[:6])
	m.hash.Reset()
	m.hash.Write(m.head[:])
	m.hash.Write(msg[headerLen:])
	m.hash.Write(prefix)
	m.hash.Write(m.zeros[:])
	return m.hash.Sum(m.digest[:0])[:len(m.zeros)]
}

// stamp is bytes 4 to 11 of a trailer as one number: seconds of Unix time modulo
// 2^32, their fraction in 1/65536, and a counter. It is compared as a serial
// number (RFC 1982), so it survives the year 2106.
type stamp uint64

func stampOf(t time.Time) stamp {
	fraction := uint64(t.Nanosecond()) << 16 / uint64(time.Second)
	return stamp(uint64(uint32(t.Unix()))<<32 | fraction<<16)
}

func (s stamp) after(other stamp) bool { return int64(s-other) > 0 }

// secondsAhead is by how many seconds s is ahead of other, fractions left out.
func (s stamp) secondsAhead(other stamp) int32 { return int32(uint32(s>>32) - uint32(other>>32)) }

// marks are the last stamps accepted, by sender; the least recently heard is
// forgotten when there are too many.
type marks struct {
	size  int
	known []mark // the most recently heard first
}

type mark struct {
	sender netip.Addr
	at     stamp
}

// raise moves the mark of a sender to at, or reports that it is there already.
// With a window, a mark outside it has expired: what it could order is refused as
// stale, and a sender whose clock was set back must be heard again.
func (m *marks) raise(sender netip.Addr, at, clock stamp, window int32) bool {
	place := len(m.known)
	for i, k := range m.known {
		if k.sender != sender {
			continue
		}
		age := clock.secondsAhead(k.at)
		expired := window >= 0 && (age > window || age < -window)
		if !expired && !at.after(k.at) {
			return false
		}
		place = i
		break
	}
	if place == len(m.known) && place < m.size {
		m.known = append(m.known, mark{})
	}
	place = min(place, len(m.known)-1)
	copy(m.known[1:place+1], m.known[:place])
	m.known[0] = mark{sender, at}
	return true
}
