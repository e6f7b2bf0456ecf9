package elector

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/vrrp"
)

// scheduled is a group of one with a deadline.
func scheduled(interval time.Duration, at vrrp.Instant) *group {
	return &group{members: []*instance{{cfg: config.Instance{Interval: interval}}}, at: at}
}

func TestTheScheduleFindsWhatIsDue(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var s schedule
	for range 1000 {
		s.add(scheduled(time.Second, vrrp.Instant(random.IntN(1000))))
	}
	for range 300 {
		s.remove(s[random.IntN(len(s))])
	}
	for place, g := range s {
		if g.place != place {
			t.Fatalf("a group is at %d and believes to be at %d", place, g.place)
		}
	}
	for _, at := range []vrrp.Instant{-1, 0, 10, 500, 999, 5000} {
		want := 0
		for _, g := range s {
			if g.at <= at {
				want++
			}
		}
		due := s.due(nil, at)
		if len(due) != want || slices.ContainsFunc(due, func(g *group) bool { return g.at > at }) {
			t.Errorf("at %d %d are due, want %d", at, len(due), want)
		}
	}
}

func TestCloseDeadlinesShareAWakeUp(t *testing.T) {
	const ms = vrrp.Instant(time.Millisecond)
	for _, tt := range []struct {
		name     string
		interval time.Duration
		at       []vrrp.Instant
		want     vrrp.Instant
	}{
		{"none", time.Second, nil, never},
		{"no deadline", time.Second, []vrrp.Instant{never, never}, never},
		{"one", time.Second, []vrrp.Instant{5 * ms}, 5 * ms},
		{"far apart", 100 * time.Millisecond, []vrrp.Instant{5 * ms, 6 * ms, 7 * ms}, 5 * ms},
		{"close", 100 * time.Millisecond, []vrrp.Instant{5 * ms, 7 * ms, 5*ms + ms/4}, 5*ms + ms/2},
		{"close, but not for a short interval", 10 * time.Millisecond, []vrrp.Instant{5 * ms, 5*ms + ms/4}, 5 * ms},
		{"close for a long one: bounded", 10 * time.Second, []vrrp.Instant{5 * ms, 5*ms + ms/4}, 5*ms + ms/2},
	} {
		var s schedule
		for _, at := range tt.at {
			s.add(scheduled(tt.interval, at))
		}
		if got := s.wake(); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}
