package stage

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/lbha/lbha/integration/internal/mono"
	"github.com/lbha/lbha/integration/internal/observe"
)

// s makes a time from seconds.
func s(seconds float64) mono.Time { return mono.Time(seconds * float64(time.Second)) }

func adverts(host byte, times ...float64) (list []observe.Advert) {
	for _, t := range times {
		list = append(list, observe.Advert{At: s(t), Source: netip.AddrFrom4([4]byte{10, 9, 0, host}), Interval: time.Second})
	}
	return list
}

// failover is d1 dying at 2 s: last advert at 1.5, VIP gone at 4, d2 takes over at 5.1.
func failover() *Evidence {
	return &Evidence{
		From: 0, To: s(8),
		Before:  map[string]Side{"d1": {Holds: true, Table: observe.Table{"-A a", "-a b"}}, "d2": {Table: observe.Table{"-A a"}}},
		Adverts: append(adverts(1, 0.5, 1.5), adverts(2, 5.1, 6.1, 7.1)...),
		Holdings: []observe.Holding{
			{At: s(4), Host: "d1", Holds: false},
			{At: s(5.1), Host: "d2", Holds: true},
		},
		Announcements: []observe.Announcement{{At: s(5.2), MAC: "020000000002"}},
		Tables: []observe.TableChange{
			{At: s(3), Host: "d1", Table: observe.Table{"-A a"}},
			{At: s(3.5), Host: "d1", Table: observe.Table{"-A a", "-a c"}},
		},
	}
}

func TestMasters(t *testing.T) {
	e := failover()
	if got, want := e.Masters(), "d1 0.00–4.00, d2 5.10–"; got != want {
		t.Errorf("masters %q, want %q", got, want)
	}
	for at, want := range map[float64]string{0: "[d1]", 3.9: "[d1]", 4: "[]", 5: "[]", 5.1: "[d2]", 7.9: "[d2]"} {
		if got := fmt.Sprint(e.HolderAt(s(at))); got != want {
			t.Errorf("holders at %v s: %v, want %v", at, got, want)
		}
	}
	nobody, both := e.Unheld(0, s(8))
	if nobody != 1100*time.Millisecond || both != 0 {
		t.Errorf("unheld: nobody %v, both %v; want 1.1 s and 0", nobody, both)
	}
	// d2 takes it while d1 still has it.
	e.Holdings[1].At = s(3.5)
	if nobody, both = e.Unheld(s(1), s(8)); nobody != 0 || both != 500*time.Millisecond {
		t.Errorf("overlapping: nobody %v, both %v; want 0 and 0.5 s", nobody, both)
	}
	if nobody, _ = (&Evidence{To: s(2)}).Unheld(0, s(2)); nobody != 2*time.Second {
		t.Errorf("no holder at all: nobody %v, want 2 s", nobody)
	}
	for i := range 20 {
		e.Holdings = append(e.Holdings, observe.Holding{At: s(5.2 + float64(i)/100), Host: "d2", Holds: i%2 == 1})
	}
	if got, want := e.Masters(), "d1 0.00–4.00, d2 3.50–5.20, d2 5.21–5.22, d2 5.23–5.24, d2 5.25–5.26, d2 5.27–5.28, … (12 times in all)"; got != want {
		t.Errorf("masters %q, want %q", got, want)
	}
}

func TestAdverts(t *testing.T) {
	e := failover()
	if got := e.LastAdvert("d1", s(8)); got != s(1.5) {
		t.Errorf("last advert of d1 at %v", got)
	}
	if got := e.FirstAdvert("d2", 0); got != s(5.1) {
		t.Errorf("first advert of d2 at %v", got)
	}
	if got := e.FirstAdvert("d1", s(2)); got != 0 {
		t.Errorf("an advert of d1 after its death, at %v", got)
	}
	if got, want := e.Advertisers(), "d1 0.50–1.50 (2), d2 5.10–7.10 (3)"; got != want {
		t.Errorf("advertisers %q, want %q", got, want)
	}
	if got := e.Announced("d2", s(5.1)); got != s(5.2) {
		t.Errorf("announced at %v", got)
	}
	if got := e.Announced("d1", 0); got != 0 {
		t.Errorf("d1 announced at %v", got)
	}
}

func TestLateness(t *testing.T) {
	tests := []struct {
		name  string
		times []float64
		want  time.Duration
	}{
		{"in time", []float64{0.5, 1.5, 2.5, 3.5}, 0},
		{"one late, one as much earlier after it", []float64{0.5, 1.53, 2.5, 3.5}, 30 * time.Millisecond},
		{"one missing", []float64{0.5, 2.5, 3.5}, time.Second},
		{"none from some time on", []float64{0.5, 1.5}, 1500 * time.Millisecond},
		{"none", nil, 3 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := &Evidence{To: s(4), Adverts: adverts(1, tt.times...)}
			if got := e.Lateness("d1", time.Second, 0, s(4)); got != tt.want {
				t.Errorf("late by %v, want %v", got, tt.want)
			}
		})
	}
}

func TestDoubleAnswers(t *testing.T) {
	e := &Evidence{To: s(1)}
	answer := func(at float64, mac string) { e.Answers = append(e.Answers, observe.Answer{At: s(at), MAC: mac}) }
	for i := range 5 {
		e.Probes = append(e.Probes, s(float64(i)*0.05))
	}
	answer(0.001, "1")
	answer(0.002, "1") // the same machine twice
	// nobody answers the second
	answer(0.101, "1")
	answer(0.102, "2") // two machines
	answer(0.151, "2")
	answer(0.201, "2")
	asked, silent, double := e.DoubleAnswers(0, s(1))
	if asked != 5 || silent != 1 || double != 1 {
		t.Errorf("asked %d, silent %d, double %d; want 5, 1, 1", asked, silent, double)
	}
	asked, silent, double = e.DoubleAnswers(s(0.12), s(1))
	if asked != 2 || silent != 0 || double != 0 {
		t.Errorf("later: asked %d, silent %d, double %d; want 2, 0, 0", asked, silent, double)
	}
}

func TestChanges(t *testing.T) {
	e := failover()
	want := []Change{{s(3), "d1", "- -a b"}, {s(3.5), "d1", "+ -a c"}}
	if diff := cmp.Diff(want, e.Changes("d1")); diff != "" {
		t.Error(diff)
	}
	if got := e.Changes("d2"); got != nil {
		t.Errorf("changes of d2: %v", got)
	}
	if diff := cmp.Diff(observe.Table{"-A a"}, e.TableAt("d1", s(3.2))); diff != "" {
		t.Error(diff)
	}
}
