package vrrp

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestValidate(t *testing.T) {
	v6 := netip.MustParseAddr("2001:db8::1")
	for _, c := range []struct {
		change func(*Config)
		want   string // in the error; empty: valid
	}{
		{func(*Config) {}, ""},
		{func(c *Config) { *c = Config{VRID: 1, Addresses: c.Addresses} }, ""},
		{func(c *Config) { c.Addresses = []netip.Addr{v6}; c.Source = netip.Addr{} }, ""},
		{func(c *Config) { c.VRID = 0 }, "virtual router id"},
		{func(c *Config) { c.Version = 4 }, "version"},
		{func(c *Config) { c.Version = 2; c.Addresses = []netip.Addr{v6}; c.Source = v6 }, "IPv4 only"},
		{func(c *Config) { c.Version = 2; c.Interval = 1500 * time.Millisecond }, "whole seconds"},
		{func(c *Config) { c.Interval = 15 * time.Millisecond }, "centiseconds"},
		{func(c *Config) { c.Interval = -time.Second }, "interval"},
		{func(c *Config) { c.Interval = 41 * time.Second }, "interval"},
		{func(c *Config) { c.DownAdverts = 101 }, "down adverts"},
		{func(c *Config) { c.Addresses = nil }, "0 addresses"},
		{func(c *Config) { c.Addresses = append(c.Addresses, v6) }, "one family"},
		{func(c *Config) { c.Addresses = append(c.Addresses, netip.Addr{}) }, "one family"},
		{func(c *Config) { c.Source = v6 }, "source"},
		{func(c *Config) { c.Lease = 1500 * time.Millisecond }, "whole seconds"},
		{func(c *Config) { c.Lease = time.Second }, "lease 1s ends before"},
		{func(c *Config) { c.PreemptDelay = -1 }, "delay"},
		{func(c *Config) { c.Announce.Offsets = []time.Duration{2, 1} }, "ascending"},
		{func(c *Config) { c.Announce.Offsets = []time.Duration{-1, 1} }, "ascending"},
	} {
		cfg := testConfig(100)
		c.change(&cfg)
		err := cfg.Validate()
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%+v: %v", cfg, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("error %v, want one with %q", err, c.want)
		}
	}
}

func TestJSON(t *testing.T) {
	m := running(t, testConfig(100))
	m.Step(m.now.Add(time.Second), advertFrom("10.9.0.2", 200, m.now.Add(time.Second)))
	m.Step(m.now, AdvertReceived{Source: netip.MustParseAddr("10.9.0.3"), Version: 2, Priority: 0, Interval: time.Second, Addresses: m.cfg.Addresses})
	roundTrip(t, testConfig(255))
	roundTrip(t, Config{VRID: 7})
	roundTrip(t, m.Saved())
	roundTrip(t, m.Status())
	roundTrip(t, New(testConfig(1)).Status())
	roundTrip(t, Transition{From: Backup, To: Master, Reason: ReasonMasterDown, Peer: m.source})
	roundTrip(t, Finding{Reason: FindingInterval, Ours: "1s", Theirs: "2s"})
}

func roundTrip[T any](t *testing.T, v T) {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var back T
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if !reflect.DeepEqual(v, back) {
		t.Errorf("%T became\n%+v, was\n%+v", v, back, v)
	}
}

// FuzzText: what a scalar accepts, it writes back as the same value.
func FuzzText(f *testing.F) {
	for _, s := range []string{"1", "255", "0", "256", "2", "3", "-1", "", "backup", "master", "fault", "initialize", "007"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		again[VRID](t, s)
		again[Priority](t, s)
		again[Version](t, s)
		again[State](t, s)
	})
}

func again[T comparable, P interface {
	*T
	UnmarshalText([]byte) error
	MarshalText() ([]byte, error)
}](t *testing.T, s string) {
	var v, back T
	if P(&v).UnmarshalText([]byte(s)) != nil {
		if v != back {
			t.Errorf("%q is refused and changes the value to %v", s, v)
		}
		return
	}
	text, err := P(&v).MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	if err := P(&back).UnmarshalText(text); err != nil || back != v {
		t.Errorf("%q is %v, its text %q is %v: %v", s, v, text, back, err)
	}
}
