package wire_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/lbha/lbha/vrrp"
	"github.com/lbha/lbha/vrrp/wire"
)

// director is a virtual router with its own idea of the time of day.
type director struct {
	t       *testing.T
	machine *vrrp.Machine
	hmac    *wire.HMAC
	src     netip.Addr
	wall    time.Duration // what its wall clock is ahead
	sent    [][]byte      // not yet delivered
	refused map[wire.Drop]int
}

func newDirector(t *testing.T, src string, priority vrrp.Priority) *director {
	d := &director{t: t, src: netip.MustParseAddr(src), refused: make(map[wire.Drop]int)}
	d.hmac = secured(t, nil)
	d.machine = vrrp.New(vrrp.Config{
		VRID: 51, Priority: priority, Interval: time.Second, Preempt: true,
		Addresses: addrs("10.77.0.100"), Source: d.src,
	})
	d.step(0, vrrp.LinkChanged{Up: true, Source: d.src})
	d.step(0, vrrp.Started{})
	return d
}

func (d *director) clock(now vrrp.Instant) time.Time {
	return publishedAt.Add(time.Duration(now) + d.wall)
}

func (d *director) step(now vrrp.Instant, ev vrrp.Event) {
	for _, effect := range d.machine.Step(now, ev) {
		switch effect := effect.(type) {
		case vrrp.Send:
			a := wire.Advert{Version: 3, VRID: 51, Priority: uint8(effect.Priority), Interval: effect.Interval, Addresses: effect.Addresses}
			msg, err := wire.Append(nil, &a, d.src, wire.Group4(), wire.FormPseudo)
			if err != nil {
				d.t.Fatal(err)
			}
			trailer := d.hmac.Sign(msg, d.src, d.clock(now))
			d.sent = append(d.sent, trailer.Append(msg, d.src, wire.Group4()))
			d.step(now, vrrp.AdvertSent{})
		case vrrp.Claim:
			d.step(now, vrrp.Claimed{})
		case vrrp.Renew:
			d.step(now, vrrp.Renewed{})
		case vrrp.Release:
			d.step(now, vrrp.Released{})
		case vrrp.Announce:
			d.step(now, vrrp.Announced{})
		}
	}
}

func (d *director) hear(now vrrp.Instant, from *director) {
	for _, payload := range from.sent {
		m := wire.Meta{Src: from.src, Dst: wire.Group4(), TTL: 255}
		var a wire.Advert
		if _, drop := wire.Decode(&a, payload, m); drop != wire.Accepted {
			d.t.Fatal(drop)
		}
		if _, drop := d.hmac.Verify(&a, payload, m, d.clock(now)); drop != wire.Accepted {
			d.refused[drop]++
			continue
		}
		d.step(now, vrrp.AdvertReceived{Source: m.Src, Version: 3, Priority: vrrp.Priority(a.Priority), Interval: a.Interval, Addresses: a.Addresses, ReceivedAt: now})
	}
	from.sent = nil
}

// A wall clock that is set, by any amount and on any side, makes two masters at
// most until the clocks agree again and what is in the window has passed; and a
// step within the window makes none at all.
func TestClockSteps(t *testing.T) {
	const (
		tick    = 10 * time.Millisecond
		begin   = 10 * time.Second // of the step
		end     = 30 * time.Second // of the disagreement
		quiet   = end + 9*time.Second
		finish  = 60 * time.Second
		window  = 5 * time.Second // secured's
		century = 100 * 365 * 24 * time.Hour
	)
	type change struct {
		at   time.Duration
		side int
		by   time.Duration
	}
	var cases [][]change
	for _, by := range []time.Duration{time.Millisecond, time.Second, 4 * time.Second, window, window + time.Second, 2*window + time.Second, 25 * time.Second, time.Hour, 1 << 31 * time.Second, century} {
		for _, by := range []time.Duration{by, -by} {
			// Both wrong together, and right again together.
			cases = append(cases, []change{{begin, 0, by}, {begin, 1, by}, {end, 0, -by}, {end, 1, -by}})
			for side := range 2 {
				cases = append(cases,
					[]change{{begin, side, by}, {end, side, -by}},    // set wrong, and right again
					[]change{{begin, side, by}, {end, 1 - side, by}}, // set right, and the other follows
				)
				if by.Abs() <= 4*time.Second {
					cases = append(cases, []change{{begin, side, by}})
				}
			}
		}
	}
	for _, steps := range cases {
		name := ""
		harmless := true
		for _, s := range steps {
			name += fmt.Sprintf("%c %+v at %v ", 'a'+s.side, s.by, s.at)
			harmless = harmless && s.by.Abs() <= 4*time.Second
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := newDirector(t, "10.77.0.1", 200), newDirector(t, "10.77.0.2", 100)
			both := [2]*director{a, b}
			masters := func() (n int) {
				for _, d := range both {
					if d.machine.State() == vrrp.Master {
						n++
					}
				}
				return n
			}
			for at := time.Duration(0); at < finish; at += tick {
				now := vrrp.Instant(at)
				for _, s := range steps {
					if s.at == at {
						both[s.side].wall += s.by
					}
				}
				a.hear(now, b)
				b.hear(now, a)
				for _, d := range both {
					if due, ok := d.machine.Deadline(); ok && due <= now {
						d.step(now, vrrp.TimerFired{})
					}
				}
				settled := harmless && at > 5*time.Second || at > 5*time.Second && at < begin || at > quiet
				if n := masters(); settled && n != 1 {
					t.Fatalf("%d masters at %v; a refused %v, b refused %v", n, at, a.refused, b.refused)
				}
			}
			if a.machine.State() != vrrp.Master {
				t.Errorf("in the end the master is not the one of higher priority")
			}
		})
	}
}
