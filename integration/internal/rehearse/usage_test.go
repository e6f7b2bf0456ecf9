package rehearse

import (
	"math"
	"os"
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

func TestUsageOf(t *testing.T) {
	u, ok := usageOf(os.Getpid())
	if !ok || u.RSS <= 0 || u.Files < 3 || u.Threads < 1 {
		t.Errorf("%+v, %v", u, ok)
	}
	if _, ok := usageOf(1 << 30); ok {
		t.Error("a process that cannot be has a usage")
	}
}
