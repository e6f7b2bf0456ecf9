//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/lbha/lbha/integration/internal/clab"
	"github.com/lbha/lbha/integration/internal/rehearse"
	"github.com/lbha/lbha/integration/internal/sandbox"
	"github.com/lbha/lbha/integration/internal/script"
)

// planned is the place that was asked for, before it is there: it can say what it will be able to play.
func (o scenarioOptions) planned(ctx context.Context, world sandbox.Kind, list []*script.Scenario) (rehearse.Place, error) {
	switch o.place {
	case "lab":
		alone := true
		if slices.ContainsFunc(list, (*script.Scenario).NeedsOwnKernel) {
			kind, err := sandbox.Choose(ctx, world, func(string, ...any) {}) // which it is is said when it is entered
			if err != nil {
				return nil, err
			}
			alone = kind == sandbox.UserMode
		}
		return rehearse.Planned(alone), nil
	case "lab-ssh":
		return new(rehearse.SSH), nil
	case "containerlab":
		return new(clab.Place), nil
	case "ssh":
		return &rehearse.SSH{Remote: rehearse.Remote{Really: o.really}}, nil
	}
	return nil, fmt.Errorf("no such place: %q; there are lab, containerlab, ssh, lab-ssh", o.place)
}

// divide leaves out what a place cannot play, if that is wanted; otherwise such a scenario is an error before anything is done.
func (o scenarioOptions) divide(p rehearse.Place, files []scenarioFile, list []*script.Scenario) ([]scenarioFile, []*script.Scenario, []rehearse.Skip, error) {
	if !o.possible {
		var errs []error
		for _, s := range list {
			errs = append(errs, rehearse.Possible(p, s)...)
		}
		return files, list, nil, errors.Join(errs...)
	}
	var left []scenarioFile
	var leftList []*script.Scenario
	possible, skipped := rehearse.Divide(p, list)
	for _, i := range possible {
		left, leftList = append(left, files[i]), append(leftList, list[i])
	}
	if len(left) == 0 {
		return nil, nil, nil, fmt.Errorf("none of %d scenarios can be played in %s: %s: %s", len(list), o.place, skipped[0].Name, skipped[0].Reason)
	}
	return left, leftList, skipped, nil
}
