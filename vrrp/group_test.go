package vrrp

import (
	"testing"
	"time"
)

// The behaviour of groups is shown by the transcripts of vrrptest, and checked by
// its properties. Here is what needs a group alone.

// driveGroup steps a group over a kernel that always obeys.
func driveGroup(g *Group, now Instant, member int, ev Event) []MemberEffect {
	effects := append([]MemberEffect(nil), g.Step(now, member, ev)...)
	all := effects
	for _, e := range effects {
		var outcome Event
		switch e.Effect.(type) {
		case Send:
			outcome = AdvertSent{}
		case Claim:
			outcome = Claimed{}
		case Renew:
			outcome = Renewed{}
		case Release:
			outcome = Released{}
		case Announce:
			outcome = Announced{}
		default:
			continue
		}
		all = append(all, driveGroup(g, now, e.Member, outcome)...)
	}
	return all
}

// groupUntil drives a group by its own timer.
func groupUntil(g *Group, end Instant) {
	for at, ok := g.Deadline(); ok && at <= end; at, ok = g.Deadline() {
		driveGroup(g, at, 0, TimerFired{})
	}
}

func memberConfig(name string, vrid VRID, p Priority) Config {
	c := testConfig(p)
	c.Name, c.VRID = name, vrid
	return c
}

// pair returns a group of two that was started at an hour.
func pair(tb testing.TB, p Priority) (*Group, *Machine, *Machine) {
	tb.Helper()
	one, two := New(memberConfig("one", 51, p)), New(memberConfig("two", 52, p))
	g := NewGroup(one, two)
	for i := range 2 {
		driveGroup(g, Instant(time.Hour), i, Started{})
	}
	return g, one, two
}

func wantStates(t *testing.T, when string, want State, members ...*Machine) {
	t.Helper()
	for _, m := range members {
		if m.State() != want {
			t.Errorf("%s: %s is %v, want %v", when, m.cfg.Name, m.State(), want)
		}
	}
}

// TestGroupStart: a group begins when its last member was started.
func TestGroupStart(t *testing.T) {
	one, two := New(memberConfig("one", 51, 255)), New(memberConfig("two", 52, 255))
	g := NewGroup(one, two)
	if effects := g.Step(Instant(time.Hour), 0, Started{}); len(effects) != 0 {
		t.Errorf("one of two was started: %v", effects)
	}
	if at, ok := g.Deadline(); ok {
		t.Errorf("a timer is armed for %v", at)
	}
	driveGroup(g, Instant(time.Hour), 1, Started{})
	wantStates(t, "two owners", Master, one, two)

	// Stopped before that, it is finished.
	one, two = New(memberConfig("one", 51, 100)), New(memberConfig("two", 52, 100))
	g = NewGroup(one, two)
	g.Step(Instant(time.Hour), 0, Started{})
	if effects := g.Step(Instant(time.Hour), 0, Stopped{}); len(effects) != 2 {
		t.Errorf("stopped: %v, want Finished of both", effects)
	}
	g.Step(Instant(time.Hour), 1, Started{})
	wantStates(t, "started, stopped and started", Initialize, one, two)
}

// TestGroupPriority: the lowest of the members', but for a hand-over.
func TestGroupPriority(t *testing.T) {
	g, one, two := pair(t, 200)
	want := func(when string, p Priority) {
		t.Helper()
		if one.Priority() != p || two.Priority() != p {
			t.Errorf("%s: priorities %d and %d, want %d", when, one.Priority(), two.Priority(), p)
		}
	}
	want("at first", 200)
	driveGroup(g, g.now, 1, TrackChanged{Adjust: -50})
	want("tracked", 150)
	groupUntil(g, g.now.Add(10*time.Second))
	wantStates(t, "after ten seconds", Master, one, two)
	driveGroup(g, g.now, 0, HandOver{})
	want("handing over", 1)
	sent := 0
	for _, e := range driveGroup(g, g.now, 0, HandOverLifted{}) {
		if s, ok := e.Effect.(Send); ok && s.Priority == 150 {
			sent++
		}
	}
	want("lifted", 150)
	if sent != 2 {
		t.Errorf("%d members say so at once, want 2", sent)
	}
	driveGroup(g, g.now, 1, TrackChanged{})
	want("no longer tracked", 200)
}

// TestGroupWaitsForTheLast: no takeover while one member hears a master.
func TestGroupWaitsForTheLast(t *testing.T) {
	g, one, two := pair(t, 100)
	for range 20 {
		now := g.now.Add(time.Second)
		groupUntil(g, now)
		driveGroup(g, now, 1, advertFrom("10.9.0.2", 200, now))
	}
	wantStates(t, "one member hears a master", Backup, one, two)
	last := g.now
	groupUntil(g, last.Add(10*time.Second))
	wantStates(t, "silence", Master, one, two)
	if want := last.Add(MasterDown(Version3, 100, time.Second, 3)); two.Status().Since != want {
		t.Errorf("takeover after %v, want %v", two.Status().Since.Sub(last), want.Sub(last))
	}
	if one.reason != ReasonGroup || one.detail != "two" || two.reason != ReasonMasterDown {
		t.Errorf("reasons %s (%s) and %s", one.reason, one.detail, two.reason)
	}
}

// TestDisband: the members go on alone, and can be put together again.
func TestDisband(t *testing.T) {
	g, one, two := pair(t, 100)
	driveGroup(g, g.now, 1, LinkChanged{Up: false, Source: two.source})
	wantStates(t, "a link is down", Fault, one, two)
	now := g.now
	g.Disband()
	for at, ok := one.Deadline(); ok && at < now.Add(10*time.Second); at, ok = one.Deadline() {
		drive(one, at, TimerFired{})
	}
	wantStates(t, "disbanded", Master, one)
	wantStates(t, "disbanded", Fault, two)

	g = NewGroup(one, two)
	at, ok := g.Deadline()
	if !ok || at > one.now {
		t.Fatalf("timer %v, %v: members of several states have to be brought together at once", at, ok)
	}
	driveGroup(g, one.now, 0, TimerFired{})
	wantStates(t, "grouped again", Fault, one, two)
}

func TestGroupMisuse(t *testing.T) {
	for name, misuse := range map[string]func(*Group){
		"started twice":       func(g *Group) { g.Step(0, 0, Started{}) },
		"running and not":     func(g *Group) { NewGroup(g.members[0], New(testConfig(100))) },
		"no such member":      func(g *Group) { g.Step(0, 2, Announced{}) },
		"no event":            func(g *Group) { g.Step(0, 0, nil) },
		"stepped, disbanded":  func(g *Group) { g.Disband(); g.Step(0, 0, Announced{}) },
		"a member's new VRID": func(g *Group) { g.Step(0, 0, Reconfigured{Config: memberConfig("one", 53, 100)}) },
	} {
		t.Run(name, func(t *testing.T) {
			g, _, _ := pair(t, 100)
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			misuse(g)
		})
	}
}

// TestGroupAllocations: the steady state of a group allocates nothing.
func TestGroupAllocations(t *testing.T) {
	g, one, two := pair(t, 200)
	for _, m := range g.members {
		m.cfg.Announce.Refresh = -1
	}
	groupUntil(g, Instant(time.Hour+10*time.Second))
	wantStates(t, "after ten seconds", Master, one, two)
	master := func() {
		at, _ := g.Deadline()
		g.Step(at, 0, TimerFired{})
		for i := range 2 {
			for range g.Step(at, i, AdvertSent{}) {
				g.Step(at, i, Renewed{})
			}
		}
	}
	if n := testing.AllocsPerRun(1000, master); n != 0 {
		t.Errorf("a master allocates %v times an interval", n)
	}
	g, _, _ = pair(t, 100)
	ad := advertFrom("10.9.0.2", 200, g.now)
	backup := func() {
		ad.ReceivedAt = ad.ReceivedAt.Add(time.Second)
		g.Step(ad.ReceivedAt, 0, ad)
		g.Step(ad.ReceivedAt, 1, ad)
		g.Deadline()
	}
	backup()
	if n := testing.AllocsPerRun(1000, backup); n != 0 {
		t.Errorf("a backup allocates %v times an advert", n)
	}
}
