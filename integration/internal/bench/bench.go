package bench

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/load"
	"github.com/lbha/lbha/integration/internal/mono"
	"github.com/lbha/lbha/integration/internal/stage"
)

// Options is what the caller may choose. It crosses into the world as JSON.
type Options struct {
	Runs   int    `json:"runs"` // of each daemon in each series
	Binary string `json:"binary"`
}

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

// plan is one series: an event at an interval, and the ratio that is wanted.
type plan struct {
	event    event
	interval time.Duration
	want     float64
}

var plans = []plan{
	{crash, time.Second, 1.05},
	{crash, 100 * time.Millisecond, 1.05},
	{stop, time.Second, 0.10},
}

// Run measures every series and returns what it found.
func Run(ctx context.Context, o Options, self string, say func(string, ...any)) (*Report, error) {
	s, err := stage.Set(self, say)
	if err != nil {
		return nil, err
	}
	r := new(Report)
	for _, p := range plans {
		series := Series{Event: p.event.name, Interval: p.interval, Want: p.want}
		say("%s at an interval of %v: %d runs each, in turn", p.event.name, p.interval, o.Runs)
		for i := range o.Runs {
			phase := (float64(i) + 0.5) / float64(o.Runs)
			for _, kind := range []drive.Kind{drive.LBHA, drive.Keepalived} {
				sample, err := measure(ctx, s, stage.Pair{Director: kind, Peer: kind, Binary: o.Binary, Interval: p.interval}, p.event, phase)
				if err != nil {
					return nil, fmt.Errorf("%s, %s at %v: %w", kind, p.event.name, p.interval, err)
				}
				series.add(kind, sample)
				say("  %-10s phase %.2f: gap %s, %d datagrams lost", kind, phase, ms(sample.Gap), sample.Lost)
			}
		}
		say("  %s", series.line())
		r.Series = append(r.Series, series)
	}
	return r, s.Clear()
}

// measure starts a pair, does something to its master at a phase of its advertisement interval, and measures what the client lost.
func measure(ctx context.Context, s *stage.Stage, pair stage.Pair, e event, phase float64) (Sample, error) {
	if err := s.Use(pair); err != nil {
		return Sample{}, err
	}
	if err := s.Start(); err != nil {
		return Sample{}, err
	}
	if err := s.Rest(ctx, stage.RestLimit); err != nil {
		return Sample{}, err
	}
	advert, err := s.NextAdvert(s.D1, 5*pair.Interval)
	if err != nil {
		return Sample{}, err
	}
	at := advert.Add(time.Duration(phase * float64(pair.Interval)))
	stage.SleepUntil(ctx, at)
	if err := e.do(s); err != nil {
		return Sample{}, err
	}
	// A hand-over may take a master-down interval before anything happens to the client, and a crash the same after.
	length := s.D2.Settings.MasterDown() + 2*pair.Interval + 500*time.Millisecond
	window := s.Since(at.Add(-200*time.Millisecond), at.Add(length))
	sample := Sample{Phase: phase, Gap: window.UDP.Gap.Long, Lost: window.UDP.Lost, Connections: window.TCP.Unconnected, Stall: window.Stall()}
	if e.name == crash.name {
		last := window.LastAdvert("d1", at)
		if last == 0 {
			last = advert
		}
		sample.FromAdvert = endOf(window.UDP.Gap).Sub(last)
	}
	return sample, nil
}

// endOf is when a gap was over.
func endOf(g load.Gap) mono.Time { return g.From.Add(g.Long) }
