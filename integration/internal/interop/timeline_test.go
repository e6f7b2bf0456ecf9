package interop

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/mono"
	"github.com/lbha/lbha/integration/internal/observe"
)

// at is a moment in milliseconds.
func at(n int) mono.Time { return mono.Time(n) * mono.Time(time.Millisecond) }

// heard makes adverts of one host from "priority" and times in milliseconds.
func heard(host string, priority uint8, times ...int) (list []observe.Heard) {
	for _, n := range times {
		list = append(list, observe.Heard{Advert: observe.Advert{At: at(n), Priority: priority}, Host: host})
	}
	return list
}

func join(lists ...[]observe.Heard) (all []observe.Heard) {
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

func TestSpans(t *testing.T) {
	const interval = 100 * time.Millisecond
	tests := []struct {
		name    string
		adverts []observe.Heard
		want    string
	}{
		{"nobody", nil, ""},
		{"one", heard("a", 200, 0, 100, 200), "a 0.00–0.20"},
		{"one advert lost", heard("a", 200, 0, 200, 300), "a 0.00–0.30"},
		{"a silence ends it", heard("a", 200, 0, 100, 360), "a 0.00–0.10 a 0.36–0.36"},
		{"so does priority 0", join(heard("a", 200, 0, 100), heard("a", 0, 150), heard("a", 200, 200)), "a 0.00–0.10 a 0.20–0.20"},
		{"a takeover", join(heard("a", 200, 0, 100), heard("b", 100, 460, 560)), "a 0.00–0.10 b 0.46–0.56"},
		{"two at once", join(heard("a", 200, 0), heard("b", 100, 10), heard("a", 200, 100), heard("b", 100, 110)), "a 0.00–0.10 b 0.01–0.11"},
		{"priority 0 of nobody", heard("b", 0, 10), ""},
	}
	names := map[string]string{"a": "a", "b": "b"}
	for _, tt := range tests {
		if got := render(Spans(tt.adverts, interval), nil, 0, names); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestRenderPutsDeedsBetween(t *testing.T) {
	spans := []Span{{"d1", at(1400), at(2500)}, {"d2", at(2910), at(3500)}}
	got := render(spans, []Deed{{at(1000), "start"}, {at(2550), "kill"}}, at(1000), map[string]string{"d1": "lbha", "d2": "frr"})
	if want := "[start 0.00] lbha 0.40–1.50 [kill 1.55] frr 1.91–2.50"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestSilence(t *testing.T) {
	adverts := join(heard("a", 200, 0, 100, 200), heard("a", 0, 210), heard("b", 100, 270, 370), heard("b", 100, 900))
	if got := silence(adverts, at(50), at(400)); got != 100*time.Millisecond {
		t.Errorf("silence %v, want 100ms", got)
	}
	if got := silence(adverts, at(0), at(1000)); got != 530*time.Millisecond {
		t.Errorf("silence %v, want 530ms", got)
	}
	if got := firstAfter(adverts, "a", at(100), resigns); got != at(210) {
		t.Errorf("priority 0 at %d", got)
	}
	if got := firstAfter(adverts, "b", at(270), isMaster); got != at(370) {
		t.Errorf("first advert at %d", got)
	}
	if got := lastBefore(adverts, "a", at(0), at(1000)); got != at(200) {
		t.Errorf("last advert at %d: priority 0 is none", got)
	}
}

func TestMatrix(t *testing.T) {
	var names []string
	for _, c := range Matrix() {
		names = append(names, c.String())
		if c.Version == 2 && c.IPv6 || c.Password && c.Version != 2 {
			t.Errorf("%s cannot be", c)
		}
		if (c.First == drive.LBHA) == (c.Second == drive.LBHA) {
			t.Errorf("%s is no pairing of lbha with another", c)
		}
	}
	want := `lbha > keepalived v2 ipv4 multicast none
keepalived > lbha v2 ipv4 multicast none
lbha > keepalived v2 ipv4 multicast pass
keepalived > lbha v2 ipv4 multicast pass
lbha > keepalived v2 ipv4 unicast none
keepalived > lbha v2 ipv4 unicast none
lbha > keepalived v2 ipv4 unicast pass
keepalived > lbha v2 ipv4 unicast pass
lbha > frr v2 ipv4 multicast none
frr > lbha v2 ipv4 multicast none
lbha > keepalived v3 ipv4 multicast none
keepalived > lbha v3 ipv4 multicast none
lbha > keepalived v3 ipv4 unicast none
keepalived > lbha v3 ipv4 unicast none
lbha > frr v3 ipv4 multicast none
frr > lbha v3 ipv4 multicast none
lbha > keepalived v3 ipv6 multicast none
keepalived > lbha v3 ipv6 multicast none
lbha > keepalived v3 ipv6 unicast none
keepalived > lbha v3 ipv6 unicast none
lbha > frr v3 ipv6 multicast none
frr > lbha v3 ipv6 multicast none`
	if diff := cmp.Diff(want, strings.Join(names, "\n")); diff != "" {
		t.Error(diff)
	}
}

func TestBusyIsJudged(t *testing.T) {
	var steady []observe.Heard
	for n := range 100 {
		steady = append(steady, heard("a", 200, 10*n)...)
	}
	tests := []struct {
		name  string
		heard []observe.Heard
		busy  Busy
		stood time.Duration
		ok    bool
	}{
		{"steady", steady, Busy{RealTime: true}, 0, true},
		{"a takeover", join(steady, heard("b", 100, 500)), Busy{RealTime: true}, 0, false},
		{"a takeover after a short stall", join(steady, heard("b", 100, 500)), Busy{RealTime: true}, 15 * time.Millisecond, false},
		{"a takeover while the machine stood still", join(steady, heard("b", 100, 500)), Busy{RealTime: true, Transitions: 4}, 40 * time.Millisecond, true},
		{"a transition that the wire did not show", steady, Busy{RealTime: true, Transitions: 1}, 0, false},
		{"the same on a machine that stood still", steady, Busy{RealTime: true, Transitions: 1}, 40 * time.Millisecond, false},
		{"too few adverts", steady[:80], Busy{RealTime: true}, 0, false},
		{"nothing is promised without real time", join(steady, heard("b", 100, 500)), Busy{}, 0, true},
	}
	for _, tt := range tests {
		tt.busy.Length, tt.busy.Load = time.Second, Compute
		tt.busy.judge(tt.heard, "a", func(_, _ mono.Time) time.Duration { return tt.stood })
		if tt.busy.OK() != tt.ok {
			t.Errorf("%s: %v, want %v", tt.name, tt.busy.OK(), tt.ok)
		}
		if tt.busy.Gap != busyInterval {
			t.Errorf("%s: gap %v, want %v", tt.name, tt.busy.Gap, busyInterval)
		}
	}
}
