package rehearse

import (
	"context"
	"fmt"
	"time"

	"github.com/lbha/lbha/integration/internal/script"
	"github.com/lbha/lbha/integration/internal/stage"
)

// Place is where scenarios are played.
type Place interface {
	// Can says why a sentence of the language cannot be obeyed here; nil: it can.
	Can(c script.Clause) error
	// Prepare makes the scenario's pair and waits until it is at rest.
	Prepare(ctx context.Context, s *script.Scenario) error
	// Watch plays steps at their times and returns what was seen in a window. A step that fails is in the evidence.
	Watch(ctx context.Context, length time.Duration, steps []script.Step) (*stage.Evidence, error)
	// Serves reports whether the pair serves somebody: no scenario is played again unasked then.
	Serves() bool
}

// Possible checks a scenario against a place: every step and demand that it cannot play or judge, with its position.
func Possible(p Place, s *script.Scenario) (errs []error) {
	refuse := func(c script.Clause) {
		if err := p.Can(c); err != nil {
			errs = append(errs, &script.Error{Position: c.Position, Message: fmt.Sprintf("%s: %v", c.Text, err)})
		}
	}
	for i, d := range s.Directors {
		name := fmt.Sprintf("d%d", i+1)
		refuse(script.Clause{Form: script.SetDirector, Text: "director " + name + " " + d.Daemon, Position: d.Position, Hosts: []string{name}, Daemon: d.Daemon})
	}
	if s.Scheduler != nil {
		refuse(*s.Scheduler)
	}
	for _, step := range s.Steps {
		refuse(step.Clause)
	}
	for _, d := range s.Demands {
		refuse(d)
	}
	return errs
}
