package drill

import (
	"testing"
	"time"

	"github.com/lbha/lbha/integration/internal/load"
	"github.com/lbha/lbha/integration/internal/suite"
)

func TestBecame(t *testing.T) {
	figure := func(ok bool) Expectation {
		return Expectation{"figure", func(*Case) (bool, string) { return ok, "18.0 ms" }}
	}
	lost := Expectation{"lost", func(*Case) (bool, string) { return false, "1" }}
	for _, tt := range []struct {
		name            string
		expect, figures []Expectation
		stall           time.Duration
		error           string
		want            suite.Play
		why             string
	}{
		{"held", nil, []Expectation{figure(true)}, time.Second, "", suite.Held, "it held"},
		{"noise", nil, []Expectation{figure(false)}, 0, "", suite.Missed, "it missed a figure: figure: 18.0 ms"},
		{"lost", []Expectation{lost}, []Expectation{figure(false)}, 0, "", suite.Broken, "lost: 1"},
		{"lost while the machine stood still", []Expectation{lost}, nil, 100 * time.Millisecond, "", suite.Spoiled, "it failed, but the lab's machine stood still for 100.0 ms"},
		{"not restored", nil, []Expectation{figure(false)}, 0, "cannot start d1", suite.Broken, "cannot start d1"},
	} {
		c := rest()
		c.Run.TCP.Stall = load.Gap{Long: tt.stall}
		r := Result{Error: tt.error, Run: c.Run, Quiet: c.Quiet}
		r.judge(tt.expect, tt.figures, c)
		if got, why := r.became(); got != tt.want || why != tt.why {
			t.Errorf("%s: %v, %q", tt.name, got, why)
		}
	}
}
