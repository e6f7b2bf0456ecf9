package wire_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/lbha/lbha/vrrp/wire"
)

func TestExpect(t *testing.T) {
	password, err := wire.Password("secret")
	if err != nil {
		t.Fatal(err)
	}
	advert := wire.Advert{
		Version: 2, VRID: 51, Priority: 100, Interval: time.Second,
		AuthType: wire.AuthPassword, AuthData: password,
	}
	expect := wire.Expect{
		Version: 2, VRID: 51, Interval: time.Second,
		AuthType: wire.AuthPassword, Password: password,
		Self: netip.MustParseAddr("10.77.0.9"),
	}
	unicast := meta("10.77.0.1", "10.77.0.9")
	for _, tt := range []struct {
		name   string
		change func(a *wire.Advert, e *wire.Expect, m *wire.Meta)
		want   wire.Drop
	}{
		{"wanted", func(*wire.Advert, *wire.Expect, *wire.Meta) {}, wire.Accepted},
		{"other VRID", func(a *wire.Advert, _ *wire.Expect, _ *wire.Meta) { a.VRID = 52 }, wire.DropForeignVRID},
		{"other interface", func(_ *wire.Advert, e *wire.Expect, m *wire.Meta) { e.IfIndex, m.IfIndex = 2, 3 }, wire.DropForeignInterface},
		{"our interface", func(_ *wire.Advert, e *wire.Expect, m *wire.Meta) { e.IfIndex, m.IfIndex = 2, 2 }, wire.Accepted},
		{"our own", func(_ *wire.Advert, _ *wire.Expect, m *wire.Meta) { m.Src = netip.MustParseAddr("10.77.0.9") }, wire.DropOwnSource},
		{"other version", func(a *wire.Advert, _ *wire.Expect, _ *wire.Meta) { a.Version = 3 }, wire.DropVersionMismatch},
		{"unicast to a multicast router", func(_ *wire.Advert, _ *wire.Expect, m *wire.Meta) { *m = unicast }, wire.DropCastMismatch},
		{"multicast to a unicast router", func(_ *wire.Advert, e *wire.Expect, _ *wire.Meta) { e.Unicast = true }, wire.DropCastMismatch},
		{"unknown peer", func(_ *wire.Advert, e *wire.Expect, m *wire.Meta) { e.Unicast, *m = true, unicast }, wire.DropUnknownPeer},
		{"known peer", func(_ *wire.Advert, e *wire.Expect, m *wire.Meta) {
			e.Unicast, e.Peers, *m = true, addrs("10.77.0.3", "10.77.0.1"), unicast
		}, wire.Accepted},
		{"few routers on the way", func(_ *wire.Advert, e *wire.Expect, m *wire.Meta) {
			e.Unicast, e.Peers, e.MinTTL, *m = true, addrs("10.77.0.1"), 250, unicast
			m.TTL = 250
		}, wire.Accepted},
		{"too many routers on the way", func(_ *wire.Advert, e *wire.Expect, m *wire.Meta) {
			e.Unicast, e.Peers, e.MinTTL, *m = true, addrs("10.77.0.1"), 250, unicast
			m.TTL = 249
		}, wire.DropBadTTL},
		{"too few routers on the way", func(_ *wire.Advert, e *wire.Expect, m *wire.Meta) {
			e.Unicast, e.Peers, e.MaxTTL, *m = true, addrs("10.77.0.1"), 254, unicast
			m.TTL = 255
		}, wire.DropBadTTL},
		{"no password", func(a *wire.Advert, _ *wire.Expect, _ *wire.Meta) { a.AuthType = wire.AuthNone }, wire.DropAuthMismatch},
		{"needless password", func(_ *wire.Advert, e *wire.Expect, _ *wire.Meta) { e.AuthType = wire.AuthNone }, wire.DropAuthMismatch},
		{"other password", func(a *wire.Advert, _ *wire.Expect, _ *wire.Meta) { a.AuthData[7] = 'x' }, wire.DropBadPassword},
		{"other interval", func(a *wire.Advert, _ *wire.Expect, _ *wire.Meta) { a.Interval = 2 * time.Second }, wire.DropIntervalMismatch},
		{"any interval", func(a *wire.Advert, e *wire.Expect, _ *wire.Meta) { a.Interval, e.Interval = 2*time.Second, 0 }, wire.Accepted},
		{"v3, other interval", func(a *wire.Advert, e *wire.Expect, _ *wire.Meta) {
			a.Version, e.Version, a.AuthType, a.Interval = 3, 3, wire.AuthNone, 10*time.Millisecond
		}, wire.Accepted},
		{"other addresses", func(a *wire.Advert, _ *wire.Expect, _ *wire.Meta) { a.Addresses = addrs("192.0.2.1") }, wire.Accepted},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, e, m := advert, expect, meta4
			tt.change(&a, &e, &m)
			if drop := e.Check(&a, m); drop != tt.want {
				t.Errorf("got %v, want %v", drop, tt.want)
			}
		})
	}
	if _, err := wire.Password("secret123"); !errors.Is(err, wire.ErrPasswordTooLong) {
		t.Errorf("password of 9 bytes: %v", err)
	}
}

// Every reason the package can give is in the list, once, and its text is read
// back; a metric would lose a series otherwise.
func TestDrops(t *testing.T) {
	seen := map[wire.Drop]bool{}
	for _, d := range append(wire.Drops(), wire.Accepted) {
		if seen[d] {
			t.Errorf("%v is listed twice", d)
		}
		seen[d] = true
		text, err := d.MarshalText()
		var back wire.Drop
		if err == nil {
			err = back.UnmarshalText(text)
		}
		if err != nil || back != d {
			t.Errorf("%v came back as %v: %v", d, back, err)
		}
		if strings.ToLower(string(text)) != string(text) || strings.ContainsAny(string(text), " _") {
			t.Errorf("%q is not kebab-case", text)
		}
	}
	var d wire.Drop
	if err := d.UnmarshalText([]byte("bad-luck")); err == nil {
		t.Error("an unknown reason was read")
	}
}

func TestChecksumFormText(t *testing.T) {
	for _, form := range []wire.ChecksumForm{wire.FormPseudo, wire.FormMessage} {
		text, _ := form.MarshalText()
		var back wire.ChecksumForm
		if err := back.UnmarshalText(text); err != nil || back != form {
			t.Errorf("%v came back as %v: %v", form, back, err)
		}
	}
	var f wire.ChecksumForm
	if err := f.UnmarshalText([]byte("neither")); err == nil {
		t.Error("an unknown form was read")
	}
}

func TestVRID(t *testing.T) {
	for msg, want := range map[string]uint8{"": 0, "31": 0, "3133": 51, "ffff00": 255} {
		if got := wire.VRID(unhex(t, msg)); got != want {
			t.Errorf("VRID(%s) = %d, want %d", msg, got, want)
		}
	}
}
