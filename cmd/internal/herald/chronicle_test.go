package herald

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lbha/lbha/cmd/internal/link"
	"github.com/lbha/lbha/vrrp"
)

func wall(at vrrp.Instant) time.Time { return time.Unix(0, int64(at)).UTC() }

func happened(instance string, from, to vrrp.State, reason vrrp.Reason) *link.Happened {
	return &link.Happened{Instance: instance, Kind: "transition", Reason: string(reason), Transition: &link.Transition{From: from, To: to, Priority: 100}}
}

func state(instances ...link.InstanceState) *link.State {
	return &link.State{Hash: "h", Instances: instances}
}

func in(name string, s vrrp.State, reason vrrp.Reason) link.InstanceState {
	return link.InstanceState{Name: name, State: s, Reason: reason}
}

// TestChronicle tells stories with holes.
func TestChronicle(t *testing.T) {
	const initialize, backup, master, fault = vrrp.Initialize, vrrp.Backup, vrrp.Master, vrrp.Fault
	for name, c := range map[string]struct {
		told  map[string]vrrp.State
		heard []any
		want  string
	}{
		"every event": {nil, []any{
			happened("a", initialize, backup, "started"), state(in("a", backup, "started")),
			happened("a", backup, master, "no-master"), state(in("a", master, "no-master"))},
			"a initialize→backup started, a backup→master no-master"},
		"two in one turn": {nil, []any{
			happened("a", initialize, backup, "started"), happened("a", backup, fault, "link-down"), state(in("a", fault, "link-down"))},
			"a initialize→backup started, a backup→fault link-down"},
		"an event was lost": {map[string]vrrp.State{"a": backup}, []any{state(in("a", master, "no-master")), state(in("a", master, "no-master"))},
			"a backup→master no-master"},
		"one was lost before another": {map[string]vrrp.State{"a": backup}, []any{happened("a", master, fault, "link-down"), state(in("a", fault, "link-down"))},
			"a backup→master unheard, a master→fault link-down"},
		"there and back, unheard":       {map[string]vrrp.State{"a": master}, []any{state(in("a", master, "no-master"))}, ""},
		"the director was away":         {map[string]vrrp.State{"a": master, "b": backup}, []any{state(in("a", backup, "higher-priority"), in("b", backup, "started"))}, "a master→backup higher-priority"},
		"the elector was away":          {map[string]vrrp.State{"a": master}, []any{state(in("a", master, "resumed"))}, ""},
		"the elector resumed":           {map[string]vrrp.State{"a": master}, []any{happened("a", initialize, master, "resumed"), state(in("a", master, "resumed"))}, ""},
		"the elector resumed as backup": {map[string]vrrp.State{"a": master}, []any{happened("a", initialize, backup, "resumed")}, "a master→backup resumed"},
		"the elector lost its state": {map[string]vrrp.State{"a": master}, []any{
			&link.State{}, happened("a", initialize, backup, "started"), state(in("a", backup, "started"))},
			"a master→initialize unheard, a initialize→backup started"},
		"an instance is gone":     {map[string]vrrp.State{"a": master, "b": backup}, []any{state(in("b", backup, "started"))}, "a master→initialize unheard"},
		"it resigned":             {map[string]vrrp.State{"a": master}, []any{happened("a", master, initialize, "stopped"), state()}, "a master→initialize stopped"},
		"no transition":           {nil, []any{&link.Happened{Instance: "a", Kind: "finding"}}, ""},
		"several, in their order": {nil, []any{state(in("b", master, "x"), in("a", backup, "y"))}, "b initialize→master x, a initialize→backup y"},
	} {
		chronicle := NewChronicle(c.told)
		var got []string
		for _, m := range c.heard {
			var told []Transition
			switch m := m.(type) {
			case *link.Happened:
				told = chronicle.Happened(m, wall)
			case *link.State:
				told = chronicle.State(m, wall)
			}
			for _, x := range told {
				got = append(got, fmt.Sprintf("%s %s→%s %s", x.Instance, x.From, x.To, x.Reason))
			}
		}
		if diff := cmp.Diff(c.want, strings.Join(got, ", ")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestAChronicleHasNoGaps loses any messages: each transition that is told begins where the one before ended, and after
// the next state the story is where the instance is.
func TestAChronicleHasNoGaps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		chronicle := NewChronicle(nil)
		is, told := vrrp.Initialize, vrrp.Initialize
		tell := func(list []Transition) {
			for _, x := range list {
				if x.From != told || x.From == x.To {
					t.Fatalf("%s → %s is told after %s", x.From, x.To, told)
				}
				told = x.To
			}
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 4).Draw(t, "what") {
			case 0, 1, 2:
				next := vrrp.State(rapid.IntRange(int(vrrp.Initialize), int(vrrp.Fault)).Draw(t, "to"))
				if next == is {
					continue
				}
				h := happened("a", is, next, "x")
				is = next
				if rapid.Bool().Draw(t, "arrives") {
					tell(chronicle.Happened(h, wall))
				}
			default:
				tell(chronicle.State(state(in("a", is, "x")), wall))
				if told != is {
					t.Fatalf("it is %s, and %s was told", is, told)
				}
			}
		}
	})
}
