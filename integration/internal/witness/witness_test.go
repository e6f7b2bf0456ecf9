package witness

import (
	"testing"
	"time"

	"github.com/lbha/lbha/integration/internal/mono"
)

func TestLongest(t *testing.T) {
	at := func(ms int) mono.Time { return mono.Time(time.Duration(ms) * time.Millisecond) }
	w := &Witness{stalls: []stall{{at(100), 20 * time.Millisecond}, {at(200), 50 * time.Millisecond}}}
	for _, tt := range []struct {
		from, to int
		want     time.Duration
	}{
		{0, 300, 50 * time.Millisecond},
		{0, 79, 0},
		{0, 80, 20 * time.Millisecond},
		{100, 140, 20 * time.Millisecond},
		{101, 149, 0},
		{150, 160, 50 * time.Millisecond},
		{201, 300, 0},
	} {
		if got := w.Longest(at(tt.from), at(tt.to)); got != tt.want {
			t.Errorf("from %d to %d: %v, want %v", tt.from, tt.to, got, tt.want)
		}
	}
}

// It ends when it is told to, with or without the right to its priority.
func TestStart(t *testing.T) {
	begin := mono.Now()
	w := Start()
	time.Sleep(20 * time.Millisecond)
	w.Stop()
	if d := w.Longest(begin, mono.Now()); d < 0 || d > time.Minute {
		t.Errorf("the machine stood still for %v", d)
	}
}
