package wire_test

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/lbha/lbha/vrrp/wire"
)

// FuzzDecode: no bytes panic, and what is accepted is encoded again to a
// message that is accepted and says the same.
func FuzzDecode(f *testing.F) {
	for _, tt := range golden {
		b := unhex(f, tt.frame)
		f.Add(b[14+tt.ipLen:], tt.ipLen == 40, uint8(255))
	}
	f.Add(message(f, "2133c801ff010000 0a4d0064 0000000000000000"), false, uint8(255))
	f.Add(message(f, "3133c8ff00000000 0a4d0064"), false, uint8(1))
	f.Add([]byte{0x31, 1}, false, uint8(255))
	for _, v := range published {
		f.Add(unhex(f, v.msg+v.trailer), v.m.Src.Is6(), uint8(255))
	}
	f.Fuzz(func(t *testing.T, payload []byte, v6 bool, ttl uint8) {
		m := meta4
		if v6 {
			m = meta6
		}
		m.TTL = int(ttl)
		before := bytes.Clone(payload)
		var a wire.Advert
		form, drop := wire.Decode(&a, payload, m)
		if !bytes.Equal(before, payload) {
			t.Fatal("Decode changed the payload")
		}
		if drop != wire.Accepted {
			if drop.String() == "accepted" {
				t.Fatal("refused without a reason")
			}
			return
		}
		if a.VRID == 0 || a.Interval <= 0 || len(a.Addresses) == 0 {
			t.Fatalf("accepted %+v", a)
		}
		again, err := wire.Append(nil, &a, m.Src, m.Dst, form)
		if err != nil {
			t.Fatalf("accepted %+v, but: %v", a, err)
		}
		if a.Signed {
			trailer := wire.Trailer(payload[len(payload)-wire.TrailerLen:])
			again = trailer.Append(again, m.Src, m.Dst)
		}
		var b wire.Advert
		formAgain, drop := wire.Decode(&b, again, m)
		if drop != wire.Accepted {
			t.Fatalf("%+v encoded as %x: %v", a, again, drop)
		}
		// Both forms fit when the pseudo header adds up to nothing.
		if diff := cmp.Diff(a, b, cmpopts.EquateComparable(netip.Addr{})); diff != "" || form != formAgain {
			t.Fatalf("form %v, then %v; advert:\n%s", form, formAgain, diff)
		}
	})
}

// Every advert that can be encoded is decoded to itself, and a flip of any one
// bit never yields the same advert.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v6 := rapid.Bool().Draw(t, "v6")
		a := wire.Advert{
			Version:  3,
			VRID:     rapid.Uint8Min(1).Draw(t, "VRID"),
			Priority: rapid.Uint8().Draw(t, "priority"),
			Interval: time.Duration(rapid.IntRange(1, 4095).Draw(t, "cs")) * 10 * time.Millisecond,
		}
		m, size := meta4, 4
		if v6 {
			m, size = meta6, 16
		} else if rapid.Bool().Draw(t, "v2") {
			a.Version = 2
			a.Interval = time.Duration(rapid.IntRange(1, 255).Draw(t, "s")) * time.Second
			a.AuthType = wire.AuthType(rapid.IntRange(0, 1).Draw(t, "auth"))
			a.AuthData = wire.AuthData(rapid.SliceOfN(rapid.Byte(), 8, 8).Draw(t, "password"))
		}
		for i := range rapid.IntRange(1, 255).Draw(t, "count") {
			b := rapid.SliceOfN(rapid.Byte(), size, size).Draw(t, "address")
			if v6 && i == 0 {
				b[0], b[1] = 0xfe, 0x80
			}
			addr, _ := netip.AddrFromSlice(b)
			a.Addresses = append(a.Addresses, addr)
		}
		form := wire.ChecksumForm(rapid.IntRange(0, 1).Draw(t, "form"))
		msg, err := wire.Append(nil, &a, m.Src, m.Dst, form)
		if err != nil {
			t.Fatal(err)
		}
		if len(msg) > wire.MaxLen {
			t.Fatalf("%d bytes", len(msg))
		}
		var got wire.Advert
		if _, drop := wire.Decode(&got, msg, m); drop != wire.Accepted {
			t.Fatal(drop)
		}
		if diff := cmp.Diff(a, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
			t.Fatal(diff)
		}
		bit := rapid.IntRange(0, len(msg)*8-1).Draw(t, "bit")
		msg[bit/8] ^= 1 << (bit % 8)
		if _, drop := wire.Decode(&got, msg, m); drop == wire.Accepted {
			t.Fatalf("bit %d flipped and accepted as %+v", bit, got)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	for _, bb := range []struct {
		name string
		m    wire.Meta
		msg  string
	}{
		{"v3-1-address", meta4, "3133c8010032110b0a4d0064"},
		{"v3-1-address-message", meta4, "3133c8010032fbe70a4d0064"},
		{"v2-password", meta4, "2133c80101019d9a0a4d00647365637265743132"},
		{"v3-ipv6", meta6, "3133c8020032db5dfe80000000000000000000000000006420010db8000000000000000000000064"},
	} {
		b.Run(bb.name, func(b *testing.B) {
			msg := unhex(b, bb.msg)
			var a wire.Advert
			b.ReportAllocs()
			for b.Loop() {
				if _, drop := wire.Decode(&a, msg, bb.m); drop != wire.Accepted {
					b.Fatal(drop)
				}
			}
		})
	}
}

func BenchmarkAppend(b *testing.B) {
	a := wire.Advert{Version: 3, VRID: 51, Priority: 200, Interval: time.Second, Addresses: addrs("10.77.0.100")}
	buf := make([]byte, 0, wire.MaxLen)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := wire.Append(buf, &a, meta4.Src, meta4.Dst, wire.FormPseudo); err != nil {
			b.Fatal(err)
		}
	}
}
