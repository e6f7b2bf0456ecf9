package director

import (
	"testing"
	"time"
)

// What costs little is not put off; a storm of verdicts takes a quarter of the time; and none waits long.
func TestVerdictsGather(t *testing.T) {
	for cost, want := range map[time.Duration]time.Duration{
		0: 0, time.Millisecond: 0,
		10 * time.Millisecond: 30 * time.Millisecond,
		time.Second:           maxRest,
	} {
		if got := restAfter(cost); got != want {
			t.Errorf("after %v: %v, want %v", cost, got, want)
		}
	}
}
