package bench

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/lbha/lbha/integration/internal/load"
	"github.com/lbha/lbha/integration/internal/mono"
	"github.com/lbha/lbha/integration/internal/stage"
)

// event is what is done to the master.
type event struct {
	name string
	do   func(s *stage.Stage) error
}

var (
	crash = event{"crash", func(s *stage.Stage) error {
		// The cable goes with the processes, as when a machine loses its power.
		return errors.Join(s.D1.SignalAll(syscall.SIGKILL), s.Net.Port(s.Net.D1, false))
	}}
	stop = event{"stop", func(s *stage.Stage) error { return s.D1.Stop() }}
)

// outages are the series of a service: an event at an interval, and the ratio that is wanted.
var outages = []struct {
	event    event
	interval time.Duration
	want     float64
}{
	{crash, time.Second, 1.05},
	{crash, 100 * time.Millisecond, 1.05},
	{stop, time.Second, 0.10},
}

// RunOutage measures what the clients of a service lose. It needs a kernel with IPVS.
func RunOutage(ctx context.Context, o Options, self string, say func(string, ...any)) (*Section, error) {
	s, err := stage.Set(self, say)
	if err != nil {
		return nil, err
	}
	section := &Section{Name: PartOutage, About: "what clients of an IPVS service lose, UDP at 1 kHz; crash: all processes killed and the cable out; stop: SIGTERM"}
	runs := max(o.Runs/2, 2) // each takes some ten seconds
	for _, p := range outages {
		gap := Series{What: fmt.Sprintf("%s at %v: gap", p.event.name, p.interval), Unit: "ms", Want: p.want}
		// From the last advert to the first answer: what the protocol's formula is about.
		from := Series{What: fmt.Sprintf("%s at %v: last advert to first answer", p.event.name, p.interval), Unit: "ms"}
		say("%s at an interval of %v: %d runs each, in turn", p.event.name, p.interval, runs)
		for i := range runs {
			phase := (float64(i) + 0.5) / float64(runs)
			for _, kind := range kinds {
				sample, err := measure(ctx, s, stage.Pair{Director: kind, Peer: kind, Binary: o.Binary, Interval: p.interval}, p.event, phase)
				if err != nil {
					return nil, fmt.Errorf("%s, %s at %v: %w", kind, p.event.name, p.interval, err)
				}
				gap.addTime(kind, sample.gap)
				from.addTime(kind, sample.fromAdvert)
				say("  %-10s phase %.2f: gap %v, %d datagrams lost; the client itself stood still for %v", kind, phase, sample.gap, sample.lost, sample.stall)
			}
		}
		say("  %s", gap.line())
		section.Series = append(section.Series, gap)
		if p.event.name == crash.name {
			section.Series = append(section.Series, from)
		}
	}
	return section, s.Clear()
}

// sample is one run.
type sample struct {
	gap        time.Duration // longest time without an answer
	lost       int           // datagrams
	stall      time.Duration // longest time in which the client itself stood still
	fromAdvert time.Duration // from the last advert to the first answer
}

// measure starts a pair, does something to its master at a phase of its advertisement interval, and measures what the client lost.
func measure(ctx context.Context, s *stage.Stage, pair stage.Pair, e event, phase float64) (sample, error) {
	if err := s.Use(pair); err != nil {
		return sample{}, err
	}
	if err := s.Start(); err != nil {
		return sample{}, err
	}
	if err := s.Rest(ctx, stage.RestLimit); err != nil {
		return sample{}, err
	}
	advert, err := s.NextAdvert(s.D1, 5*pair.Interval)
	if err != nil {
		return sample{}, err
	}
	at := advert.Add(time.Duration(phase * float64(pair.Interval)))
	stage.SleepUntil(ctx, at)
	if err := e.do(s); err != nil {
		return sample{}, err
	}
	// A hand-over may take a master-down interval before anything happens to the client, and a crash the same after.
	length := s.D2.Settings.MasterDown() + 2*pair.Interval + 500*time.Millisecond
	window := s.Since(at.Add(-200*time.Millisecond), at.Add(length))
	last := window.LastAdvert("d1", at)
	if last == 0 {
		last = advert
	}
	return sample{
		gap: window.UDP.Gap.Long, lost: window.UDP.Lost, stall: window.Stall(),
		fromAdvert: endOf(window.UDP.Gap).Sub(last),
	}, nil
}

// endOf is when a gap was over.
func endOf(g load.Gap) mono.Time { return g.From.Add(g.Long) }
