package elector

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lbha/lbha/cmd/internal/link"
	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/vrrp"
)

// tracks is what an instance knows of the things that it tracks. Interfaces and other instances are looked at here; of
// everything else the director tells.
type tracks struct {
	sum  sum
	told told
}

// sum is what all tracks of an instance add up to.
type sum struct {
	vrrp.TrackChanged
	detail string // the things that make up Adjust
}

// told is what the director said last.
type told struct {
	link.Tracked
	at vrrp.Instant // when; 0: nothing, or too long ago
}

func (t *told) known() bool { return t.at != 0 }

// follows reports whether the instance tracks a thing of that kind.
func (in *instance) follows(kind config.TrackKind, target string) bool {
	return slices.ContainsFunc(in.cfg.Tracks, func(t config.Track) bool { return t.Kind == kind && t.Target == target })
}

// directed reports whether the director looks at something for the instance.
func (in *instance) directed() bool {
	return slices.ContainsFunc(in.cfg.Tracks, func(t config.Track) bool {
		return t.Kind != config.TrackInterface && t.Kind != config.TrackInstance
	})
}

// onTracks takes what the director says. An instance that it leaves out goes by what it was told before.
func (e *elector) onTracks(m *link.Tracks) {
	for _, in := range e.instances {
		said, ok := m.Instances[in.cfg.Name]
		if !ok || in.finished {
			continue
		}
		if !in.told.known() || in.told.Tracked != said {
			e.unsaved = true
		}
		in.told = told{said, now()}
		e.look(in)
	}
}

// expireTracks forgets what the director said too long ago.
func (e *elector) expireTracks(t vrrp.Instant) {
	for _, in := range e.instances {
		if !in.told.known() || t.Sub(in.told.at) < link.TracksHold {
			continue
		}
		in.told = told{}
		e.unsaved = true
		if in.directed() && !in.finished {
			e.happened(in, "track", "forgotten", fmt.Sprintf("nothing was heard for %v of what the director tracks: it counts no more", link.TracksHold.Round(time.Second)), true)
			e.look(in)
		}
	}
}

// lookAtInstances looks again at instances for those that track one.
func (e *elector) lookAtInstances() {
	for _, in := range e.instances {
		if !in.finished && slices.ContainsFunc(in.cfg.Tracks, func(t config.Track) bool { return t.Kind == config.TrackInstance }) {
			e.look(in)
		}
	}
}

// look adds up what the instance tracks, and tells it, and the operator, if that changed.
func (e *elector) look(in *instance) {
	s := e.add(in)
	if s == in.sum {
		return
	}
	before, explained := in.machine.Priority(), in.sum.Adjust
	changed := s.TrackChanged != in.sum.TrackChanged
	in.sum = s
	if !changed {
		return
	}
	e.step(in, s.TrackChanged)
	if s.Adjust != explained {
		why := s.detail
		if why == "" {
			why = "nothing that is tracked changes it"
		}
		e.happened(in, "track", "priority", fmt.Sprintf("priority %d → %d: %s", before, in.machine.Priority(), why), s.Adjust < explained)
	}
}

// add adds up what the instance tracks. A fault makes it ineligible; an adjustment is a matter of preference. Of
// several faults the first is named.
func (e *elector) add(in *instance) sum {
	var s sum
	var parts []string
	fault := func(text string) {
		if s.Fault == "" {
			s.Fault = text
		}
	}
	for _, t := range in.cfg.Tracks {
		good, thing := e.judge(&t)
		switch {
		case thing == "":
		case t.Weight == 0 && !good:
			fault(thing)
		case t.Weight < 0 && !good, t.Weight > 0 && good:
			s.Adjust += t.Weight
			parts = append(parts, fmt.Sprintf("%s (%+d)", thing, t.Weight))
		}
	}
	if in.told.known() && in.directed() {
		s.Adjust += in.told.Adjust
		if in.told.Fault != "" {
			fault(in.told.Fault)
		}
		if in.told.Detail != "" {
			parts = append(parts, in.told.Detail)
		}
	}
	s.detail = strings.Join(parts, ", ")
	return s
}

// judge says whether a tracked interface or instance is good, and how it is. Without a text the track is not looked at
// here.
//
// Preference follows mastership, eligibility follows eligibility: with a weight, another instance is good while it is
// master, so that this one wants to be where that one is; without a weight it is bad only in fault, or this one could
// not be a backup of anything while that one is.
func (e *elector) judge(t *config.Track) (good bool, thing string) {
	switch t.Kind {
	case config.TrackInterface:
		if i := e.ifaces[t.Target]; i != nil && i.state.Up {
			return true, "interface " + t.Target + " is up"
		}
		return false, "interface " + t.Target + " is down"
	case config.TrackInstance:
		other := e.byName[t.Target]
		if other == nil {
			return t.Weight == 0, "instance " + t.Target + " does not exist"
		}
		state := other.machine.State()
		thing = "instance " + t.Target + " is " + state.String()
		if t.Weight == 0 {
			return state != vrrp.Fault, thing
		}
		return state == vrrp.Master, thing
	}
	return false, ""
}

// seen is how the tracked things are that are looked at here.
func (e *elector) seen(in *instance) []link.Seen {
	var all []link.Seen
	for i := range in.cfg.Tracks {
		t := &in.cfg.Tracks[i]
		if good, thing := e.judge(t); thing != "" {
			all = append(all, link.Seen{Kind: t.Kind, Target: t.Target, Weight: t.Weight, Good: good, Text: thing})
		}
	}
	return all
}
