package wire_test

import (
	"encoding/hex"
	"testing"
	"time"

	"github.com/lbha/lbha/vrrp/wire"
)

func TestVerifyDoesNotAllocate(t *testing.T) {
	x := newExchange(t, secured(t, nil), secured(t, nil))
	whole := x.sign(publishedAt)
	var a wire.Advert
	wire.Decode(&a, whole, meta4)
	if n := testing.AllocsPerRun(100, func() {
		wire.Decode(&a, whole, meta4)
		x.from.Sign(whole[:len(whole)-wire.TrailerLen], x.src, publishedAt)
		x.to.Verify(&a, whole, meta4, publishedAt)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzVerify: no bytes panic, and none but the signed ones are believed.
func FuzzVerify(f *testing.F) {
	for _, v := range published {
		f.Add(unhex(f, v.msg+v.trailer), v.m.Src.Is6())
	}
	f.Add(append(unhex(f, published[0].msg), make([]byte, wire.TrailerLen)...), false)
	f.Fuzz(func(t *testing.T, payload []byte, v6 bool) {
		m := published[0].m
		if v6 {
			m = published[2].m
		}
		var a wire.Advert
		if _, drop := wire.Decode(&a, payload, m); drop != wire.Accepted {
			return
		}
		h := secured(t, func(c *wire.HMACConfig) { c.Replay = wire.ReplayMonotonic })
		if _, drop := h.Verify(&a, payload, m, publishedAt); drop != wire.Accepted {
			return
		}
		trailer := hex.EncodeToString(payload[len(payload)-wire.TrailerLen:])
		if trailer != published[0].trailer && trailer != published[2].trailer {
			t.Fatalf("believed %x", payload)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	x := newExchange(b, secured(b, nil), secured(b, nil))
	whole := x.sign(publishedAt)
	var a wire.Advert
	wire.Decode(&a, whole, meta4)
	for _, bb := range []struct {
		name string
		at   time.Time
		want wire.Drop
	}{{"replay", publishedAt, wire.DropHMACReplay}, {"stale", publishedAt.Add(time.Hour), wire.DropHMACStale}} {
		b.Run(bb.name, func(b *testing.B) {
			x.to.Verify(&a, whole, meta4, publishedAt)
			b.ReportAllocs()
			for b.Loop() {
				if _, drop := x.to.Verify(&a, whole, meta4, bb.at); drop != bb.want {
					b.Fatal(drop)
				}
			}
		})
	}
}
