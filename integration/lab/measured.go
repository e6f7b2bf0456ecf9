//go:build linux

package main

import (
	"time"

	"github.com/lbha/lbha/integration/internal/drill"
	"github.com/lbha/lbha/integration/internal/faults"
	"github.com/lbha/lbha/integration/internal/rehearse"
)

// measurements makes of a report what the page of faults says of a daemon.
func measurements(r report) map[string]faults.Measurement {
	list, today := map[string]faults.Measurement{}, time.Now().UTC().Format(time.DateOnly)
	switch r := r.(type) {
	case *drill.Report:
		for _, result := range r.Results {
			m := faults.Measurement{On: today, Demands: len(result.Findings), Unmet: unplayed(result.Error)}
			for _, f := range result.Findings {
				m.Unmet = appendUnmet(m.Unmet, f.OK, f.Name, f.Measured)
			}
			list[partDrill+" "+result.Name] = m
		}
	case *rehearse.Report:
		for _, result := range r.Results {
			m := faults.Measurement{On: today, Demands: len(result.Findings), Unmet: unplayed(result.Error)}
			for _, f := range result.Findings {
				m.Unmet = appendUnmet(m.Unmet, f.OK, f.Demand, f.Measured)
			}
			list[partFiles+" "+result.Name] = m
		}
	}
	return list
}

// unplayed is what a scenario that could not be played, or after which the pair was not right again, leaves to say.
func unplayed(why string) []faults.Unmet {
	if why == "" {
		return nil
	}
	return []faults.Unmet{{Demand: "it can be played", Measured: why}}
}

func appendUnmet(list []faults.Unmet, ok bool, demand, measured string) []faults.Unmet {
	if ok {
		return list
	}
	return append(list, faults.Unmet{Demand: demand, Measured: measured})
}
