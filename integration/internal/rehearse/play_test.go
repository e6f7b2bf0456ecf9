package rehearse

import (
	"testing"
	"time"

	"github.com/lbha/lbha/integration/internal/load"
	"github.com/lbha/lbha/integration/internal/script"
	"github.com/lbha/lbha/integration/internal/stage"
	"github.com/lbha/lbha/integration/internal/suite"
)

func TestBecame(t *testing.T) {
	late := script.Finding{Demand: "no holder < 50ms", Measured: "51.0 ms", Figure: true}
	lost := script.Finding{Demand: "client loses nothing", Measured: "1"}
	seen := func(attempts int, stall time.Duration) *stage.Evidence {
		return &stage.Evidence{TCP: load.Summary{Attempts: attempts, Stall: load.Gap{Long: stall}}}
	}
	for _, tt := range []struct {
		name string
		r    Result
		want suite.Play
	}{
		{"held", Result{OK: true, Run: seen(9, time.Second)}, suite.Held},
		{"noise", Result{Run: seen(9, 0), Findings: []script.Finding{late}}, suite.Missed},
		{"lost", Result{Run: seen(9, 0), Findings: []script.Finding{late, lost}}, suite.Broken},
		{"lost while the machine stood still", Result{Run: seen(9, time.Second), Findings: []script.Finding{lost}}, suite.Spoiled},
		{"not played", Result{Error: "no pair"}, suite.Broken},
		{"a step that failed", Result{Error: "no step", Run: seen(9, time.Second), Findings: []script.Finding{late}}, suite.Broken},
		{"noise, where no client is", Result{Run: seen(0, time.Second), Findings: []script.Finding{late}}, suite.Missed},
	} {
		if got, _ := tt.r.became(); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}
