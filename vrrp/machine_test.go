package vrrp

import (
	"errors"
	"net/netip"
	"testing"
	"time"
)

// The behaviour of the machine is shown by the transcripts of vrrptest, and
// checked by its properties. Here is what needs one machine alone.

func testConfig(p Priority) Config {
	return Config{
		Name: "test", VRID: 51, Version: Version3, Priority: p, Interval: time.Second, Preempt: true,
		Addresses: []netip.Addr{netip.MustParseAddr("10.9.0.100")},
		Source:    netip.MustParseAddr("10.9.0.1"),
		Lease:     2 * time.Second,
	}
}

func advertFrom(source string, p Priority, at Instant) AdvertReceived {
	return AdvertReceived{
		Source: netip.MustParseAddr(source), Version: Version3, Priority: p, Interval: time.Second,
		Addresses: []netip.Addr{netip.MustParseAddr("10.9.0.100")}, ReceivedAt: at,
	}
}

// running returns a machine that was started at an hour.
func running(tb testing.TB, cfg Config) *Machine {
	tb.Helper()
	m := New(cfg)
	m.Step(Instant(time.Hour), Started{})
	return m
}

// drive steps a machine over a kernel that always obeys, and returns what it did.
func drive(m *Machine, now Instant, ev Event) []Effect {
	effects := append([]Effect(nil), m.Step(now, ev)...)
	all := effects
	for _, e := range effects {
		switch e.(type) {
		case Send:
			all = append(all, drive(m, now, AdvertSent{})...)
		case Claim:
			all = append(all, drive(m, now, Claimed{})...)
		case Renew:
			all = append(all, drive(m, now, Renewed{})...)
		case Release:
			all = append(all, drive(m, now, Released{})...)
		case Announce:
			all = append(all, drive(m, now, Announced{})...)
		}
	}
	return all
}

// until drives a machine by its own timer, and returns the times of the effects
// of type E.
func until[E Effect](m *Machine, end Instant) []Instant {
	var times []Instant
	for {
		at, ok := m.Deadline()
		if !ok || at > end {
			return times
		}
		for _, e := range drive(m, at, TimerFired{}) {
			if _, ok := e.(E); ok {
				times = append(times, at)
			}
		}
	}
}

// TestSchedule: adverts are exactly an interval apart, for an hour.
func TestSchedule(t *testing.T) {
	m := running(t, testConfig(200))
	sent := until[Send](m, Instant(2*time.Hour))
	if len(sent) < 3590 {
		t.Fatalf("%d adverts in an hour", len(sent))
	}
	for i := 1; i < len(sent); i++ {
		if gap := sent[i].Sub(sent[i-1]); gap != time.Second {
			t.Fatalf("advert %d comes %v after the one before", i, gap)
		}
	}
}

// TestLateness: a late timer moves no later advert, and is not made up for.
func TestLateness(t *testing.T) {
	m := running(t, testConfig(200))
	first := until[Send](m, Instant(time.Hour+4*time.Second))[0]
	for _, c := range []struct{ fires, next time.Duration }{
		{1100 * time.Millisecond, 2 * time.Second},
		{2000 * time.Millisecond, 3 * time.Second},
		{4900 * time.Millisecond, 5 * time.Second}, // 1.9 s late: two are missing
	} {
		sends := 0
		for _, e := range drive(m, first.Add(c.fires), TimerFired{}) {
			if _, ok := e.(Send); ok {
				sends++
			}
		}
		if at := m.master.advertAt; sends != 1 || at != first.Add(c.next) {
			t.Errorf("at %v: %d adverts, the next at %v, want %v", c.fires, sends, at.Sub(first), c.next)
		}
	}
}

// TestRenewals: no more often than needed, and so that one lost renewal does no
// harm.
func TestRenewals(t *testing.T) {
	for _, c := range []struct{ interval, lease, period time.Duration }{
		{10 * time.Millisecond, time.Second, 250 * time.Millisecond},
		{100 * time.Millisecond, time.Second, 300 * time.Millisecond},
		{500 * time.Millisecond, time.Second, 500 * time.Millisecond},
		{time.Second, 2 * time.Second, time.Second},
		{2 * time.Second, 5 * time.Second, 2 * time.Second},
	} {
		cfg := testConfig(200)
		cfg.Interval, cfg.Lease = c.interval, c.lease
		m := running(t, cfg)
		times := until[Renew](m, Instant(2*time.Hour))
		for i := 1; i < len(times); i++ {
			gap := times[i].Sub(times[i-1])
			if gap != c.period && gap != c.period-c.interval {
				t.Errorf("interval %v, lease %v: renewed after %v, want %v", c.interval, c.lease, gap, c.period)
				break
			}
			if 2*gap > c.lease {
				t.Errorf("interval %v: one lost renewal ends the lease of %v", c.interval, c.lease)
				break
			}
		}
	}
}

// TestAnnouncements: the schedule, and then the refresh.
func TestAnnouncements(t *testing.T) {
	m := running(t, testConfig(200))
	times := until[Announce](m, Instant(time.Hour+130*time.Second))
	want := []time.Duration{0, 100 * time.Millisecond, 300 * time.Millisecond, time.Second, 3 * time.Second, 63 * time.Second, 123 * time.Second}
	if len(times) != len(want) {
		t.Fatalf("%d announcements, want %d", len(times), len(want))
	}
	for i, at := range times {
		if at.Sub(times[0]) != want[i] {
			t.Errorf("announcement %d after %v, want %v", i, at.Sub(times[0]), want[i])
		}
	}
}

// TestDeadlineOfBackup: from the time at which the kernel received the advert,
// never backwards, and never from the future.
func TestDeadlineOfBackup(t *testing.T) {
	m := running(t, testConfig(100))
	down := MasterDown(Version3, 100, time.Second, 3)
	now := Instant(time.Hour + time.Second)
	for _, c := range []struct {
		name     string
		received time.Duration // before now
		want     time.Duration // the silence counts from so long before now
	}{
		{"late", 300 * time.Millisecond, 300 * time.Millisecond},
		{"older than the last", 400 * time.Millisecond, 300 * time.Millisecond},
		{"in the future", -time.Second, 0},
	} {
		m.Step(now, advertFrom("10.9.0.2", 200, now.Add(-c.received)))
		if at, _ := m.Deadline(); at != now.Add(down-c.want) {
			t.Errorf("%s: timer in %v, want %v", c.name, at.Sub(now), down-c.want)
		}
	}
	// The interval is the master's.
	ad := advertFrom("10.9.0.2", 200, now)
	ad.Interval = 2 * time.Second
	m.Step(now, ad)
	if at, _ := m.Deadline(); at != now.Add(2*down) {
		t.Errorf("timer in %v, want %v", at.Sub(now), 2*down)
	}
	// A change of priority counts at once.
	m.Step(now, TrackChanged{Adjust: 100})
	if at, _ := m.Deadline(); at != now.Add(2*MasterDown(Version3, 200, time.Second, 3)) {
		t.Errorf("timer in %v after a change of priority", at.Sub(now))
	}
}

// TestPriorityIsClamped: what is tracked cannot make an owner, nor a resignation.
func TestPriorityIsClamped(t *testing.T) {
	for _, c := range []struct {
		configured Priority
		adjust     int
		want       Priority
	}{{100, 0, 100}, {100, 20, 120}, {100, 1000, 254}, {100, -1000, 1}, {255, -100, 255}} {
		m := running(t, testConfig(c.configured))
		m.Step(Instant(time.Hour), TrackChanged{Adjust: c.adjust})
		if got := m.Priority(); got != c.want {
			t.Errorf("%d%+d is %d, want %d", c.configured, c.adjust, got, c.want)
		}
	}
}

// TestConcedes: who was master says so until another announces the addresses, for a minute, and
// only where announcements can be heard.
func TestConcedes(t *testing.T) {
	heard := AnnouncementHeard{Address: netip.MustParseAddr("10.9.0.100"), By: "02:00:00:00:00:07"}
	words := func(before, after Event) (n int, last time.Duration) {
		m := running(t, testConfig(100))
		until[Send](m, Instant(time.Hour+10*time.Second))
		drive(m, m.now, before)
		begin := m.now
		for ; m.now < begin.Add(2*time.Minute); m.now += Instant(time.Second) {
			for _, e := range drive(m, m.now, advertFrom("10.9.0.2", 200, m.now)) {
				if s, ok := e.(Send); ok && m.now > begin {
					if s.Priority != PriorityLowest {
						t.Errorf("concedes with priority %d", s.Priority)
					}
					n, last = n+1, m.now.Sub(begin)
				}
			}
			if m.now == begin {
				drive(m, m.now, after)
			}
		}
		return n, last
	}
	if n, last := words(heard, TimerFired{}); n != 13 || last > time.Minute {
		t.Errorf("%d words, the last after %v, of who hears no announcement", n, last)
	}
	if n, _ := words(heard, heard); n != 0 {
		t.Errorf("%d words of who has heard an announcement", n)
	}
	if n, _ := words(TimerFired{}, TimerFired{}); n != 0 {
		t.Errorf("%d words where no announcement can be heard", n)
	}
}

// TestFindingsExpire: who has gone is no mismatch any more.
func TestFindingsExpire(t *testing.T) {
	m := running(t, testConfig(200))
	until[Send](m, Instant(time.Hour+6*time.Second))
	ad := advertFrom("10.9.0.2", 50, m.now)
	ad.Interval = 3 * time.Second
	m.Step(m.now, ad)
	if n := len(m.Status().Findings); n != 2 { // and two masters
		t.Fatalf("findings: %+v", m.Status().Findings)
	}
	until[Send](m, Instant(time.Hour+2*time.Minute))
	if f := m.Status().Findings; len(f) != 0 {
		t.Errorf("findings that remain: %+v", f)
	}
}

func TestMisuse(t *testing.T) {
	other := testConfig(100)
	other.VRID = 52
	v6 := testConfig(100)
	v6.Addresses, v6.Source = []netip.Addr{netip.MustParseAddr("2001:db8::1")}, netip.Addr{}
	for name, misuse := range map[string]func(*Machine){
		"invalid configuration": func(*Machine) { New(Config{}) },
		"started twice":         func(m *Machine) { m.Step(0, Started{}) },
		"another VRID":          func(m *Machine) { m.Step(0, Reconfigured{Config: other}) },
		"another family":        func(m *Machine) { m.Step(0, Reconfigured{Config: v6}) },
		"no event":              func(m *Machine) { m.Step(0, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			m := running(t, testConfig(100))
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			misuse(m)
		})
	}
}

// TestLateEvents: outcomes and timers of a role that is over change nothing.
func TestLateEvents(t *testing.T) {
	failed := errors.New("failed")
	for _, state := range []Event{Stopped{}, LinkChanged{}, nil} {
		m := running(t, testConfig(100))
		if state != nil {
			drive(m, m.now, state)
		}
		before, _ := m.Deadline()
		for _, ev := range []Event{
			TimerFired{}, AdvertSent{}, AdvertSent{failed}, Claimed{}, Claimed{failed}, Renewed{}, Renewed{failed},
			Announced{}, Announced{failed}, Released{}, AddressLost{}, AnnouncementHeard{}, HandOverLifted{},
		} {
			if effects := m.Step(m.now, ev); len(effects) != 0 {
				t.Errorf("%v: %T caused %v", m.state, ev, effects)
			}
			if at, _ := m.Deadline(); at != before {
				t.Errorf("%v: %T moved the timer", m.state, ev)
			}
		}
	}
}
