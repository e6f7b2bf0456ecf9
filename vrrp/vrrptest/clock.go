package vrrptest

import (
	"bytes"
	"fmt"
	"time"

	"github.com/lbha/lbha/vrrp"
	"github.com/lbha/lbha/vrrp/wire"
)

// Machines know no wall clock. Adverts with an HMAC trailer do: it is stamped, so a
// step of a clock makes directors refuse each other. They must find together again
// when the clocks agree, whatever was stamped meanwhile.

// epoch is what a wall clock that is right shows when the LAN is made.
var epoch = time.Unix(1_800_000_000, 0)

// Authenticate makes every node sign its adverts, and believe only signed ones
// stamped within the window of its own wall clock. It is called before any starts.
func (l *LAN) Authenticate(window time.Duration) {
	key, err := wire.NewKey(1, bytes.Repeat([]byte("k"), wire.MinKeyLen))
	if err != nil {
		panic(err)
	}
	l.hmac = &wire.HMACConfig{
		Keys: []wire.Key{key}, Active: key.ID(),
		Mode: wire.ModeEnforce, Replay: wire.ReplayTime, Window: window,
	}
}

// SetClock sets the wall clock of the host to so much ahead of the right time.
func (p *process) SetClock(ahead time.Duration) {
	p.lan.trace(p.name, "sets its clock, %v ahead", ahead)
	p.ahead = ahead
}

func (p *process) wall() time.Time { return epoch.Add(p.lan.Elapsed() + p.ahead) }

// newHMAC is what a process that starts knows of stamps: nothing.
func (l *LAN) newHMAC() *wire.HMAC {
	if l.hmac == nil {
		return nil
	}
	h, err := wire.NewHMAC(*l.hmac)
	if err != nil {
		panic(fmt.Sprintf("vrrptest: %v", err))
	}
	return h
}

// sign returns an advert as it is on the wire, or nil if nobody signs.
func (n *Node) sign(ad *vrrp.AdvertReceived) []byte {
	if n.hmac == nil {
		return nil
	}
	a := wire.Advert{
		Version: uint8(ad.Version), VRID: uint8(n.Config.VRID), Priority: uint8(ad.Priority),
		Interval: ad.Interval, Addresses: ad.Addresses,
	}
	msg, err := wire.Append(nil, &a, ad.Source, wire.Group4(), wire.FormPseudo)
	if err != nil {
		panic(fmt.Sprintf("vrrptest: %v: %+v", err, a))
	}
	trailer := n.hmac.Sign(msg, ad.Source, n.wall())
	return trailer.Append(msg, ad.Source, wire.Group4())
}

// believes judges the trailer of a packet when the kernel receives it: its time
// stamp is of then, however long it waits in the socket.
func (n *Node) believes(ad *vrrp.AdvertReceived, packet []byte) bool {
	if n.hmac == nil {
		return true
	}
	drop := wire.DropHMACMissing
	if packet != nil {
		var a wire.Advert
		m := wire.Meta{Src: ad.Source, Dst: wire.Group4(), TTL: 255}
		if _, drop = wire.Decode(&a, packet, m); drop == wire.Accepted {
			_, drop = n.hmac.Verify(&a, packet, m, n.wall())
		}
	}
	if drop != wire.Accepted {
		n.lan.trace(n.Name, "refused: %v", drop)
		return false
	}
	return true
}
