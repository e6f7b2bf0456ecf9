package observe

import "time"

// Story is why one real server is as it is: what `lbha explain SERVICE SERVER` tells.
type Story struct {
	Service string       `json:"service"`
	Server  string       `json:"server"`
	Line    string       `json:"line"` // all of it in one line
	Checks  []CheckStory `json:"checks"`
}

// CheckStory is what one check has found.
type CheckStory struct {
	Type      string    `json:"type"`
	Target    string    `json:"target"`
	State     string    `json:"state"` // up, down, unknown
	Since     time.Time `json:"since"`
	Reason    string    `json:"reason"`
	Flapping  bool      `json:"flapping,omitempty"`
	Successes int       `json:"successes_in_a_row"`
	Failures  int       `json:"failures_in_a_row"`
	Results   uint64    `json:"results"`
	Ignored   uint64    `json:"ignored,omitempty"` // of these, those that did not count
	Recent    []Probed  `json:"recent"`            // the last results, oldest first
	Latency   Latencies `json:"latency"`           // of those that passed, since this process began
}

// Probed is the result of one probe.
type Probed struct {
	Time    time.Time     `json:"time"`
	Result  string        `json:"result"` // "ok", or the word for the failure
	Detail  string        `json:"detail,omitempty"`
	Latency time.Duration `json:"latency_ns"`
	Late    bool          `json:"late,omitempty"` // this director was late itself: it does not count
}
