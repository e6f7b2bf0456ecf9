package drill

import (
	"time"

	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/stage"
)

// Scenario is one thing that is done to a pair at rest, and what must be seen.
type Scenario struct {
	Name   string        // for --only
	Title  string        // for the table
	Length time.Duration // of the window, and of the quiet run beside it
	Steps  []stage.Step
	Expect []Expectation
	// Figures are the expectations that bound a time by milliseconds, which has the machine's own noise in it: the median of three plays counts.
	Figures []Expectation
	// Restore brings the pair back, as far as it does not come back by itself.
	Restore func(s *stage.Stage) error
}

// Expectation is one named demand on a scenario.
type Expectation struct {
	Name  string
	Judge func(c *Case) (ok bool, measured string)
}

// Case is what an expectation judges: the window of the scenario, and the quiet one beside it.
type Case struct {
	Run, Quiet *stage.Evidence
	D1, D2     drive.Settings
	WritesSeen bool
}

// Finding is the outcome of one expectation.
type Finding struct {
	Name     string `json:"name"`
	OK       bool   `json:"ok"`
	Measured string `json:"measured"`
	Figure   bool   `json:"figure,omitempty"` // a time in milliseconds
}
