package wire_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/lbha/lbha/vrrp/wire"
)

// The vectors of draft-cassen-vrrp-auth-hmac: the key 00 01 … 1f, id 1, made at
// published[0].at.
var published = []struct {
	name, msg, trailer string
	form               wire.ChecksumForm
	m                  wire.Meta
	vip                []netip.Addr
}{{
	name: "IPv4", msg: "3133c80100644402c0000264",
	trailer: "0101000068000000800000001b84bc4e8e43892dc6d98448f8ee2265",
	form:    wire.FormMessage, m: meta("198.51.100.10", "224.0.0.18"), vip: addrs("192.0.2.100"),
}, {
	name: "IPv4, pseudo header", msg: "3133c80100643935c0000264",
	trailer: "0101000068000000800000001b84bc4e8e43892dc6d98448f8ee2265",
	form:    wire.FormPseudo, m: meta("198.51.100.10", "224.0.0.18"), vip: addrs("192.0.2.100"),
}, {
	name: "IPv6", msg: "3133c8010064a2e9fe800000000000000000000000000100",
	trailer: "010100006800000080000000c8c56146ebfd66ee10ec4d8186461b78",
	form:    wire.FormPseudo, m: meta("fe80::10", "fe80::20"), vip: addrs("fe80::100"),
}}

var publishedAt = time.Unix(0x68000000, 5e8)

func key(t testing.TB, id uint8, text string) wire.Key {
	t.Helper()
	k, err := wire.NewKey(id, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

const publishedKey = "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f"

// secured returns an HMAC with the published key, or what change makes of it.
func secured(t testing.TB, change func(*wire.HMACConfig)) *wire.HMAC {
	t.Helper()
	cfg := wire.HMACConfig{
		Keys: []wire.Key{key(t, 1, publishedKey)}, Active: 1,
		Mode: wire.ModeEnforce, Replay: wire.ReplayTime, Window: 5 * time.Second,
	}
	if change != nil {
		change(&cfg)
	}
	h, err := wire.NewHMAC(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestPublishedTrailers(t *testing.T) {
	for _, v := range published {
		t.Run(v.name, func(t *testing.T) {
			whole := unhex(t, v.msg+v.trailer)
			var a wire.Advert
			if form, drop := wire.Decode(&a, whole, v.m); drop != wire.Accepted || form != v.form || !a.Signed {
				t.Fatalf("Decode: %v, %v, signed %v", drop, form, a.Signed)
			}
			// Its time has long passed: that is for the clock to say, not for the MAC.
			old := secured(t, func(c *wire.HMACConfig) { c.Replay = wire.ReplayMonotonic })
			if _, drop := old.Verify(&a, whole, v.m, time.Unix(0, 0)); drop != wire.Accepted {
				t.Errorf("Verify, monotonic: %v", drop)
			}
			now := secured(t, nil)
			if skew, drop := now.Verify(&a, whole, v.m, publishedAt.Add(3*time.Second)); drop != wire.Accepted || skew != 3*time.Second {
				t.Errorf("Verify in time: %v, skew %v", drop, skew)
			}
			if _, drop := now.Verify(&a, whole, v.m, publishedAt.Add(3*time.Second)); drop != wire.DropHMACReplay {
				t.Errorf("Verify again: %v", drop)
			}

			mine := wire.Advert{Version: 3, VRID: 51, Priority: 200, Interval: time.Second, Addresses: v.vip}
			msg, err := wire.Append(nil, &mine, v.m.Src, v.m.Dst, v.form)
			if err != nil {
				t.Fatal(err)
			}
			trailer := secured(t, nil).Sign(msg, v.m.Src, publishedAt)
			if got := hex.EncodeToString(trailer.Append(msg, v.m.Src, v.m.Dst)); got != v.msg+v.trailer {
				t.Errorf("sent    %s\nwant    %s", got, v.msg+v.trailer)
			}
		})
	}
}

// The table of the draft: what becomes of a signed message of which one bit is
// another.
func TestOneBitFlipped(t *testing.T) {
	for _, v := range published {
		t.Run(v.name, func(t *testing.T) {
			whole := unhex(t, v.msg+v.trailer)
			message := len(whole) - wire.TrailerLen
			for bit := range len(whole) * 8 {
				i := bit / 8
				want := wire.DropHMACBadMAC
				switch at := i - message; {
				case i == 6 || i == 7: // checksum
					want = wire.Accepted
				case at == 0 || at == 2 || at == 3: // scheme, reserved
					want = wire.DropHMACMalformed
				case at == 1:
					want = wire.DropHMACUnknownKey
				}
				whole[i] ^= 1 << (bit % 8)
				// As every later test of a receiver would see it: Decode refuses most of these.
				a := wire.Advert{Version: 3, VRID: 51, Signed: true}
				h := secured(t, func(c *wire.HMACConfig) { c.Replay = wire.ReplayMonotonic })
				if _, drop := h.Verify(&a, whole, v.m, publishedAt); drop != want {
					t.Errorf("byte %d, bit %d: %v, want %v", i, bit%8, drop, want)
				}
				whole[i] ^= 1 << (bit % 8)
			}
			a := wire.Advert{Version: 3, VRID: 51, Signed: true}
			other := v.m
			other.Src = other.Src.Next()
			if _, drop := secured(t, nil).Verify(&a, whole, other, publishedAt); drop != wire.DropHMACBadMAC {
				t.Errorf("from another source: %v", drop)
			}
		})
	}
}

// speaker sends signed adverts and receiver judges them, each by its own clock.
type exchange struct {
	t        testing.TB
	from     *wire.HMAC
	to       *wire.HMAC
	src, dst netip.Addr
}

func newExchange(t testing.TB, from, to *wire.HMAC) exchange {
	return exchange{t, from, to, meta4.Src, meta4.Dst}
}

// sign returns a whole signed message.
func (x exchange) sign(at time.Time) []byte {
	x.t.Helper()
	a := wire.Advert{Version: 3, VRID: 51, Priority: 200, Interval: time.Second, Addresses: addrs("10.77.0.100")}
	msg, err := wire.Append(nil, &a, x.src, x.dst, wire.FormPseudo)
	if err != nil {
		x.t.Fatal(err)
	}
	if !x.from.Signs() {
		return msg
	}
	trailer := x.from.Sign(msg, x.src, at)
	return trailer.Append(msg, x.src, x.dst)
}

func (x exchange) judge(payload []byte, at time.Time) wire.Drop {
	x.t.Helper()
	m := wire.Meta{Src: x.src, Dst: x.dst, TTL: 255}
	var a wire.Advert
	if _, drop := wire.Decode(&a, payload, m); drop != wire.Accepted {
		x.t.Fatalf("Decode: %v", drop)
	}
	_, drop := x.to.Verify(&a, payload, m, at)
	return drop
}

// Every mode hears the one before it and the one after it.
func TestModes(t *testing.T) {
	modes := []wire.Mode{wire.ModeReceiveOnly, wire.ModePermissive, wire.ModeEnforce}
	var got strings.Builder
	for _, from := range modes {
		for _, to := range modes {
			x := newExchange(t, secured(t, func(c *wire.HMACConfig) { c.Mode = from }), secured(t, func(c *wire.HMACConfig) { c.Mode = to }))
			msg := x.sign(publishedAt)
			fmt.Fprintf(&got, "%s hears %s: %v", to, from, x.judge(msg, publishedAt))
			if x.from.Signs() {
				msg[len(msg)-1] ^= 1
				fmt.Fprintf(&got, ", forged: %v", x.judge(msg, publishedAt))
			}
			got.WriteByte('\n')
		}
	}
	want := `receive-only hears receive-only: accepted
permissive hears receive-only: accepted
enforce hears receive-only: hmac-missing
receive-only hears permissive: accepted, forged: hmac-bad-mac
permissive hears permissive: accepted, forged: hmac-bad-mac
enforce hears permissive: accepted, forged: hmac-bad-mac
receive-only hears enforce: accepted, forged: hmac-bad-mac
permissive hears enforce: accepted, forged: hmac-bad-mac
enforce hears enforce: accepted, forged: hmac-bad-mac
`
	if got.String() != want {
		t.Errorf("got\n%swant\n%s", got.String(), want)
	}
}

// What is wrong in several ways is refused for the cheapest.
func TestOrderOfTests(t *testing.T) {
	x := newExchange(t, secured(t, nil), secured(t, nil))
	m := meta4
	msg := x.sign(publishedAt)
	trailer := msg[len(msg)-wire.TrailerLen:]
	a := wire.Advert{Signed: true}
	verify := func(at time.Time) wire.Drop {
		_, drop := x.to.Verify(&a, msg, m, at)
		return drop
	}
	late := publishedAt.Add(6 * time.Second)
	trailer[27] ^= 1 // the MAC
	trailer[1] = 9   // the key id
	trailer[0] = 2   // the scheme
	if drop := verify(late); drop != wire.DropHMACMalformed {
		t.Errorf("another scheme: %v", drop)
	}
	trailer[0] = 1
	if drop := verify(late); drop != wire.DropHMACStale {
		t.Errorf("too late: %v", drop)
	}
	if drop := verify(publishedAt.Add(-6 * time.Second)); drop != wire.DropHMACStale {
		t.Errorf("too early: %v", drop)
	}
	if drop := verify(publishedAt); drop != wire.DropHMACUnknownKey {
		t.Errorf("another key: %v", drop)
	}
	trailer[1] = 1
	if drop := verify(publishedAt); drop != wire.DropHMACBadMAC {
		t.Errorf("another MAC: %v", drop)
	}
	trailer[27] ^= 1
	if drop := verify(publishedAt); drop != wire.Accepted {
		t.Errorf("the right one: %v", drop) // the forged ones have moved no mark
	}
}

func TestRotation(t *testing.T) {
	old, next := key(t, 1, publishedKey), key(t, 2, strings.Repeat("n", 32))
	steps := []wire.HMACConfig{
		{Keys: []wire.Key{old}, Active: 1},
		{Keys: []wire.Key{old, next}, Active: 1},
		{Keys: []wire.Key{old, next}, Active: 2},
		{Keys: []wire.Key{next}, Active: 2},
	}
	at := func(i int) func(*wire.HMACConfig) {
		return func(c *wire.HMACConfig) { c.Keys, c.Active = steps[i].Keys, steps[i].Active }
	}
	for i := range steps {
		for _, j := range []int{i - 1, i, i + 1} {
			if j < 0 || j == len(steps) {
				continue
			}
			x := newExchange(t, secured(t, at(i)), secured(t, at(j)))
			if drop := x.judge(x.sign(publishedAt), publishedAt); drop != wire.Accepted {
				t.Errorf("step %d heard by step %d: %v", i, j, drop)
			}
		}
	}
	x := newExchange(t, secured(t, at(0)), secured(t, at(3)))
	if drop := x.judge(x.sign(publishedAt), publishedAt); drop != wire.DropHMACUnknownKey {
		t.Errorf("the removed key: %v", drop)
	}
}

// A change of configuration forgets neither stamps nor marks.
func TestConfigureKeepsMarks(t *testing.T) {
	cfg := wire.HMACConfig{
		Keys: []wire.Key{key(t, 1, publishedKey)}, Active: 1,
		Mode: wire.ModeEnforce, Replay: wire.ReplayTime, Window: 5 * time.Second,
	}
	x := newExchange(t, secured(t, nil), secured(t, nil))
	captured := x.sign(publishedAt)
	if drop := x.judge(captured, publishedAt); drop != wire.Accepted {
		t.Fatal(drop)
	}
	cfg.Mode = wire.ModePermissive
	if err := errors.Join(x.from.Configure(cfg), x.to.Configure(cfg)); err != nil {
		t.Fatal(err)
	}
	if drop := x.judge(captured, publishedAt); drop != wire.DropHMACReplay {
		t.Errorf("a capture after the change: %v", drop)
	}
	if drop := x.judge(x.sign(publishedAt), publishedAt); drop != wire.Accepted { // the same instant: the counter
		t.Errorf("the next advert after the change: %v", drop)
	}
	if err := x.to.Configure(wire.HMACConfig{}); !errors.Is(err, wire.ErrBadHMAC) {
		t.Errorf("an empty configuration: %v", err)
	}
	if drop := x.judge(x.sign(publishedAt), publishedAt); drop != wire.Accepted {
		t.Errorf("after a refused change: %v", drop)
	}
}

// On multicast four senders are remembered, on unicast every peer.
func TestMarks(t *testing.T) {
	for _, tt := range []struct {
		peers, senders int
		forgets        bool
	}{{0, 4, false}, {0, 5, true}, {5, 5, false}, {1, 1, false}} {
		t.Run(fmt.Sprintf("%d peers, %d senders", tt.peers, tt.senders), func(t *testing.T) {
			to := secured(t, func(c *wire.HMACConfig) { c.Peers = tt.peers })
			var first []byte
			x := newExchange(t, secured(t, nil), to)
			for i := range tt.senders {
				x.src = netip.AddrFrom4([4]byte{10, 77, 0, byte(i + 1)})
				msg := x.sign(publishedAt)
				if drop := x.judge(msg, publishedAt); drop != wire.Accepted {
					t.Fatal(drop)
				}
				if i == 0 {
					first = msg
				}
			}
			x.src = meta4.Src
			want := wire.DropHMACReplay
			if tt.forgets {
				want = wire.Accepted
			}
			if drop := x.judge(first, publishedAt); drop != want {
				t.Errorf("the first one's capture: %v, want %v", drop, want)
			}
		})
	}
}

func TestKeysAreNeverPrinted(t *testing.T) {
	const secret = "0123456789abcdef0123456789ABCDEF"
	k := key(t, 7, secret)
	h := secured(t, func(c *wire.HMACConfig) { c.Keys, c.Active = []wire.Key{k}, 7 })
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range []any{k, &k, []wire.Key{k}, h, struct{ h *wire.HMAC }{h}, struct{ k wire.Key }{k}, wire.HMACConfig{Keys: []wire.Key{k}}} {
			got := fmt.Sprintf(verb, v)
			if strings.Contains(got, secret[:8]) || strings.Contains(got, hex.EncodeToString([]byte(secret[:8]))) || strings.Contains(got, "48 49 50") {
				t.Errorf("%s of %T prints %s", verb, v, got)
			}
		}
	}
	if got := fmt.Sprint(k, " ", h); got != "key 7 hmac key 7 enforce" {
		t.Errorf("got %q", got)
	}
	for _, n := range []int{0, wire.MinKeyLen - 1, wire.MaxKeyLen + 1} {
		if _, err := wire.NewKey(1, make([]byte, n)); !errors.Is(err, wire.ErrBadKey) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	if _, err := wire.NewKey(0, []byte(secret)); !errors.Is(err, wire.ErrBadKey) {
		t.Errorf("id 0: %v", err)
	}
}

func TestBadHMACConfigs(t *testing.T) {
	k := key(t, 1, publishedKey)
	for name, change := range map[string]func(*wire.HMACConfig){
		"no keys":          func(c *wire.HMACConfig) { c.Keys = nil },
		"two of one id":    func(c *wire.HMACConfig) { c.Keys = []wire.Key{k, k} },
		"active unknown":   func(c *wire.HMACConfig) { c.Active = 2 },
		"no mode":          func(c *wire.HMACConfig) { c.Mode = "" },
		"no replay":        func(c *wire.HMACConfig) { c.Replay = "" },
		"no window":        func(c *wire.HMACConfig) { c.Window = 0 },
		"window too long":  func(c *wire.HMACConfig) { c.Window = 301 * time.Second },
		"window of halves": func(c *wire.HMACConfig) { c.Window = 1500 * time.Millisecond },
	} {
		cfg := wire.HMACConfig{Keys: []wire.Key{k}, Active: 1, Mode: wire.ModeEnforce, Replay: wire.ReplayTime, Window: wire.MinWindow}
		change(&cfg)
		if _, err := wire.NewHMAC(cfg); !errors.Is(err, wire.ErrBadHMAC) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestATrailerNobodyExpects(t *testing.T) {
	whole := unhex(t, published[0].msg+published[0].trailer)
	var a wire.Advert
	wire.Decode(&a, whole, published[0].m)
	e := wire.Expect{Version: 3, VRID: 51}
	if drop := e.Check(&a, published[0].m); drop != wire.DropAuthMismatch {
		t.Errorf("without hmac: %v", drop)
	}
	e.HMAC = true
	if drop := e.Check(&a, published[0].m); drop != wire.Accepted {
		t.Errorf("with hmac: %v", drop)
	}
	for _, n := range []int{1, 27, 29, 56} {
		if _, drop := wire.Decode(&a, append(whole[:12:12], make([]byte, n)...), published[0].m); n > 14 && drop != wire.DropBadLength {
			t.Errorf("%d bytes behind the message: %v", n, drop)
		}
	}
}
