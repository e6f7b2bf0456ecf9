package vrrptest

import (
	"math"
	"testing"
	"time"

	"github.com/lbha/lbha/vrrp"
)

// TestFalseTakeoversAtTheRateOfTheory: a backup that loses adverts with probability p takes over
// when k in a row are lost, and not more often: on average each a / (p^k (1 - p)), which is what the
// operator of a lossy network chooses k by.
func TestFalseTakeoversAtTheRateOfTheory(t *testing.T) {
	t.Parallel()
	const (
		interval = 10 * time.Millisecond
		patience = 10_000 / schedules // the race detector gets a part of the time, and a wider margin with it
	)
	for _, c := range []struct {
		loss    float64
		adverts int
		length  time.Duration
	}{
		{0.05, 3, 80 * time.Minute},
		{0.2, 3, 3 * time.Minute},
		{0.2, 5, 40 * time.Minute},
		{0.01, 2, 90 * time.Minute},
		{0.01, 5, 20 * time.Minute}, // never
	} {
		l := New(1)
		for i, name := range []string{"a", "b"} {
			l.Add(name, vrrp.Config{
				Name: name, VRID: 51, Version: vrrp.Version3, Interval: interval, DownAdverts: c.adverts,
				Priority: vrrp.Priority(200 - 100*i), Preempt: true, Addresses: vips(1),
				Announce: vrrp.Announcements{Offsets: []time.Duration{0}, Refresh: -1},
			}).Start(false)
		}
		l.Advance(time.Second)
		l.Network.Loss = c.loss
		before := l.Node("b").Router.Status().Counters.BecameMaster
		c.length /= patience
		l.Advance(c.length)
		got := float64(l.Node("b").Router.Status().Counters.BecameMaster - before)
		mean := interval.Seconds() / (math.Pow(c.loss, float64(c.adverts)) * (1 - c.loss))
		want := c.length.Seconds() / mean
		t.Logf("loss %v, %d adverts: %v takeovers in %v, %.1f by theory", c.loss, c.adverts, got, c.length, want)
		if deviation := 4 * math.Sqrt(want); math.Abs(got-want) > deviation+0.05*want {
			t.Errorf("loss %v, %d adverts: %v takeovers, want %.1f ± %.1f", c.loss, c.adverts, got, want, deviation)
		}
		for _, v := range l.Violations() {
			t.Error(v)
		}
	}
}
