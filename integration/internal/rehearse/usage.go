package rehearse

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"slices"
	"strconv"
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
	Process   string  `json:"process"`
	Samples   int     `json:"samples"`
	Lives     int     `json:"lives"` // processes that were this one after the other
	RSS       Trend   `json:"rss_kib"`
	Files     Trend   `json:"files"`
	Threads   Trend   `json:"threads"`
	FilesGrew float64 `json:"files_grew"` // most, from the first rest of a process to a later one
}

// Trend is the least, the most, and the change an hour, which says something of lives that were long.
type Trend struct {
	Min     float64 `json:"min"`
	Max     float64 `json:"max"`
	PerHour float64 `json:"per_hour"`
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
		for _, life := range lives {
			for _, u := range life {
				s.FilesGrew = max(s.FilesGrew, u.Files-life[0].Files)
			}
		}
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b Slope) int { return cmp.Compare(a.Process, b.Process) })
	return list
}

// warmUp is how many samples of a long life are left out: a new process grows to its size.
const warmUp = 3

// trend fits one slope to all lives, each with a level of its own: least squares of the deviations from each life's mean.
func trend(lives map[int][]Usage, value func(Usage) float64) (t Trend) {
	first := true
	var xy, xx float64
	for _, life := range lives {
		if len(life) > 2*warmUp {
			life = life[warmUp:]
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
			xy += x * (value(u) - meanY)
			xx += x * x
		}
	}
	if xx > 0 {
		t.PerHour = xy / xx
	}
	return t
}
