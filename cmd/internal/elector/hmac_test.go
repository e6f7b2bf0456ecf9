package elector

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/lbha/lbha/vrrp"
	"github.com/lbha/lbha/vrrp/segment"
	"github.com/lbha/lbha/vrrp/wire"
)

// A peer whose clock is wrong is found before its adverts are refused, and named when they are.
func TestAWrongClockIsFound(t *testing.T) {
	t.Parallel()
	l := newLAN(t, 1)
	c := router("web", 0, 51, 200)
	signed(&c) // with a window of 5 s
	a := l.elector(0)
	a.configure(nil, c)
	a.untilAll(vrrp.Master, "web")

	key, err := wire.NewKey(1, []byte(strings.Repeat("k", 32)))
	if err != nil {
		t.Fatal(err)
	}
	peer, err := wire.NewHMAC(wire.HMACConfig{Keys: []wire.Key{key}, Active: 1, Mode: wire.ModeEnforce, Replay: wire.ReplayMonotonic})
	if err != nil {
		t.Fatal(err)
	}
	var conn *segment.Conn
	l.in(1, func() (err error) {
		conn, err = segment.Open(segment.Config{Interface: "eth0"})
		return err
	})
	defer conn.Close()
	src := netip.MustParseAddr("10.9.0.2")
	say := func(ahead time.Duration) {
		t.Helper()
		ad := wire.Advert{Version: 3, VRID: 51, Priority: 100, Interval: c.Interval, Addresses: []netip.Addr{c.Addresses[0].Prefix.Addr()}}
		msg, err := wire.Append(nil, &ad, src, wire.Group4(), wire.FormPseudo)
		if err != nil {
			t.Fatal(err)
		}
		trailer := peer.Sign(msg, src, time.Now().Add(ahead))
		if err := conn.Send(trailer.Append(msg, src, wire.Group4()), src, wire.Group4()); err != nil {
			t.Fatal(err)
		}
	}
	say(0)
	a.until("the peer is heard", func() bool { return a.of("web").Received == 1 })
	if f := a.of("web").Findings; len(f) > 0 {
		for _, f := range f {
			if f.Reason == findingClockSkew {
				t.Errorf("with a right clock: %v", f)
			}
		}
	}
	say(4 * time.Second)
	a.untilEvent("finding clock-skew", "10.9.0.2", "s ahead of ours, more than half the window of 5s")
	a.until("it is heard all the same", func() bool { return a.of("web").Received == 2 })
	a.until("it is in the status", func() bool {
		for _, f := range a.of("web").Findings {
			if f.Reason == findingClockSkew {
				return true
			}
		}
		return false
	})
	time.Sleep(time.Second) // one event of a kind a second
	for n := range 3 {
		say(time.Hour)
		a.until("it is refused", func() bool { return a.of("web").Dropped[wire.DropHMACStale.String()] == uint64(n+1) })
	}
	a.untilEvent("finding clock-skew", "1h0m0s ahead of ours, beyond the window of 5s")
	told := 0
	for _, event := range a.events {
		if strings.Contains(event, "finding clock-skew") {
			told++
		}
	}
	if told != 2 {
		t.Errorf("it was told of %d times, want once and, when it became worse, again", told)
	}
}
