package elector

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/vrrp"
	"github.com/lbha/lbha/vrrp/segment"
	"github.com/lbha/lbha/vrrp/wire"
)

// authenticator signs and verifies the adverts of an instance.
type authenticator struct {
	*wire.HMAC // nil: without hmac

	trailer wire.Trailer // of the advert that is being sent
	signed  bool         // it is made

	skew     vrrp.Finding // the last clock that was too far off
	skewedAt vrrp.Instant // when; 0: never
	toldAt   vrrp.Instant // when it was last told of
	worse    bool         // that adverts are refused was told
}

// findingClockSkew is of a peer whose clock, as its adverts show it, is further from ours than half the window.
const findingClockSkew vrrp.Reason = "clock-skew"

// skewLasts is how long a clock counts as wrong after it was last seen to be, and how often it is told of.
const skewLasts = time.Minute

// hmacConfig is what a configuration says of hmac; nil: it says nothing.
func hmacConfig(c *config.Instance) (*wire.HMACConfig, error) {
	if c.Auth.Type != config.AuthHMAC {
		return nil, nil
	}
	h := &wire.HMACConfig{
		Active: c.Auth.Active,
		Mode:   wire.Mode(c.Auth.Mode),
		Replay: wire.Replay(c.Auth.Replay),
		Window: c.Auth.Window,
	}
	for _, k := range c.Auth.Keys {
		key, err := wire.NewKey(k.ID, k.Bytes())
		if err != nil {
			return nil, err
		}
		h.Keys = append(h.Keys, key)
	}
	if c.Unicast != nil {
		h.Peers = len(c.Unicast.Peers)
	}
	return h, nil
}

// configure follows the configuration. What was signed and accepted before is remembered: a change of key or mode
// neither disturbs a peer nor lets a replay in.
func (a *authenticator) configure(c *config.Instance) error {
	cfg, err := hmacConfig(c)
	switch {
	case err != nil:
		return err
	case cfg == nil:
		*a = authenticator{}
		return nil
	case a.HMAC == nil:
		a.HMAC, err = wire.NewHMAC(*cfg)
		return err
	}
	return a.Configure(*cfg)
}

// sign appends the trailer to a message, the same for every peer that the advert goes to.
func (a *authenticator) sign(msg []byte, src, dst netip.Addr) []byte {
	if a.HMAC == nil || !a.Signs() {
		return msg
	}
	if !a.signed {
		a.trailer, a.signed = a.Sign(msg, src, time.Now()), true
	}
	return a.trailer.Append(msg, src, dst)
}

// authenticate is the last test of an advert, the one in e.advert, which has waited for so long in the socket: it is
// judged by the clock of its arrival, or a director that slept would refuse all that was said meanwhile as stale.
func (e *elector) authenticate(in *instance, p *segment.Packet, waited time.Duration) wire.Drop {
	a := &in.auth
	if a.HMAC == nil {
		return wire.Accepted
	}
	skew, drop := a.Verify(&e.advert, p.Payload, p.Meta(), time.Now().Add(-waited))
	switch {
	case drop == wire.DropHMACStale:
		e.skewed(in, p.Src, skew, true)
	case drop == wire.Accepted && 2*skew.Abs() > in.cfg.Auth.Window:
		e.skewed(in, p.Src, skew, false)
	}
	return drop
}

// skewed notes that the stamps of a peer are far from our clock.
func (e *elector) skewed(in *instance, peer netip.Addr, skew time.Duration, refused bool) {
	a, t := &in.auth, now()
	side, detail := "behind", "more than half the window of %s"
	if skew < 0 {
		side = "ahead of"
	}
	if refused {
		detail = "beyond the window of %s: its adverts are refused"
	}
	a.skewedAt = t
	a.skew = vrrp.Finding{Reason: findingClockSkew, Peer: peer,
		Detail: fmt.Sprintf("its clock is %s %s ours, "+detail, skew.Abs(), side, in.cfg.Auth.Window)}
	if a.toldAt == 0 || t.Sub(a.toldAt) >= skewLasts || refused && !a.worse {
		a.toldAt, a.worse = t, refused
		e.finding(in, &a.skew)
	}
}

// findings completes what the machine finds by what only the authentication sees.
func (a *authenticator) findings(of []vrrp.Finding) []vrrp.Finding {
	if a.skewedAt != 0 && now().Sub(a.skewedAt) < skewLasts {
		return append(of[:len(of):len(of)], a.skew)
	}
	return of
}
