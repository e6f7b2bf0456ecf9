package vrrp

import (
	"net/netip"
	"testing"
	"time"
)

// TestPeersAreBounded: a segment full of strangers costs no memory.
func TestPeersAreBounded(t *testing.T) {
	m := running(t, testConfig(200))
	for i := range 1000 {
		ad := advertFrom("10.9.0.2", 50, Instant(time.Hour).Add(time.Duration(i)))
		ad.Source = netip.AddrFrom4([4]byte{10, 9, byte(i >> 8), byte(i)})
		m.Step(ad.ReceivedAt, ad)
	}
	if n := len(m.Status().Peers); n != maxPeers {
		t.Errorf("%d peers are remembered, want %d", n, maxPeers)
	}
}

// TestAForeignAnnouncementNamesItsSender: the finding holds the evidence, as far as there is any.
func TestAForeignAnnouncementNamesItsSender(t *testing.T) {
	for by, want := range map[string]string{
		"":                  "10.9.0.100 is announced, packets heard: 1 in 0s",
		"02:00:00:00:00:07": "10.9.0.100 is announced by 02:00:00:00:00:07, packets heard: 1 in 0s",
	} {
		m := running(t, testConfig(200))
		at := until[Send](m, Instant(time.Hour+10*time.Second))
		var got []string
		for _, e := range drive(m, at[len(at)-1], AnnouncementHeard{Address: netip.MustParseAddr("10.9.0.100"), By: by}) {
			if f, ok := e.(Finding); ok {
				got = append(got, f.Detail)
			}
		}
		if len(got) != 1 || got[0] != want {
			t.Errorf("announced by %q: %q, want %q", by, got, want)
		}
	}
}

// TestStrangersAreBounded: who announces hundreds of addresses, hundreds of times, makes few findings.
func TestStrangersAreBounded(t *testing.T) {
	m := running(t, testConfig(200))
	until[Send](m, Instant(time.Hour+10*time.Second))
	begin, found := m.now, 0
	for i := range 500 {
		at := begin.Add(time.Duration(i%250) * time.Millisecond)
		for _, e := range drive(m, at, AnnouncementHeard{Address: netip.AddrFrom4([4]byte{10, 9, 1, byte(i % 250)}), By: "02:00:00:00:00:07"}) {
			if _, ok := e.(Finding); ok {
				found++
			}
		}
	}
	if n := len(m.Status().Findings); n != maxStrangers || found != maxStrangers {
		t.Errorf("%d findings last, %d were reported; want %d", n, found, maxStrangers)
	}
	if f := m.Status().Findings[0]; f.Since != begin {
		t.Errorf("found since %v, want %v", f.Since, begin)
	}
	drive(m, m.now, advertFrom("10.9.0.2", 250, m.now))
	if f := m.Status().Findings; len(f) != 0 {
		t.Errorf("findings of a backup: %+v", f)
	}
}
