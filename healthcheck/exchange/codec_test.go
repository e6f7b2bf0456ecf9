package exchange

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lbha/lbha/healthcheck"
)

const shared = "a key of the pair, with 32 bytes or more"

func weight(text string) (w healthcheck.Weight) {
	if err := w.UnmarshalText([]byte(text)); err != nil {
		panic(err)
	}
	return w
}

var equal = cmp.Comparer(func(a, b healthcheck.Weight) bool { return a == b })

// TestBytes holds the form: a change here is another version.
func TestBytes(t *testing.T) {
	key := NewKey([]byte(shared))
	header := Header{Name: "lb1", Stamp: Stamp{0x1122334455667788, 250e6}, Echo: Stamp{0x99aabbccddeeff00, 7}}
	for _, tc := range []struct {
		name     string
		header   Header
		verdicts []Verdict
		want     string
	}{
		{"nothing to tell", header, nil, `
6c62687601030000 1122334455667788 000000000ee6b280 99aabbccddeeff00 0000000000000007 6c6231
34bb773514449628f7d05c84f4d5437ae9942d60e15226b877418b2e94841fbd`},
		{"up, and down", header, []Verdict{
			{ID: "www/10.9.0.3:80/http", Asks: Digest{1, 2, 3, 4, 5, 6, 7, 8}, Verdict: healthcheck.Up, Age: 300 * time.Millisecond, For: time.Hour, Weight: weight("75%")},
			{ID: "www/10.9.0.4:80/http", Asks: Digest{8, 7, 6, 5, 4, 3, 2, 1}, Verdict: healthcheck.Down, Age: 1, For: 0, Failure: healthcheck.FailureStatus, Detail: "http 503 in 2ms"},
		}, `
6c62687601030002 1122334455667788 000000000ee6b280 99aabbccddeeff00 0000000000000007 6c6231
14 7777772f31302e392e302e333a38302f68747470 0102030405060708 01 ac02 80dddb01 03373525 00 00
14 7777772f31302e392e302e343a38302f68747470 0807060504030201 02 01 00 00 06737461747573 0f687474702035303320696e20326d73
2fea5e2e036515e5e949795ad4247031875344ab831b03ca430888aff9a43c87`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, rest := key.Seal(tc.header, tc.verdicts)
			if len(rest) > 0 {
				t.Errorf("left: %v", rest)
			}
			if want := strings.Join(strings.Fields(tc.want), ""); hex.EncodeToString(got) != want {
				t.Errorf("got\n%x\nwant\n%s", got, want)
			}
		})
	}
}

func TestDigest(t *testing.T) {
	key := NewKey([]byte(shared))
	first := key.Digest("www/10.9.0.3:80/http", "GET /")
	if again := key.Digest("www/10.9.0.3:80/http", "GET /"); again != first {
		t.Errorf("twice the same is %x and %x", first, again)
	}
	if got := fmt.Sprintf("%x", first); got != "88f331979512e632" {
		t.Errorf("digest %s: another one makes directors of two versions distrust each other", got)
	}
	for _, other := range [][2]string{{"www/10.9.0.4:80/http", "GET /"}, {"www/10.9.0.3:80/http", "GET /healthz"}} {
		if key.Digest(other[0], other[1]) == first {
			t.Errorf("%v has the same digest", other)
		}
	}
	if NewKey([]byte("another key")).Digest("www/10.9.0.3:80/http", "GET /") == first {
		t.Error("under another key the digest is the same")
	}
}

// TestOpenRefuses holds the reason for each datagram that is not as it should be.
func TestOpenRefuses(t *testing.T) {
	key := NewKey([]byte(shared))
	good, _ := key.Seal(Header{Name: "lb1"}, []Verdict{{ID: "www/10.9.0.3:80/tcp", Verdict: healthcheck.Up}})
	if m, why := key.Open(good); why != "" || len(m.Verdicts) != 1 {
		t.Fatalf("a good one: %v, %q", m, why)
	}
	// sealed puts the right MAC under what is wrong otherwise.
	sealed := func(change func(b []byte) []byte) []byte {
		b := change(bytes.Clone(good[:len(good)-macSize]))
		return append(b, key.sum(b)...)
	}
	set := func(at int, to byte) func([]byte) []byte {
		return func(b []byte) []byte { b[at] = to; return b }
	}
	record := headerSize + len("lb1")
	of := record + 1 + len("www/10.9.0.3:80/tcp") + len(Digest{})
	for _, tc := range []struct {
		name     string
		datagram []byte
		want     Drop
	}{
		{"empty", nil, DropMalformed},
		{"short", good[:headerSize+macSize-1], DropMalformed},
		{"too long", append(bytes.Clone(good), make([]byte, MaxDatagram)...), DropMalformed},
		{"not ours", sealed(set(0, 'x')), DropMalformed},
		{"another version", sealed(set(4, 2)), DropVersion},
		{"cut", good[:len(good)-1], DropAuth},
		{"a bit changed", set(20, 1)(bytes.Clone(good)), DropAuth},
		{"name of no length", sealed(set(5, 0)), DropMalformed},
		{"name with a space", sealed(set(headerSize, ' ')), DropMalformed},
		{"name longer than all", sealed(set(5, 64)), DropMalformed},
		{"a verdict more", sealed(set(7, 2)), DropMalformed},
		{"a verdict less", sealed(set(7, 0)), DropMalformed},
		{"many verdicts", sealed(set(6, 255)), DropMalformed},
		{"no ID", sealed(set(record, 0)), DropMalformed},
		{"neither up nor down", sealed(set(of, 0)), DropMalformed},
		{"no such verdict", sealed(set(of, 9)), DropMalformed},
		{"down without a reason", sealed(set(of, 2)), DropMalformed},
		{"an age without an end", sealed(func(b []byte) []byte { return append(b[:of+1], bytes.Repeat([]byte{0xff}, 12)...) }), DropMalformed},
		{"an age beyond bounds", sealed(func(b []byte) []byte {
			return append(b[:of+1], 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0)
		}), DropMalformed},
		{"no such weight", sealed(func(b []byte) []byte { return append(b[:of+3], 1, 'x', 0, 0) }), DropMalformed},
		{"a failure that is no word", sealed(func(b []byte) []byte { b[of] = 2; return append(b[:of+3], 0, 1, ' ', 0) }), DropMalformed},
		{"a detail that is no text", sealed(func(b []byte) []byte { b[of] = 2; return append(b[:of+3], 0, 1, 'x', 1, 0xff) }), DropMalformed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, why := key.Open(tc.datagram); why != tc.want {
				t.Errorf("dropped for %q, want %q", why, tc.want)
			}
		})
	}
	if _, why := NewKey([]byte("another key")).Open(good); why != DropAuth {
		t.Errorf("under another key: %q, want %q", why, DropAuth)
	}
}

func drawVerdict(t *rapid.T) Verdict {
	v := Verdict{
		ID:      rapid.StringN(1, 60, 255).Draw(t, "id"),
		Verdict: healthcheck.Up,
		Age:     time.Duration(rapid.Int64Range(0, 1e9).Draw(t, "age")) * time.Millisecond,
		For:     time.Duration(rapid.Int64Range(0, 1e12).Draw(t, "for")) * time.Millisecond,
		Weight:  weight(rapid.SampledFrom([]string{"", "0", "65535", "75%"}).Draw(t, "weight")),
	}
	copy(v.Asks[:], rapid.SliceOfN(rapid.Byte(), 8, 8).Draw(t, "asks"))
	if rapid.Bool().Draw(t, "down") {
		v.Verdict, v.Failure = healthcheck.Down, rapid.SampledFrom(healthcheck.Failures()).Draw(t, "failure")
		v.Detail = rapid.StringN(0, 24, 96).Draw(t, "detail")
	}
	return v
}

// TestWhatIsSealedIsOpened: all verdicts arrive, in order and as they were, in datagrams that are within bounds.
func TestWhatIsSealedIsOpened(t *testing.T) {
	key := NewKey([]byte(shared))
	rapid.Check(t, func(t *rapid.T) {
		h := Header{Name: rapid.StringMatching("[!-~]{1,64}").Draw(t, "name")}
		for _, v := range []*uint64{&h.Stamp.Run, &h.Stamp.Seq, &h.Echo.Run, &h.Echo.Seq} {
			*v = rapid.Uint64().Draw(t, "number")
		}
		want := rapid.SliceOfN(rapid.Custom(drawVerdict), 0, 60).Draw(t, "verdicts")
		var got []Verdict
		for rest, n := want, 0; n == 0 || len(rest) > 0; n++ {
			var datagram []byte
			before := len(rest)
			if datagram, rest = key.Seal(h, rest); before > 0 && len(rest) == before {
				t.Fatalf("no progress with %v", rest[0])
			}
			if len(datagram) > MaxDatagram {
				t.Fatalf("a datagram of %d bytes", len(datagram))
			}
			m, why := key.Open(datagram)
			if why != "" {
				t.Fatalf("dropped for %q: %x", why, datagram)
			}
			if diff := cmp.Diff(h, m.Header); diff != "" {
				t.Fatal(diff)
			}
			got = append(got, m.Verdicts...)
		}
		if diff := cmp.Diff(want, got, equal); len(want) > 0 && diff != "" {
			t.Fatal(diff)
		}
	})
}

// TestWhatCannotBeToldIsLeftOut: and what is too long is cut.
func TestWhatCannotBeToldIsLeftOut(t *testing.T) {
	key := NewKey([]byte(shared))
	long := Verdict{ID: "b", Verdict: healthcheck.Down, Failure: "body", Detail: strings.Repeat("ä", 100), Age: 1}
	datagram, rest := key.Seal(Header{Name: "a host of ours " + strings.Repeat("x", 100)}, []Verdict{
		{ID: strings.Repeat("a", 256), Verdict: healthcheck.Up}, {ID: "", Verdict: healthcheck.Up}, {ID: "u"}, {ID: "d", Verdict: healthcheck.Down}, long,
	})
	m, why := key.Open(datagram)
	if why != "" || len(rest) > 0 || len(m.Verdicts) != 1 {
		t.Fatalf("%q, %d left, %+v", why, len(rest), m)
	}
	long.Detail, long.Age = strings.Repeat("ä", 48), time.Millisecond
	if diff := cmp.Diff(long, m.Verdicts[0], equal); diff != "" {
		t.Error(diff)
	}
	if want := "a?host?of?ours?" + strings.Repeat("x", 49); m.Name != want {
		t.Errorf("the name is %q, want %q", m.Name, want)
	}
}

// FuzzOpen gives any bytes the right MAC: what is opened can be sealed, and is the same then.
func FuzzOpen(f *testing.F) {
	key := NewKey([]byte(shared))
	for _, v := range [][]Verdict{nil, {{ID: "www/10.9.0.3:80/tcp", Verdict: healthcheck.Up, Age: time.Second, For: time.Hour, Weight: weight("7")}},
		{{ID: "a", Verdict: healthcheck.Down, Failure: "refused", Detail: "connection refused"}, {ID: "b", Verdict: healthcheck.Up}}} {
		datagram, _ := key.Seal(Header{Name: "lb1", Stamp: Stamp{1, 2}, Echo: Stamp{3, 4}}, v)
		f.Add(datagram[:len(datagram)-macSize])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		_, _ = key.Open(body) // without a MAC
		m, why := key.Open(append(body[:len(body):len(body)], key.sum(body)...))
		if (m == nil) != (why != "") {
			t.Fatalf("%v and %q", m, why)
		}
		if m == nil {
			return
		}
		again, rest := key.Seal(m.Header, m.Verdicts)
		if len(rest) > 0 {
			t.Fatalf("%d verdicts do not fit any more", len(rest))
		}
		back, why := key.Open(again)
		if why != "" {
			t.Fatalf("dropped for %q", why)
		}
		if diff := cmp.Diff(m, back, equal); diff != "" {
			t.Error(diff)
		}
	})
}
