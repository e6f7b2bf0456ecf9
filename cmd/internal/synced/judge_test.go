package synced

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

var (
	peer     = netip.MustParseAddr("10.9.0.1")
	stranger = netip.MustParseAddr("10.9.0.77")
	begin    = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
)

func TestJudge(t *testing.T) {
	shared := Self{Interface: "eth0", ID: 51, Others: []netip.Addr{peer}, Shared: true}
	own := Self{Interface: "eth1", ID: 51, Others: []netip.Addr{peer}}
	serving := func(s Self) Self { s.Serves = true; return s }
	tests := []struct {
		name  string
		self  Self
		heard []Packet
		want  string // interface and word of each finding
	}{
		{"silence", shared, nil, ""},
		{"the peer does as we do", shared, []Packet{{"eth0", peer, 51}}, ""},
		{"the peer uses another ID", shared, []Packet{{"eth0", peer, 52}}, "eth0 sync-id-differs"},
		{"it did, and does no longer", shared, []Packet{{"eth0", peer, 52}, {"eth0", peer, 51}}, "eth0 sync-id-differs"}, // for a minute
		{"another pair beside ours", shared, []Packet{{"eth0", peer, 51}, {"eth0", stranger, 52}}, ""},
		{"another pair beside ours, which is silent", shared, []Packet{{"eth0", stranger, 52}}, ""},
		{"another pair under our ID", shared, []Packet{{"eth0", peer, 51}, {"eth0", stranger, 51}}, "eth0 sync-id-shared"},
		{"another pair under our ID while we serve", serving(shared), []Packet{{"eth0", stranger, 51}}, "eth0 sync-id-shared"},
		{"a peer with an address that we do not know", shared, []Packet{{"eth0", stranger, 51}}, ""},
		{"the peer sends elsewhere", shared, []Packet{{"eth1", stranger, 51}}, "eth1 sync-interface-differs"},
		{"another pair elsewhere", shared, []Packet{{"eth0", peer, 51}, {"eth1", stranger, 51}}, ""},
		{"another pair elsewhere under its ID", shared, []Packet{{"eth1", stranger, 52}}, ""},
		{"we serve, and somebody is elsewhere", serving(shared), []Packet{{"eth1", stranger, 51}}, ""},

		{"own interface: the peer does as we do", own, []Packet{{"eth1", stranger, 51}}, ""},
		{"own interface: another ID", own, []Packet{{"eth1", stranger, 52}}, "eth1 sync-id-differs"},
		{"own interface: another pair beside ours", own, []Packet{{"eth1", stranger, 51}, {"eth1", netip.MustParseAddr("10.8.0.9"), 52}}, ""},
		{"own interface: we serve", serving(own), []Packet{{"eth1", stranger, 52}}, ""},
		{"own interface: the peer sends on the shared one", own, []Packet{{"eth0", peer, 51}}, "eth0 sync-interface-differs"},
		{"no synchronisation", Self{}, []Packet{{"eth0", peer, 51}}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			j := NewJudge()
			for _, p := range tt.heard {
				j.Hear(p, begin)
			}
			check := func(at time.Time, want string) {
				t.Helper()
				var got []string
				for _, f := range j.Findings(tt.self, at) {
					got = append(got, f.Object+" "+f.Reason)
					if !strings.Contains(f.Message, "ID") || !strings.Contains(f.Message, "global.ipvs.sync.") {
						t.Errorf("%q says neither what nor where", f.Message)
					}
				}
				if strings.Join(got, ", ") != want {
					t.Errorf("after %v: got %q, want %q", at.Sub(begin), got, want)
				}
			}
			check(begin.Add(time.Second), tt.want)
			check(begin.Add(lately), tt.want)
			check(begin.Add(lately+1), "")
		})
	}
}

// However many send, what is remembered is bounded, and the newest is among it.
func TestJudgeIsBounded(t *testing.T) {
	j := NewJudge()
	from := netip.MustParseAddr("10.0.0.0")
	for i := range 10 * mostHeard {
		from = from.Next()
		j.Hear(Packet{"eth0", from, 1}, begin.Add(time.Duration(i)))
	}
	if len(j.heard) != mostHeard {
		t.Errorf("%d are remembered", len(j.heard))
	}
	if _, ok := j.heard[Packet{"eth0", from, 1}]; !ok {
		t.Error("the newest is not remembered")
	}
}

// A header of either version: the kernel's struct ip_vs_sync_mesg, and the one before it.
func TestParse(t *testing.T) {
	for _, header := range [][]byte{{0, 51, 0, 8, 0, 1, 0, 0}, {3, 51, 0, 8, 0, 0, 0, 0}} {
		if id, ok := parse(header); !ok || id != 51 {
			t.Errorf("%v: %d, %v", header, id, ok)
		}
	}
	if _, ok := parse([]byte{0, 51, 0, 8, 0, 1, 0}); ok {
		t.Error("a datagram that is too short has a header")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte{0, 51, 0, 8, 0, 1, 0, 0})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, datagram []byte) {
		if _, ok := parse(datagram); ok != (len(datagram) >= headerLen) {
			t.Errorf("%v", datagram)
		}
	})
}
