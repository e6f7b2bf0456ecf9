package ipvs

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

func TestDiff(t *testing.T) {
	const web = "-A -t 10.9.0.100:80 -s wlc\n"
	const a = "-a -t 10.9.0.100:80 -r 10.9.0.3:80 -g -w 1\n"
	const b = "-a -t 10.9.0.100:80 -r 10.9.0.4:80 -g -w 1\n"
	const spare = "-a -t 10.9.0.100:80 -r 10.9.0.9:80 -g -w 1\n"
	idle := func(s string) string { return strings.Replace(s, "-w 1", "-w 0", 1) }
	for _, tt := range []struct{ name, have, want, ops string }{
		{"nothing", web + a, web + a, ""},
		{"all", "", web + a, web + a},
		{"nothing left", web + a, "", "-D -t 10.9.0.100:80\n"},
		{"a service is edited, not made again", web + a, "-A -t 10.9.0.100:80 -s rr -p 60\n" + a, "-E -t 10.9.0.100:80 -s rr -p 60\n"},
		{"thresholds", web + a, web + strings.TrimSpace(a) + " -x 10\n", "-e -t 10.9.0.100:80 -r 10.9.0.3:80 -g -w 1 -x 10\n"},
		{"forwarding", web + a, web + strings.Replace(a, "-g", "-m", 1), "-e -t 10.9.0.100:80 -r 10.9.0.3:80 -m -w 1\n"},
		{"the fallback is in before the last goes", web + a, web + spare, spare + "-d -t 10.9.0.100:80 -r 10.9.0.3:80\n"},
		{"and the other way round", web + spare, web + a + b, a + b + "-d -t 10.9.0.100:80 -r 10.9.0.9:80\n"},
		{"one is raised before the other is quiesced", web + a + idle(b), web + idle(a) + b,
			"-e -t 10.9.0.100:80 -r 10.9.0.4:80 -g -w 1\n-e -t 10.9.0.100:80 -r 10.9.0.3:80 -g -w 0\n"},
		{"services first, deletions last", "-A -f 1 -s rr\n" + web + a, web + b + "-A -f 2 -s rr\n-a -f 2 -r 10.9.0.3:0 -m -w 1\n",
			"-A -f 2 -s rr\n" + b + "-a -f 2 -r 10.9.0.3:0 -m -w 1\n-d -t 10.9.0.100:80 -r 10.9.0.3:80\n-D -f 1\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			have, want := rules(t, tt.have), rules(t, tt.want)
			ops := Diff(want, have)
			var got strings.Builder
			for _, op := range ops {
				fmt.Fprintln(&got, op)
			}
			if got.String() != tt.ops {
				t.Errorf("ops:\n%swant:\n%s", got.String(), tt.ops)
			}
			if after := have.After(ops); !after.Equal(want) {
				t.Errorf("after them:\n%swant:\n%s", after, want)
			}
			if !have.Equal(rules(t, tt.have)) {
				t.Errorf("After changed its table:\n%s", have)
			}
		})
	}
}

func TestOpJSON(t *testing.T) {
	have := rules(t, "-A -t 10.9.0.100:80 -s wlc\n-a -t 10.9.0.100:80 -r 10.9.0.3:80 -g -w 1\n")
	want := rules(t, "-A -t 10.9.0.100:80 -s wlc\n-a -t 10.9.0.100:80 -r 10.9.0.3:80 -g -w 2\n-A -f 1 -s rr\n")
	raw, err := json.Marshal(Diff(want, have))
	const text = `[{"action":"add-service","service":"fwmark/1/ipv4","rule":"-A -f 1 -s rr"},` +
		`{"action":"edit-server","service":"tcp/10.9.0.100:80","server":"10.9.0.3:80",` +
		`"rule":"-e -t 10.9.0.100:80 -r 10.9.0.3:80 -g -w 2","was":"-t 10.9.0.100:80 -r 10.9.0.3:80 -g -w 1"}]`
	if err != nil || string(raw) != text {
		t.Errorf("%v\n got %s\nwant %s", err, raw, text)
	}
}

func TestNewTable(t *testing.T) {
	web := Service{Key: MarkKey(1, IPv4), Scheduler: "rr"}
	three, four := Server{Addr: netip.MustParseAddrPort("10.0.0.3:0")}, Server{Addr: netip.MustParseAddrPort("10.0.0.4:0")}
	again := three
	again.Weight = 9
	servers := []Server{four, three, again}
	got := NewTable(Pool{web, servers}, Pool{Service: Service{Key: web.Key, Scheduler: "wlc"}})
	want := "-A -f 1 -s rr\n-a -f 1 -r 10.0.0.3:0 -m -w 0\n-a -f 1 -r 10.0.0.4:0 -m -w 0\n"
	if got.String() != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if servers[0] != four {
		t.Error("the caller's slice was sorted")
	}
}

// BenchmarkDiff compares tables of 1,000 services with 10 servers each, one
// server in a hundred different, and one of them with nothing.
func BenchmarkDiff(b *testing.B) {
	have := Table{}
	for i := range 1000 {
		k := NewKey(TCP, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 9, byte(i >> 8), byte(i)}), 80))
		p := Pool{Service: Service{Key: k, Scheduler: "wlc"}}
		for j := range 10 {
			p.Servers = append(p.Servers, Server{Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 10, byte(i), byte(j)}), 80), Weight: 1})
		}
		have[k] = p
	}
	want := have.Clone()
	for i, k := range have.Keys() {
		if i%10 == 0 {
			want[k].Servers[5].Weight = 2
		}
	}
	b.Run("few", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if n := len(Diff(want, have)); n != 100 {
				b.Fatal(n)
			}
		}
	})
	b.Run("fill", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if n := len(Diff(want, nil)); n != 11_000 {
				b.Fatal(n)
			}
		}
	})
}
