package rehearse

import (
	"errors"
	"strings"

	"github.com/lbha/lbha/integration/internal/script"
)

// Skip is a scenario that a place cannot play.
type Skip struct {
	Name   string `json:"name"`
	Reason string `json:"reason"` // the first of its sentences that cannot be obeyed there, and why
}

// Divide finds those of a list that a place can play, by their index, and says of each of the others why it cannot.
func Divide(p Place, list []*script.Scenario) (possible []int, skipped []Skip) {
	for i, s := range list {
		errs := Possible(p, s)
		if len(errs) == 0 {
			possible = append(possible, i)
			continue
		}
		reason := errs[0].Error()
		var at *script.Error
		if errors.As(errs[0], &at) {
			reason = at.Message
		}
		skipped = append(skipped, Skip{s.Name, strings.TrimSpace(reason)})
	}
	return possible, skipped
}
