package elector

import (
	"container/heap"
	"math"
	"time"

	"github.com/lbha/lbha/vrrp"
)

// never is the deadline of a group that waits for no time.
const never = vrrp.Instant(math.MaxInt64)

// schedule is a heap of all groups, the one with the earliest deadline first: what is due is found without looking at
// the others.
type schedule []*group

// first is the earliest deadline, or never.
func (s schedule) first() vrrp.Instant {
	if len(s) == 0 {
		return never
	}
	return s[0].at
}

// Where deadlines are close to one another, the first waits for the others, so that one wake-up serves them: for one part
// in slackShare of its interval, and no longer than slackLimit. Where they are not it waits for nobody. The machines
// count from their deadlines, not from when they are called: what is sent late is not later the next time.
const (
	slackShare = 200
	slackLimit = 500 * time.Microsecond
)

// wake is when to wake up for the first deadlines; never: for none.
func (s schedule) wake() vrrp.Instant {
	at := s.first()
	if at == never || len(s) == 1 {
		return at
	}
	second := s[1].at
	if len(s) > 2 {
		second = min(second, s[2].at)
	}
	if until := at.Add(min(s[0].members[0].cfg.Interval/slackShare, slackLimit)); second <= until {
		return until
	}
	return at
}

// due appends the groups whose deadline is not after t, in no order.
func (s schedule) due(to []*group, t vrrp.Instant) []*group {
	return s.dueBelow(to, 0, t)
}

// dueBelow looks at a place of the heap and those below it, which are not earlier.
func (s schedule) dueBelow(to []*group, place int, t vrrp.Instant) []*group {
	if place >= len(s) || s[place].at > t {
		return to
	}
	return s.dueBelow(s.dueBelow(append(to, s[place]), 2*place+1, t), 2*place+2, t)
}

// update puts a group where its deadline belongs. It is called after each step of the group.
func (s *schedule) update(g *group) {
	at, ok := g.machine.Deadline()
	if !ok {
		at = never
	}
	if at != g.at {
		g.at = at
		heap.Fix(s, g.place)
	}
}

func (s *schedule) add(g *group)    { heap.Push(s, g) }
func (s *schedule) remove(g *group) { heap.Remove(s, g.place) }

// Len implements heap.Interface, as do the four that follow.
func (s schedule) Len() int { return len(s) }

// Less orders by deadline.
func (s schedule) Less(i, j int) bool { return s[i].at < s[j].at }

// Swap keeps the places.
func (s schedule) Swap(i, j int) {
	s[i], s[j] = s[j], s[i]
	s[i].place, s[j].place = i, j
}

// Push takes a *group.
func (s *schedule) Push(x any) {
	g := x.(*group)
	g.place = len(*s)
	*s = append(*s, g)
}

// Pop returns the last *group.
func (s *schedule) Pop() any {
	last := len(*s) - 1
	g := (*s)[last]
	(*s)[last] = nil
	*s = (*s)[:last]
	return g
}
