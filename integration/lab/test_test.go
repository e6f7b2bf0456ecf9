//go:build linux

package main

import (
	"errors"
	"testing"

	"github.com/lbha/lbha/integration/internal/drill"
	"github.com/lbha/lbha/integration/internal/faults"
	"github.com/lbha/lbha/integration/internal/lvs"
	"github.com/lbha/lbha/integration/internal/rehearse"
)

// A part that shows nothing has failed, and so has one that could not be played. What it skipped is counted.
func TestSum(t *testing.T) {
	played := &rehearse.Report{Results: []*rehearse.Result{{Name: "good", OK: true}, {Name: "bad"}}, Skipped: []rehearse.Skip{{Name: "none"}}}
	for _, tt := range []struct {
		name   string
		report counted
		err    error
		want   [3]int // passed, failed, skipped
	}{
		{"played", played, nil, [3]int{1, 1, 1}},
		{"no scenario", new(rehearse.Report), nil, [3]int{0, 1, 0}},
		{"no round", new(rehearse.SoakReport), nil, [3]int{0, 1, 0}},
		{"no demand", new(lvs.Report), nil, [3]int{0, 1, 0}},
		{"no drill", new(drill.Report), nil, [3]int{0, 1, 0}},
		{"no world", nil, errors.New("no world"), [3]int{0, 1, 0}},
		{"no containerlab", nil, errNoContainerlab, [3]int{0, 0, 1}},
	} {
		s := sum{outcomes: faults.Outcomes{}}
		s.play(part{"part", func() (counted, error) { return tt.report, tt.err }})
		if got := [3]int{s.passed, s.failed, s.skipped}; got != tt.want {
			t.Errorf("%s: passed, failed, skipped: %v, want %v", tt.name, got, tt.want)
		}
	}
}
