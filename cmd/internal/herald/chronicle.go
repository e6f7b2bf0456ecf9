package herald

import (
	"slices"
	"time"

	"github.com/lbha/lbha/cmd/internal/link"
	"github.com/lbha/lbha/vrrp"
)

// Transition is one change of state of one instance, to be told.
type Transition struct {
	Time     time.Time
	Instance string
	From, To vrrp.State
	Reason   string
	Detail   string
	Priority int
	Missed   uint64 // transitions between the one told before and this one
}

// ReasonUnheard is the reason of a transition that was not heard of itself, only where it led.
const ReasonUnheard = "unheard"

// Chronicle makes one story of the events and the states that the elector sends. It is pure. An instance that it has not
// heard of is in Initialize.
type Chronicle struct {
	last map[string]vrrp.State // those that are not in Initialize
}

// NewChronicle continues a story: the states that were told last.
func NewChronicle(told map[string]vrrp.State) *Chronicle {
	c := &Chronicle{last: make(map[string]vrrp.State)}
	for name, state := range told {
		c.set(name, state)
	}
	return c
}

func (c *Chronicle) set(name string, state vrrp.State) {
	if state == vrrp.Initialize {
		delete(c.last, name)
		return
	}
	c.last[name] = state
}

// Happened takes an event, and returns what is to be told: nothing of an event that is no transition; the transition;
// or, before it, the one that must have led to where it began.
func (c *Chronicle) Happened(h *link.Happened, wall func(vrrp.Instant) time.Time) []Transition {
	if h.Transition == nil {
		return nil
	}
	var told []Transition
	t := Transition{
		Time: wall(h.At), Instance: h.Instance, From: h.Transition.From, To: h.Transition.To,
		Reason: h.Reason, Detail: h.Transition.Detail, Priority: h.Transition.Priority,
	}
	was := c.last[h.Instance] // Initialize if there is none
	if vrrp.Reason(h.Reason) == vrrp.ReasonResumed {
		// The elector died and goes on where it was: that was never in Initialize to anybody but itself.
		if was == t.To {
			return nil
		}
		t.From = was
	}
	if was != t.From {
		told = append(told, Transition{Time: t.Time, Instance: t.Instance, From: was, To: t.From, Reason: ReasonUnheard, Priority: t.Priority})
	}
	c.set(t.Instance, t.To)
	return append(told, t)
}

// State takes the state of everything, and returns what is to be told because no event of it was heard.
func (c *Chronicle) State(s *link.State, wall func(vrrp.Instant) time.Time) []Transition {
	if s.Hash == "" {
		return nil // an elector that does not know yet what it is to be
	}
	var told []Transition
	there := make(map[string]bool, len(s.Instances))
	for _, in := range s.Instances {
		there[in.Name] = true
		if was := c.last[in.Name]; was != in.State {
			told = append(told, Transition{
				Time: wall(in.Since), Instance: in.Name, From: was, To: in.State,
				Reason: string(in.Reason), Detail: in.Detail, Priority: in.Priority,
			})
			c.set(in.Name, in.State)
		}
	}
	var gone []string
	for name := range c.last {
		if !there[name] {
			gone = append(gone, name)
		}
	}
	slices.Sort(gone)
	for _, name := range gone {
		told = append(told, Transition{Time: wall(s.At), Instance: name, From: c.last[name], To: vrrp.Initialize, Reason: ReasonUnheard})
		delete(c.last, name)
	}
	return told
}
