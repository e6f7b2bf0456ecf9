package track

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/lbha/lbha/cmd/internal/link"
	"github.com/lbha/lbha/config"
)

// State is what is known of a tracked thing.
type State uint8

// The states.
const (
	Pending   State = iota // nothing was found out yet
	Unknown                // it could not be found out, and never was before
	Undecided              // it was found good, but never yet as often in a row as is asked for
	Good
	Bad
)

// String returns "pending", "unknown", "undecided", "good" or "bad".
func (s State) String() string {
	switch s {
	case Unknown:
		return "unknown"
	case Undecided:
		return "undecided"
	case Good:
		return "good"
	case Bad:
		return "bad"
	}
	return "pending"
}

// Reading is what was last seen of a tracked thing.
type Reading struct {
	State  State
	Share  float64   // service: the part of its weight that is healthy, 0 to 1, as it is to be reported
	Weight int       // file: its content
	Since  time.Time // when it became so
	Reason string    // why, in a line: "exit status 1 after 3ms", "3 processes", "the content is 20"
	// Trouble says why the reading could not be renewed since: it is what was seen before. Empty: none.
	Trouble string
}

// same reports whether two readings say the same, whenever they were made.
func (r Reading) same(o Reading) bool {
	r.Since = o.Since
	return r == o
}

// Least lowers any priority to the least: link.Tracked.Adjust has no effect beyond.
const Least = -254

// Weighed is what one track contributes now.
type Weighed struct {
	Reading
	Adjust int    // added to the priority
	Fault  string // not empty: the instance is ineligible, because of this
}

// Weigh says what a reading of t means.
func Weigh(t *config.Track, r Reading) Weighed {
	w := Weighed{Reading: r}
	switch {
	case r.State < Good: // weighs nothing
	case t.Kind == config.TrackFile:
		w.Adjust = r.Weight
	case t.Kind == config.TrackService && t.Weight == 0:
		if r.State == Bad {
			w.Adjust = Least
		}
	case t.Kind == config.TrackService && t.Weight < 0:
		w.Adjust = int(math.Round(float64(t.Weight) * (1 - r.Share)))
	case t.Kind == config.TrackService:
		w.Adjust = int(math.Round(float64(t.Weight) * r.Share))
	case t.Weight == 0 && r.State == Bad:
		w.Fault = fmt.Sprintf("%s %s: %s", t.Kind, t.Target, r.Reason)
	case t.Weight < 0 && r.State == Bad, t.Weight > 0 && r.State == Good:
		w.Adjust = t.Weight
	}
	return w
}

// Looked reports whether this package, and not the elector, looks at things of that kind.
func Looked(kind config.TrackKind) bool {
	return kind != config.TrackInterface && kind != config.TrackInstance
}

// Sum adds up what the tracks of an instance contribute, each by the entry of weighed in its place; those that the
// elector looks at have none of meaning. The sum is not known while one of the others is pending.
func Sum(tracks []config.Track, weighed []Weighed) (sum link.Tracked, known bool) {
	var parts []string
	for i := range tracks {
		t, w := &tracks[i], &weighed[i]
		switch {
		case !Looked(t.Kind):
			continue
		case w.State == Pending:
			return link.Tracked{}, false
		}
		sum.Adjust += w.Adjust
		if w.Adjust != 0 {
			parts = append(parts, fmt.Sprintf("%s %s: %s (%+d)", t.Kind, t.Target, w.Reason, w.Adjust))
		}
		if sum.Fault == "" {
			sum.Fault = w.Fault
		}
	}
	sum.Detail = strings.Join(parts, ", ")
	return sum, true
}
