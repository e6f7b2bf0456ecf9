package vrrp

import (
	"testing"
	"time"
)

// TestABackupTakesNewTimesAtOnce: what a backup counts when it is reconfigured, it counts on by the new
// configuration, and does not end by the one of when it began.
func TestABackupTakesNewTimesAtOnce(t *testing.T) {
	const change, end = 2500 * time.Millisecond, 20 * time.Second
	for _, tt := range []struct {
		name        string
		master      Priority // whose adverts are heard each second
		silentAfter time.Duration
		before      func(*Config)
		after       func(*Config)
		want        time.Duration
	}{
		{"the master is given more time", 150, time.Second, nil,
			func(c *Config) { c.DownAdverts = 5 }, 6*time.Second + 609375*time.Microsecond},
		{"the master is given less time", 150, time.Second, func(c *Config) { c.DownAdverts = 5 },
			func(c *Config) { c.DownAdverts = 2 }, 3*time.Second + 609375*time.Microsecond},
		{"preemption waits longer", 50, end, func(c *Config) { c.PreemptDelay = 3 * time.Second },
			func(c *Config) { c.PreemptDelay = 6 * time.Second }, 8*time.Second + 609375*time.Microsecond},
		{"preemption waits less", 50, end, func(c *Config) { c.PreemptDelay = time.Minute },
			func(c *Config) { c.PreemptDelay = 3 * time.Second }, 5*time.Second + 609375*time.Microsecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := testConfig(100)
			if tt.before != nil {
				tt.before(&cfg)
			}
			m, begin := running(t, cfg), Instant(time.Hour)
			for at := time.Duration(0); at <= end && m.state == Backup; at += 500 * time.Millisecond {
				if at%time.Second == 0 && at <= tt.silentAfter {
					drive(m, begin.Add(at), advertFrom("10.9.0.2", tt.master, begin.Add(at)))
				}
				if at == change {
					tt.after(&cfg)
					drive(m, begin.Add(at), Reconfigured{Config: cfg})
				}
				if due, ok := m.Deadline(); ok && due < begin.Add(at+500*time.Millisecond) {
					drive(m, due, TimerFired{})
				}
			}
			if got := m.since.Sub(begin); m.state != Master || got != tt.want {
				t.Errorf("is %v since %v, want master since %v", m.state, got, tt.want)
			}
		})
	}
}
