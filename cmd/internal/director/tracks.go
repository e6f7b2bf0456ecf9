package director

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/lbha/lbha/cmd/internal/link"
	"github.com/lbha/lbha/cmd/internal/observe"
	"github.com/lbha/lbha/cmd/internal/track"
	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/healthcheck"
	"github.com/lbha/lbha/ipvs"
	"github.com/lbha/lbha/vrrp"
)

// firstLookLimit bounds the wait for the first readings of what is tracked before this director takes part in
// elections, beyond the time that the health checks take. What is not known by then weighs nothing until it is.
const firstLookLimit = 5 * time.Second

// trackers is what the instances of this director track. Interfaces and other instances the elector looks at; they are
// here to be shown. It belongs to the loop. Nothing in it is told by events: it is looked at again whenever something may have
// changed, and the elector is told all of it.
type trackers struct {
	set      *track.Set
	windows  map[windowKey]*track.Window
	sums     map[string]link.Tracked    // by instance, of those that are known
	complete bool                       // all of them are
	weighed  map[string][]track.Weighed // by instance, each in the place of its track; never changed, only replaced
	again    *time.Timer                // when a report becomes another one without anything new

	sent   time.Time // when the elector was told last; zero: it is to be told
	sentTo int       // the process that it was then
}

// windowKey is what a window is of: what one instance sees of one service. The weight 0 asks another question.
type windowKey struct {
	instance, service string
	quorum            bool
}

func newTrackers() *trackers {
	return &trackers{set: track.NewSet(), windows: map[windowKey]*track.Window{}, again: time.NewTimer(time.Hour)}
}

// look is one look at all that is tracked.
type look struct {
	now     time.Time
	states  map[string]*link.InstanceState // of the instances, by name, as the elector told
	windows map[windowKey]*track.Window    // those that are asked for still
	again   time.Time                      // when a report becomes another one without anything new; zero: none does
}

// lookAtTracks adds up anew what is tracked, and tells the elector if that is another sum, if the elector is another
// process, or if it has not been told for long.
func (d *director) lookAtTracks(now time.Time) {
	t := d.tracks
	l := look{now: now, states: make(map[string]*link.InstanceState, len(d.vrrp.Instances)), windows: make(map[windowKey]*track.Window)}
	for i := range d.vrrp.Instances {
		l.states[d.vrrp.Instances[i].Name] = &d.vrrp.Instances[i]
	}
	sums, weighed := make(map[string]link.Tracked), make(map[string][]track.Weighed)
	directed := 0 // instances that are to be told of
	for i := range d.cfg.Instances {
		in := &d.cfg.Instances[i]
		list, here := d.weighTracks(&l, in)
		if len(list) > 0 {
			weighed[in.Name] = list
		}
		if !here {
			continue
		}
		directed++
		if sum, known := track.Sum(in.Tracks, list); known {
			sums[in.Name] = sum
		}
	}
	d.tellTracks(weighed)
	if !maps.Equal(sums, t.sums) {
		t.sent = time.Time{}
	}
	t.sums, t.weighed, t.windows, t.complete = sums, weighed, l.windows, len(sums) == directed
	if !l.again.IsZero() {
		t.again.Reset(l.again.Sub(now))
	}
	if directed > 0 && (t.sentTo != d.vrrpPID || now.Sub(t.sent) >= link.TracksPeriod) {
		// What was not taken is sent again at the next look, a second later at the latest.
		if d.elector.conn.Send(link.Message{Tracks: &link.Tracks{Instances: sums}}) == nil {
			t.sent, t.sentTo = now, d.vrrpPID
		}
	}
}

// weighTracks weighs what an instance tracks, each in the place of its track; here: some of it is looked at here, so that the
// elector has to be told.
func (d *director) weighTracks(l *look, in *config.Instance) (list []track.Weighed, here bool) {
	list = make([]track.Weighed, len(in.Tracks))
	for j := range in.Tracks {
		switch what := &in.Tracks[j]; {
		case what.Kind == config.TrackService:
			list[j], here = track.Weigh(what, d.lookAtService(l, in.Name, what)), true
		case track.Looked(what.Kind):
			list[j], here = track.Weigh(what, d.tracks.set.Look(what)), true
		default:
			list[j] = track.Weigh(what, seen(l.states[in.Name], what, d.vrrpHeard))
			if before := d.tracks.weighed[in.Name]; j < len(before) && before[j].State == list[j].State {
				list[j].Since = before[j].Since
			}
		}
	}
	return list, here
}

// lookAtService reads a service that an instance tracks, through the window that it has of it.
func (d *director) lookAtService(l *look, instance string, what *config.Track) track.Reading {
	k := windowKey{instance, what.Target, what.Weight == 0}
	w := cmp.Or(l.windows[k], d.tracks.windows[k])
	if w == nil {
		w = new(track.Window)
	}
	l.windows[k] = w
	in := l.states[instance]
	r, next := d.serviceReading(w, k, in != nil && in.State == vrrp.Master, l.now)
	if !next.IsZero() && (l.again.IsZero() || next.Before(l.again)) {
		l.again = next
	}
	return r
}

// repeatTracks tells the elector again: it has instances that it did not have when it was told before.
func (d *director) repeatTracks() {
	d.tracks.sent = time.Time{}
	d.lookAtTracks(time.Now())
}

// tellTracks puts what has changed into the journal.
func (d *director) tellTracks(now map[string][]track.Weighed) {
	for i := range d.cfg.Instances {
		in := &d.cfg.Instances[i]
		before, after := d.tracks.weighed[in.Name], now[in.Name]
		if len(before) != len(after) {
			continue // another configuration: what is known is shown, and what comes is told
		}
		for j := range after {
			what, was, is := &in.Tracks[j], before[j], after[j]
			if !track.Looked(what.Kind) { // of which the elector tells
				continue
			}
			if was.State == is.State && was.Adjust == is.Adjust && was.Fault == is.Fault && was.Trouble == is.Trouble {
				continue
			}
			e := observe.Event{Kind: "track", Object: in.Name, Reason: is.State.String(), Warn: is.State == track.Unknown || is.Fault != "" || is.Adjust < was.Adjust}
			e.Message = fmt.Sprintf("%s %s is %s: %s", what.Kind, what.Target, is.State, is.Reason)
			switch {
			case is.Trouble != "" && is.Trouble != was.Trouble:
				e.Warn, e.Message = true, fmt.Sprintf("%s %s stays %s: %s", what.Kind, what.Target, is.State, is.Trouble)
			case is.Fault != "":
				e.Message += "; FAULT"
			case is.Adjust != 0:
				e.Message += fmt.Sprintf("; %+d", is.Adjust)
			}
			d.record(e)
		}
	}
}

// serviceReading is what an instance reports of a service, and when that will be another without anything new.
func (d *director) serviceReading(w *track.Window, k windowKey, master bool, now time.Time) (track.Reading, time.Time) {
	for _, p := range d.pools {
		if p.service.Name != k.service {
			continue
		}
		share, known := d.health(p)
		if !known {
			break
		}
		text := fmt.Sprintf("%.0f %% of the weight is healthy", 100*share)
		if k.quorum {
			share, text = 1, "the quorum is met"
			if p.outcomes[p.service.Keys[0]].QuorumLost {
				share, text = 0, "the quorum is lost"
			}
		}
		w.See(now, share)
		reported, next := w.Report(now, detection(p.service), master)
		r := track.Reading{State: track.Good, Share: reported, Reason: text, Since: w.Since()}
		if reported == 0 {
			r.State = track.Bad
		}
		switch {
		case reported == share:
		case master:
			r.Trouble = "not reported yet: the backup may be about to notice the same"
		default:
			r.Trouble = "not reported yet: the master may be about to notice the same"
		}
		return r, next
	}
	// Nothing yet. What was seen by a former configuration is of no use.
	*w = track.Window{}
	return track.Reading{}, time.Time{}
}

// health is the share of the weight of a service's primary servers that is healthy, of those whose health is known. What
// an operator has taken out is no outage.
func (d *director) health(p *pool) (share float64, known bool) {
	k := knowledge{check: d.checker.Status}
	var healthy, all, unknown float64
	for i := range p.service.Servers {
		server := &p.service.Servers[i]
		switch mode := d.orders.override(p.service.Name, server).Mode; {
		case server.Backup, server.Weight == 0, mode == ipvs.Drain, mode == ipvs.Disable:
			continue
		}
		switch weight := float64(server.Weight); k.combined(p.service.NeedOf(server), p.checks[i]) {
		case ipvs.Up:
			healthy += weight
			all += weight
		case ipvs.Down:
			all += weight
		default:
			unknown += weight
		}
	}
	switch {
	case p.outcomes == nil || all == 0 && unknown > 0:
		return 0, false
	case all == 0:
		return 1, true
	}
	return healthy / all, true
}

// standbySlowness is by what a standby's checks of a service are slower with standby_checks = "slower".
const standbySlowness = 4

// detection is how long after one director the other may notice that a server of the service has failed, or has
// returned.
func detection(s *config.Service) time.Duration {
	var longest time.Duration
	for i := range s.Servers {
		for _, c := range s.ChecksOf(&s.Servers[i]) {
			interval := c.Interval
			if s.Standby == healthcheck.Slower {
				interval *= standbySlowness
			}
			longest = max(longest, interval*time.Duration(max(c.Rise, c.Fall))+c.Timeout)
		}
	}
	return longest
}

// awaitTracks waits for a reading of everything that is tracked.
func (d *director) awaitTracks(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, firstLookLimit)
	defer cancel()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		complete := false
		if d.do(ctx, func() {
			complete = d.tracks.complete
		}) != nil || complete {
			return
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		}
	}
}

// seen is what the elector says of a tracked interface or instance. It tells no time: that is when we heard of it.
func seen(in *link.InstanceState, what *config.Track, heard time.Time) track.Reading {
	if in == nil {
		return track.Reading{}
	}
	for _, s := range in.Seen {
		if s.Kind != what.Kind || s.Target != what.Target || s.Weight != what.Weight {
			continue
		}
		r := track.Reading{State: track.Bad, Since: heard, Reason: s.Text}
		if s.Good {
			r.State = track.Good
		}
		return r
	}
	return track.Reading{}
}

// tracksStatus is what an instance tracks, for observers.
func tracksStatus(c *config.Instance, weighed []track.Weighed) []observe.Track {
	var out []observe.Track
	for i := range c.Tracks {
		what := &c.Tracks[i]
		t := observe.Track{Kind: string(what.Kind), Target: what.Target, Weight: what.Weight, State: track.Pending.String()}
		if i < len(weighed) {
			w := &weighed[i]
			t.State, t.Since, t.Reason, t.Trouble, t.Adjust, t.Fault = w.State.String(), w.Since, w.Reason, w.Trouble, w.Adjust, w.Fault != ""
		}
		out = append(out, t)
	}
	return out
}
