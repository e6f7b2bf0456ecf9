package rehearse

import (
	"math"
	"os"
	"strings"
	"testing"
	"time"
)

// Two lives, each growing by 60 KiB an hour from another level; the fall between them is no trend.
func TestSlopes(t *testing.T) {
	var samples []Usage
	for i := range 10 {
		at := time.Duration(i) * time.Minute
		samples = append(samples,
			Usage{At: at, Process: "d1 elector", PID: 1, RSS: 9000 + float64(i), Files: 12, Threads: 7},
			Usage{At: at + 10*time.Minute, Process: "d1 elector", PID: 2, RSS: 5000 + float64(i), Files: 10 + float64(i%3), Threads: 7})
	}
	list := Slopes(samples)
	if len(list) != 1 {
		t.Fatalf("%d kinds of processes", len(list))
	}
	s := list[0]
	if s.Lives != 2 || s.Samples != 20 || math.Abs(s.RSS.PerHour-60) > 0.01 || s.RSS.Min != 5003 || s.RSS.Max != 9009 ||
		math.Abs(s.Threads.PerHour) > 0.01 || s.FilesGrew != 2 {
		t.Errorf("%+v", s)
	}
}

// Only what lasts, and is beyond the noise, is a trend.
func TestVerdict(t *testing.T) {
	same := func(int) float64 { return 7 }
	for _, tt := range []struct {
		name    string
		minutes int
		rss     func(minute int) float64
		threads func(minute int) float64
		want    string
	}{
		{"a leak of 6 MiB an hour", 60, func(m int) float64 { return 9000 + 100*float64(m) + 200*float64(m%3) }, same, "FAILED: memory: +60"},
		{"the same for ten minutes", 10, func(m int) float64 { return 9000 + 100*float64(m) }, same, "lives of 9m0s show no trend"},
		{"noise", 60, func(m int) float64 { return 9000 + 900*float64(m%7) }, same, "flat"},
		{"a process that settles", 60, func(m int) float64 { return 9000 + 100*float64(min(m, 12)) }, same, "flat"},
		{"a thread that is kept", 60, func(m int) float64 { return 9000 }, func(m int) float64 { return 7 + float64(m/40) }, "flat"},
		{"a thread each quarter of an hour", 60, func(m int) float64 { return 9000 }, func(m int) float64 { return 7 + float64(m/15) }, "FAILED: threads: +"},
	} {
		var samples []Usage
		for m := range tt.minutes {
			samples = append(samples, Usage{At: time.Duration(m) * time.Minute, Process: "d1 director", PID: 1, RSS: tt.rss(m), Files: 12 + float64(m%4), Threads: tt.threads(m)})
		}
		if got := Slopes(samples)[0].Verdict(); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestUsageOf(t *testing.T) {
	u, ok := usageOf(os.Getpid())
	if !ok || u.RSS <= 0 || u.Files < 3 || u.Threads < 1 {
		t.Errorf("%+v, %v", u, ok)
	}
	if _, ok := usageOf(1 << 30); ok {
		t.Error("a process that cannot be has a usage")
	}
}
