package rehearse

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Usage is what one process uses at one moment.
type Usage struct {
	At      time.Duration `json:"at"` // since the begin of the soak
	Process string        `json:"process"`
	PID     int           `json:"pid"`
	RSS     float64       `json:"rss_kib"`
	Files   float64       `json:"files"`
	Threads float64       `json:"threads"`
	// Goroutines as the process says; 0: it does not.
	Goroutines float64 `json:"goroutines"`
}

// usageOf reads /proc; a process that is gone uses nothing.
func usageOf(pid int) (Usage, bool) {
	u := Usage{PID: pid}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return u, false
	}
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return u, false
	}
	u.Files = float64(len(files))
	for line := range bytes.Lines(text) {
		fields := bytes.Fields(line)
		if len(fields) < 2 {
			continue
		}
		n, err := strconv.ParseFloat(string(fields[1]), 64)
		if err != nil {
			continue
		}
		switch string(fields[0]) {
		case "VmRSS:":
			u.RSS = n
		case "Threads:":
			u.Threads = n
		}
	}
	return u, true
}

// Slope is how what a kind of process uses changes, from rest to rest.
type Slope struct {
	Process    string        `json:"process"`
	Samples    int           `json:"samples"`
	Lives      int           `json:"lives"`   // processes that were this one after the other
	Longest    time.Duration `json:"longest"` // of the lives, as far as it was watched
	RSS        Trend         `json:"rss_kib"`
	Files      Trend         `json:"files"`
	Threads    Trend         `json:"threads"`
	Goroutines Trend         `json:"goroutines"`
	FilesGrew  float64       `json:"files_grew"` // most, from the first rest of a process to a later one
}

// Trend is the least, the most, and the change an hour, which says something of lives that were long.
type Trend struct {
	Min     float64 `json:"min"`
	Max     float64 `json:"max"`
	PerHour float64 `json:"per_hour"`
	Error   float64 `json:"error"` // standard error of PerHour
}

// grows reports whether it is beyond doubt that more than so much is added each hour.
func (t Trend) grows(limit float64) bool { return t.PerHour-2*t.Error > limit }

// What may be added each hour. A life that is shorter than shortLife shows how a process settles, and no trend.
const (
	shortLife = 15 * time.Minute
	// Memory in KiB. The first garbage collection of a process that has little to do comes when 4 MiB of garbage have come together, which may
	// take longer than an hour.
	mostMemory  = 4096.0
	mostFiles   = 1.0
	mostThreads = 1.0 // and goroutines
	// One more is a step, not a trend: the runtime starts a thread when as many system calls last as it has, and keeps it.
	leastGrowth = 2.0
	// mostNewFiles is how many descriptors a process may have more at rest than at its first rest: connections of checks are open at times.
	mostNewFiles = 8
)

// Faults says what a process keeps that it should give back; empty: nothing.
func (s *Slope) Faults() (list []string) {
	if s.FilesGrew > mostNewFiles {
		list = append(list, fmt.Sprintf("%g descriptors more than at its first rest", s.FilesGrew))
	}
	if s.Longest < shortLife {
		return list
	}
	for _, t := range []struct {
		what  string
		trend Trend
		most  float64
	}{{"memory", s.RSS, mostMemory}, {"descriptors", s.Files, mostFiles}, {"threads", s.Threads, mostThreads}, {"goroutines", s.Goroutines, mostThreads}} {
		if t.trend.grows(t.most) && t.trend.Max-t.trend.Min >= leastGrowth {
			list = append(list, fmt.Sprintf("%s: %+.1f ± %.1f an hour", t.what, t.trend.PerHour, 2*t.trend.Error))
		}
	}
	return list
}

// Verdict is that in a word or two.
func (s *Slope) Verdict() string {
	switch faults := s.Faults(); {
	case len(faults) > 0:
		return "FAILED: " + strings.Join(faults, "; ")
	case s.Longest < shortLife:
		return fmt.Sprintf("lives of %v show no trend", s.Longest.Round(time.Second))
	}
	return "flat"
}

// Slopes finds the trend of each kind of process. Samples of one life are compared with each other only: a new process is small again.
func Slopes(samples []Usage) (list []Slope) {
	kinds := map[string][]Usage{}
	for _, u := range samples {
		kinds[u.Process] = append(kinds[u.Process], u)
	}
	for process, of := range kinds {
		s := Slope{Process: process, Samples: len(of)}
		lives := map[int][]Usage{}
		for _, u := range of {
			lives[u.PID] = append(lives[u.PID], u)
		}
		s.Lives = len(lives)
		s.RSS = trend(lives, func(u Usage) float64 { return u.RSS })
		s.Files = trend(lives, func(u Usage) float64 { return u.Files })
		s.Threads = trend(lives, func(u Usage) float64 { return u.Threads })
		s.Goroutines = trend(lives, func(u Usage) float64 { return u.Goroutines })
		for _, life := range lives {
			s.Longest = max(s.Longest, life[len(life)-1].At-life[0].At)
			for _, u := range life {
				s.FilesGrew = max(s.FilesGrew, u.Files-life[0].Files)
			}
		}
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b Slope) int { return cmp.Compare(a.Process, b.Process) })
	return list
}

// warmUp is how many samples of a long life are left out, and at least a quarter of them: a new process grows to its size.
const warmUp = 3

// trend fits one slope to all lives, each with a level of its own: least squares of the deviations from each life's mean.
func trend(lives map[int][]Usage, value func(Usage) float64) (t Trend) {
	first := true
	var xy, xx, yy, freedom float64
	for _, life := range lives {
		if len(life) > 2*warmUp {
			life = life[max(warmUp, len(life)/4):]
		}
		var meanX, meanY float64
		for _, u := range life {
			y := value(u)
			if first {
				t.Min, t.Max, first = y, y, false
			}
			t.Min, t.Max = min(t.Min, y), max(t.Max, y)
			meanX += u.At.Hours() / float64(len(life))
			meanY += y / float64(len(life))
		}
		for _, u := range life {
			x := u.At.Hours() - meanX
			y := value(u) - meanY
			xy += x * y
			xx += x * x
			yy += y * y
		}
		freedom += float64(len(life) - 1)
	}
	if xx > 0 {
		t.PerHour = xy / xx
	}
	// The slope takes one degree of freedom, and each level one.
	if freedom--; xx > 0 && freedom > 0 {
		t.Error = math.Sqrt(max(yy-t.PerHour*xy, 0) / freedom / xx)
	}
	return t
}
