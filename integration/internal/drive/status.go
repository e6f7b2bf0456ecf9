package drive

import "time"

// Status is the part of `lbha status --json` that scenarios judge.
type Status struct {
	Config struct {
		Reload *struct {
			OK    bool   `json:"ok"`
			Error string `json:"error"`
		} `json:"last_reload"`
	} `json:"config"`
	Elector struct {
		RealTime   bool `json:"real_time"`
		Goroutines int  `json:"goroutines"`
	} `json:"elector"`
	Goroutines int        `json:"goroutines"` // of the director process
	Instances  []Instance `json:"instances"`
	Table      struct {
		Drifts uint64 `json:"drifts"`
		Writes uint64 `json:"writes"`
	} `json:"table"`
}

// Instance is one virtual router in the daemon's own view.
type Instance struct {
	Name        string            `json:"name"`
	State       string            `json:"state"`
	Reason      string            `json:"reason"`
	Dropped     map[string]uint64 `json:"adverts_dropped"`
	Late        uint64            `json:"adverts_late"`
	MaxLate     time.Duration     `json:"max_lateness_ns"`
	Transitions uint64            `json:"transitions"`
}

// Dropped sums the rejected advertisements over all instances, by reason.
func (s *Status) Dropped() map[string]uint64 {
	sum := map[string]uint64{}
	for _, instance := range s.Instances {
		for reason, n := range instance.Dropped {
			sum[reason] += n
		}
	}
	return sum
}
