package admin

import (
	"time"

	"github.com/lbha/lbha/cmd/internal/observe"
)

// Change is one planned or applied step.
type Change struct {
	Kind string `json:"kind"` // vrrp, service, check, global, table
	Text string `json:"text"`
}

// PlanRequest asks what a reload of a file would do. An empty path is the daemon's own.
type PlanRequest struct {
	Path string `json:"path,omitempty"`
}

// Plan is the answer. Diagnostics is not empty when the file cannot be applied; then there are no changes.
type Plan struct {
	Path        string   `json:"path"`
	Hash        string   `json:"hash"`
	Diagnostics []string `json:"diagnostics,omitempty"`
	Warnings    []string `json:"warnings,omitempty"`
	Changes     []Change `json:"changes"`
}

// ReloadRequest asks for a reload. With Expect it is refused unless the configuration in force has that hash. With Confirm
// the new configuration is on trial: if nobody confirms it within that time, the former one is put in force again.
type ReloadRequest struct {
	Path    string        `json:"path,omitempty"`
	Expect  string        `json:"expect,omitempty"`
	Confirm time.Duration `json:"confirm,omitempty"` // nanoseconds, MinConfirm to MaxConfirm; 0: not on trial
}

// The bounds of the time for a confirmation: who has less cannot type it, who has more has forgotten it.
const (
	MinConfirm = time.Second
	MaxConfirm = 24 * time.Hour
)

// ConfirmRequest keeps the configuration on trial; or, with Revert, puts the former one in force again without waiting for
// the end of the trial.
type ConfirmRequest struct {
	Revert bool `json:"revert,omitempty"`
}

// ReloadResult says what a reload did. Nothing was changed when Applied is false. Applied and not OK is a configuration
// that is in force, and to which the kernel's table could not be brought, or not yet.
type ReloadResult struct {
	OK          bool     `json:"ok"`
	Applied     bool     `json:"applied"`
	Error       string   `json:"error,omitempty"`
	Hash        string   `json:"hash"` // in force now
	Diagnostics []string `json:"diagnostics,omitempty"`
	Warnings    []string `json:"warnings,omitempty"`
	Changes     []Change `json:"changes"`
	// Trial is the one that the configuration in force is on; nil: there is none.
	Trial *observe.Trial `json:"trial,omitempty"`
}

// FailoverRequest asks an instance, or all with an empty name, to hand over; Lift ends it.
type FailoverRequest struct {
	Instance string `json:"instance,omitempty"`
	Lift     bool   `json:"lift,omitempty"`
}

// Action is an order for a real server.
type Action string

// The orders.
const (
	Drain   Action = "drain"   // no new connections; out when the last has ended
	Disable Action = "disable" // out at once
	Enable  Action = "enable"  // lift the order
	Weight  Action = "weight"  // another weight
)

// ServerRequest orders something for one real server.
type ServerRequest struct {
	Service string        `json:"service"`
	Server  string        `json:"server"`
	Action  Action        `json:"action"`
	Weight  int           `json:"weight,omitempty"` // of Weight
	For     time.Duration `json:"for,omitempty"`    // nanoseconds; 0: until lifted
	Reason  string        `json:"reason,omitempty"`
}

// Events is a piece of the journal.
type Events struct {
	Events []observe.Event `json:"events"`
}
