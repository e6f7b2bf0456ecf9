package director

import (
	"testing"
	"time"
)

// Servers that die now and then are not put off; a storm of verdicts takes a quarter of the time; and none waits long.
func TestVerdictsGather(t *testing.T) {
	now := time.Now()
	var g gathering
	for range 100 {
		now = now.Add(150 * time.Millisecond)
		if got := g.rest(30*time.Millisecond, now); got != 0 {
			t.Fatalf("now and then: %v", got)
		}
	}
	begin, spent := now, time.Duration(0)
	for now.Sub(begin) < 10*time.Second {
		now, spent = now.Add(40*time.Millisecond), spent+40*time.Millisecond
		now = now.Add(g.rest(40*time.Millisecond, now))
	}
	if share := float64(spent) / float64(now.Sub(begin)); share < 0.2 || share > 0.3 {
		t.Errorf("a storm takes %.2f of the time", share)
	}
	if got := g.rest(time.Minute, now); got != maxRest {
		t.Errorf("after a minute: %v, want %v", got, maxRest)
	}
	if got := g.rest(30*time.Millisecond, now.Add(time.Hour)); got != 0 {
		t.Errorf("when it is over: %v", got)
	}
}
