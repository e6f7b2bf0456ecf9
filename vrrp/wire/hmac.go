package wire

import (
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Mode is what a virtual router with keys does about adverts without a trailer.
// An invalid trailer is refused in every mode. A group of routers moves through
// the modes in this order, and each may be a step ahead of the others.
type Mode string

// The modes.
const (
	// ModeReceiveOnly signs nothing and accepts unsigned adverts.
	ModeReceiveOnly Mode = "receive-only"
	// ModePermissive signs, and accepts unsigned adverts.
	ModePermissive Mode = "permissive"
	// ModeEnforce signs, and accepts only signed adverts.
	ModeEnforce Mode = "enforce"
)

// Replay is how a receiver tells an advert from its repetition.
type Replay string

// The ways against replay.
const (
	// ReplayTime accepts stamps near its own clock that grow. The clocks of all
	// routers must agree within the window.
	ReplayTime Replay = "time"
	// ReplayMonotonic accepts stamps that grow, wherever they are: for clocks
	// that nobody sets. A sender whose clock was set back must not be
	// restarted before it has passed its former time.
	ReplayMonotonic Replay = "monotonic"
)

// The window's bounds.
const (
	MinWindow = time.Second
	MaxWindow = 300 * time.Second
)

// multicastSenders is how many routers of one VRID are remembered where no list
// names them. More than two speak only while they contend.
const multicastSenders = 4

// HMACConfig says how one virtual router authenticates.
type HMACConfig struct {
	Keys   []Key // any of them verifies; their ids differ
	Active uint8 // the id of the one that signs
	Mode   Mode
	Replay Replay
	Window time.Duration // MinWindow to MaxWindow in whole seconds; of ReplayTime
	// Peers is how many unicast peers there are; 0 is multicast.
	Peers int
}

// ErrBadHMAC is returned for a configuration that no HMAC can have.
var ErrBadHMAC = errors.New("hmac")

func (c *HMACConfig) validate() error {
	for i, k := range c.Keys {
		if slices.ContainsFunc(c.Keys[:i], func(other Key) bool { return other.id == k.id }) {
			return fmt.Errorf("%w: two keys have the id %d", ErrBadHMAC, k.id)
		}
	}
	switch {
	case !slices.ContainsFunc(c.Keys, func(k Key) bool { return k.id == c.Active }):
		return fmt.Errorf("%w: no key has the id of the active one, %d", ErrBadHMAC, c.Active)
	case c.Mode != ModeReceiveOnly && c.Mode != ModePermissive && c.Mode != ModeEnforce:
		return fmt.Errorf("%w: mode %q", ErrBadHMAC, c.Mode)
	case c.Replay != ReplayTime && c.Replay != ReplayMonotonic:
		return fmt.Errorf("%w: replay %q", ErrBadHMAC, c.Replay)
	case c.Replay == ReplayTime && (c.Window < MinWindow || c.Window > MaxWindow || c.Window%time.Second != 0):
		return fmt.Errorf("%w: window %v", ErrBadHMAC, c.Window)
	}
	return nil
}

// HMAC signs and verifies the adverts of one virtual router. It is for one
// goroutine. Its state is the last stamp that it gave and the last that it
// accepted of each sender; none of it need survive the process.
type HMAC struct {
	cfg    HMACConfig
	window int32 // seconds; negative: stamps are not compared with the clock
	macs   []mac

	last  stamp // that was given
	given bool  // one was
	marks marks

	out Trailer // being made
}

// NewHMAC returns the HMAC for cfg, or ErrBadHMAC.
func NewHMAC(cfg HMACConfig) (*HMAC, error) {
	h := new(HMAC)
	if err := h.Configure(cfg); err != nil {
		return nil, err
	}
	return h, nil
}

// Configure makes cfg the configuration and keeps stamps and marks, so that a
// change of key or mode opens no door to a replay. On an error nothing changes.
func (h *HMAC) Configure(cfg HMACConfig) error {
	if err := cfg.validate(); err != nil {
		return err
	}
	h.cfg = cfg
	h.window = -1
	if cfg.Replay == ReplayTime {
		h.window = int32(cfg.Window / time.Second)
	}
	h.macs = h.macs[:0]
	for _, k := range cfg.Keys {
		h.macs = append(h.macs, newMAC(k))
	}
	h.marks.size = cfg.Peers
	if cfg.Peers == 0 {
		h.marks.size = multicastSenders
	}
	return nil
}

// mac finds the key with an id.
func (h *HMAC) mac(id uint8) *mac {
	for i := range h.macs {
		if h.macs[i].id == id {
			return &h.macs[i]
		}
	}
	return nil
}

// Signs reports whether adverts get a trailer.
func (h *HMAC) Signs() bool { return h.cfg.Mode != ModeReceiveOnly }

// Sign returns the trailer for msg, a message as Append made it, to be sent from
// src when the wall clock shows wall. It is good for every destination: sign an
// advert once, whatever the number of peers.
func (h *HMAC) Sign(msg []byte, src netip.Addr, wall time.Time) Trailer {
	h.advance(stampOf(wall))
	t := &h.out
	t[0], t[1] = schemeSHA256, h.cfg.Active
	binary.BigEndian.PutUint64(t[4:], uint64(h.last))
	copy(t[prefixLen:], h.mac(h.cfg.Active).sum(msg, t[:prefixLen], src))
	return *t
}

// advance makes the next stamp the greater of the clock and the last stamp plus
// one. A clock that was set back by more than the window leaves the last stamp
// where no receiver accepts it: it begins anew from the clock, and the marks of
// the receivers, as far off, have expired.
func (h *HMAC) advance(clock stamp) {
	stranded := h.window >= 0 && h.last.secondsAhead(clock) > h.window
	if !h.given || clock.after(h.last) || stranded {
		h.last = clock
	} else {
		h.last++
	}
	h.given = true
}

// Verify returns why the advert a is not to be believed, or Accepted. payload is
// what Decode read a from with the same m, and wall what the wall clock shows.
// skew is by how much our clock is ahead of the sender's stamp, in whole
// seconds; it is 0 unless stamps are compared with the clock.
//
// The tests are in the order of what they cost: a flood of stale captures costs
// no hash. Only a valid trailer moves the mark of its sender. m.Src must be one
// of a bounded number of senders on unicast: see Expect.
func (h *HMAC) Verify(a *Advert, payload []byte, m Meta, wall time.Time) (skew time.Duration, drop Drop) {
	if !a.Signed {
		if h.cfg.Mode == ModeEnforce {
			return 0, DropHMACMissing
		}
		return 0, Accepted
	}
	msg, trailer := payload[:len(payload)-TrailerLen], payload[len(payload)-TrailerLen:]
	if trailer[0] != schemeSHA256 || trailer[2] != 0 || trailer[3] != 0 {
		return 0, DropHMACMalformed
	}
	at, clock := stamp(binary.BigEndian.Uint64(trailer[4:])), stampOf(wall)
	if h.window >= 0 {
		seconds := clock.secondsAhead(at)
		skew = time.Duration(seconds) * time.Second
		if seconds > h.window || seconds < -h.window {
			return skew, DropHMACStale
		}
	}
	key := h.mac(trailer[1])
	if key == nil {
		return skew, DropHMACUnknownKey
	}
	if subtle.ConstantTimeCompare(trailer[prefixLen:], key.sum(msg, trailer[:prefixLen], m.Src)) != 1 {
		return skew, DropHMACBadMAC
	}
	if !h.marks.raise(m.Src, at, clock, h.window) {
		return skew, DropHMACReplay
	}
	return skew, Accepted
}

// Format prints the active key's id and the mode, with every verb: what an HMAC
// is made of is secret.
func (h *HMAC) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "hmac key %d %s", h.cfg.Active, h.cfg.Mode)
}
