package ipvs

import (
	"fmt"
	"strings"
	"time"
)

// Cause says why something was applied.
type Cause string

// The causes.
const (
	CauseStartup Cause = "startup" // the first table of this process
	CauseChange  Cause = "change"  // another table is wanted
	CauseDrift   Cause = "drift"   // somebody else changed the kernel's table
	CauseRetry   Cause = "retry"   // a former attempt failed
)

// EventKind is the kind of an [Event].
type EventKind string

// The kinds of events. One that says that something is wrong comes when it
// begins and when it changes, not with each attempt.
const (
	EventApplied     EventKind = "table-applied"      // Ops were carried out, because of Cause
	EventRefused     EventKind = "operation-refused"  // the kernel refuses Ops: Err is an *ApplyError
	EventHeld        EventKind = "removal-held"       // Ops would empty a pool whose additions are refused
	EventDrift       EventKind = "foreign-edit"       // somebody edited what is ours; Ops undo it
	EventForeign     EventKind = "foreign-service"    // Keys are services of others, not seen before
	EventSettings    EventKind = "settings-applied"   // Settings were changed to these
	EventError       EventKind = "table-error"        // the table cannot be read or written, or settings not made: Err
	EventUnavailable EventKind = "kernel-unavailable" // the kernel has no IPVS, or forbids it: Err
	EventAvailable   EventKind = "kernel-available"   // it is there (again)
)

// Event is something that a [Reconciler] did or found.
type Event struct {
	Kind     EventKind
	Time     time.Time
	Cause    Cause
	Ops      []Op
	Keys     []Key
	Settings Settings
	Err      error
}

// String returns the event on one line, without its time:
// "table-applied (drift): -a -t …; -d -t …".
func (e Event) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%s)", e.Kind, e.Cause)
	separator := ": "
	item := func(v any) {
		fmt.Fprint(&b, separator, v)
		separator = "; "
	}
	if e.Err != nil {
		item(e.Err)
	} else {
		for _, op := range e.Ops {
			item(op)
		}
	}
	for _, k := range e.Keys {
		item(k)
	}
	if !e.Settings.IsZero() {
		item(e.Settings)
	}
	return b.String()
}
