package bench

import (
	"fmt"
	"slices"
	"time"

	"github.com/lbha/lbha/integration/internal/drive"
)

// Series is one quantity, measured as often with each daemon, in turn.
type Series struct {
	What       string    `json:"what"`
	Unit       string    `json:"unit"`
	Want       float64   `json:"want,omitempty"` // the ratio of medians, at most; 0: shown and not judged
	LBHA       []float64 `json:"lbha"`
	Keepalived []float64 `json:"keepalived"`
}

// kinds is the turn.
var kinds = []drive.Kind{drive.LBHA, drive.Keepalived}

func (s *Series) add(kind drive.Kind, value float64) {
	if kind == drive.LBHA {
		s.LBHA = append(s.LBHA, value)
	} else {
		s.Keepalived = append(s.Keepalived, value)
	}
}

// addTime adds a duration in milliseconds.
func (s *Series) addTime(kind drive.Kind, d time.Duration) {
	s.add(kind, float64(d)/float64(time.Millisecond))
}

// Figure is a quantity of several runs: median, least and greatest.
type Figure struct{ Median, Min, Max float64 }

// figure sums up. The median of an even number is the mean of the middle two.
func figure(values []float64) Figure {
	if len(values) == 0 {
		return Figure{}
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return Figure{Median: (sorted[(n-1)/2] + sorted[n/2]) / 2, Min: sorted[0], Max: sorted[n-1]}
}

func (f Figure) String() string { return fmt.Sprintf("%.1f (%.1f–%.1f)", f.Median, f.Min, f.Max) }

// Ratio is lbha's median by keepalived's; 0: there is none.
func (s *Series) Ratio() float64 {
	a, b := figure(s.LBHA), figure(s.Keepalived)
	if b.Median == 0 {
		return 0
	}
	return a.Median / b.Median
}

// OK reports whether the ratio is as wanted.
func (s *Series) OK() bool {
	if len(s.LBHA) == 0 || len(s.Keepalived) == 0 {
		return false
	}
	return s.Want == 0 || s.Ratio() <= s.Want
}

// verdict is the last column.
func (s *Series) verdict() string {
	if s.Want == 0 && s.OK() {
		return ""
	}
	verdict := "ok"
	if !s.OK() {
		verdict = "FAILED"
	}
	return fmt.Sprintf("≤ %.2f %s", s.Want, verdict)
}

// line is the series for progress.
func (s *Series) line() string {
	return fmt.Sprintf("%s: lbha %v, keepalived %v %s, ratio of medians %.3f %s", s.What, figure(s.LBHA), figure(s.Keepalived), s.Unit, s.Ratio(), s.verdict())
}
