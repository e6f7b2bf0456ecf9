package vrrp

import (
	"net/netip"
	"slices"
	"testing"
	"time"
)

// longMaster is a master that has nothing to announce any more, and says since when.
func longMaster(t *testing.T) (*Machine, Instant) {
	cfg := testConfig(200)
	cfg.Announce = Announcements{Offsets: []time.Duration{0}, Refresh: -1}
	m, now := running(t, cfg), Instant(2*time.Hour)
	until[Send](m, now)
	return m, now
}

// theft has a stranger announce an address of a master at the given times after it has long been one, and returns when the master announced it,
// counted from the same time, until the end.
func theft(t *testing.T, end time.Duration, at ...time.Duration) (times []time.Duration) {
	t.Helper()
	m, begin := longMaster(t)
	note := func(announced ...Instant) {
		for _, a := range announced {
			times = append(times, a.Sub(begin))
		}
	}
	for _, a := range at {
		now := begin.Add(a)
		note(until[Announce](m, now)...)
		for _, e := range drive(m, now, AnnouncementHeard{Address: netip.MustParseAddr("10.9.0.100"), By: "02:00:00:00:00:07"}) {
			if _, ok := e.(Announce); ok {
				note(now)
			}
		}
	}
	note(until[Announce](m, begin.Add(end))...)
	return times
}

// Whoever announces an address of ours is answered at once, at a bounded rate, and the last word is ours.
func TestTheLastWordIsOurs(t *testing.T) {
	var often []time.Duration
	for at := time.Duration(0); at < 5*time.Second; at += 50 * time.Millisecond {
		often = append(often, at)
	}
	ms := time.Millisecond
	for _, tt := range []struct {
		name string
		at   []time.Duration
		want []time.Duration
	}{
		{"once", []time.Duration{0}, []time.Duration{0, 1000 * ms}},
		{"twice at once, as many programs do", []time.Duration{0, 1 * ms}, []time.Duration{0, 1001 * ms}},
		{"again when we may answer at once", []time.Duration{0, 3 * time.Second}, []time.Duration{0, 1000 * ms, 3000 * ms, 4000 * ms}},
		{"all the time", often, []time.Duration{0, 1000 * ms, 2000 * ms, 3000 * ms, 4000 * ms, 5950 * ms}},
	} {
		if got := theft(t, 20*time.Second, tt.at...); !slices.Equal(got, tt.want) {
			t.Errorf("%s: announced at %v, want %v", tt.name, got, tt.want)
		}
	}
}

// One that objects to every objection is left alone for longer and longer: two masters that do not hear each other's adverts must not make the clients
// change sides every second.
func TestTwoThatObjectToEachOtherTire(t *testing.T) {
	heard := AnnouncementHeard{Address: netip.MustParseAddr("10.9.0.100")}
	first, begin := longMaster(t)
	second, _ := longMaster(t)
	all := []*Machine{first, second}
	var times []time.Duration
	// say has everybody hear what the effects of machine i announce, a millisecond later each time.
	var say func(i int, now Instant, effects []Effect)
	say = func(i int, now Instant, effects []Effect) {
		for _, e := range effects {
			if _, ok := e.(Announce); ok {
				times = append(times, now.Sub(begin).Round(time.Second))
				now = now.Add(time.Millisecond)
				say(1-i, now, drive(all[1-i], now, heard))
			}
		}
	}
	say(0, begin, []Effect{Announce{}})
	for now := begin; now < begin.Add(10*time.Minute); {
		i, at := 0, never
		for j, m := range all {
			if d, ok := m.Deadline(); ok && d < at {
				i, at = j, d
			}
		}
		now = max(now, at)
		say(i, now, drive(all[i], now, TimerFired{}))
	}
	var want []time.Duration
	for _, n := range []int{0, 1, 2, 4, 6, 10, 14, 22, 30, 46, 62, 94, 126, 186, 246, 306, 366, 426, 486, 546} {
		want = append(want, time.Duration(n)*time.Second)
	}
	if got := slices.Compact(times); !slices.Equal(got, want) {
		t.Errorf("announced at %v, want %v", got, want)
	}
}

// The last word waits for the addresses, if they are just being put back.
func TestTheLastWordIsNotOfWhatIsNotHeld(t *testing.T) {
	m, begin := longMaster(t)
	at := func(ms int) Instant { return begin.Add(time.Duration(ms) * time.Millisecond) }
	a := m.cfg.Addresses[0]
	drive(m, at(0), AnnouncementHeard{Address: a})
	cfg := m.cfg
	cfg.Lease = 5 * time.Second
	drive(m, at(985), Reconfigured{Config: cfg}) // claims
	drive(m, at(990), AddressLost{Address: a})   // too soon to claim again
	if got, want := until[Announce](m, at(5000)), []Instant{at(1005)}; !slices.Equal(got, want) {
		t.Errorf("announced at %v, want %v", got, want)
	}
}
