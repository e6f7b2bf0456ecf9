package vrrp

import (
	"testing"
	"time"
)

// steadyMaster returns a step of a master to which nothing happens.
func steadyMaster(tb testing.TB) func() {
	cfg := testConfig(200)
	cfg.Announce.Refresh = -1
	m := running(tb, cfg)
	until[Send](m, Instant(time.Hour+10*time.Second))
	return func() {
		at, _ := m.Deadline()
		for _, e := range m.Step(at, TimerFired{}) {
			if _, ok := e.(Send); !ok {
				tb.Fatalf("unexpected %v", e)
			}
		}
		for range m.Step(at, AdvertSent{}) {
			m.Step(at, Renewed{})
		}
	}
}

// steadyBackup returns a step of a backup that hears its master.
func steadyBackup(tb testing.TB) func() {
	m := running(tb, testConfig(100))
	ad := advertFrom("10.9.0.2", 200, m.now)
	return func() {
		ad.ReceivedAt = ad.ReceivedAt.Add(time.Second)
		if effects := m.Step(ad.ReceivedAt, ad); len(effects) != 0 {
			tb.Fatalf("unexpected %v", effects)
		}
		m.Deadline()
	}
}

// TestAllocations: the steady state allocates nothing.
func TestAllocations(t *testing.T) {
	if n := testing.AllocsPerRun(1000, steadyMaster(t)); n != 0 {
		t.Errorf("a master allocates %v times an interval", n)
	}
	step := steadyBackup(t)
	step() // the first advert of a peer is remembered
	if n := testing.AllocsPerRun(1000, step); n != 0 {
		t.Errorf("a backup allocates %v times an advert", n)
	}
}

func BenchmarkSteadyMaster(b *testing.B) {
	step := steadyMaster(b)
	b.ReportAllocs()
	for b.Loop() {
		step()
	}
}

func BenchmarkSteadyBackup(b *testing.B) {
	step := steadyBackup(b)
	b.ReportAllocs()
	for b.Loop() {
		step()
	}
}
