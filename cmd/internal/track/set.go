package track

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/healthcheck"
)

// Set runs what the instances of a configuration track by script, file and process. Its methods may be called from any
// goroutine.
type Set struct {
	scripts     *healthcheck.Checker
	directories *directories
	updates     chan update
	changed     chan struct{}
	stopped     chan struct{}

	mu       sync.Mutex
	readings map[string]Reading // of files and processes, by key
}

// update is what is to be watched from now on, by key.
type update struct {
	tracks map[string]config.Track
	done   chan struct{}
}

// errStopped is returned by [Set.Update] when Run has ended.
var errStopped = errors.New("trackers have stopped")

// NewSet makes a set that watches nothing yet.
func NewSet() *Set {
	s := &Set{
		directories: newDirectories(),
		updates:     make(chan update),
		changed:     make(chan struct{}, 1),
		stopped:     make(chan struct{}),
		readings:    make(map[string]Reading),
	}
	s.scripts = healthcheck.NewChecker(healthcheck.Options{OnResult: func(_ string, r healthcheck.Result) {
		if !r.Counts() {
			s.wake() // no verdict changes, but we know why not
		}
	}})
	return s
}

// Changed receives whenever a reading may have become another one.
func (s *Set) Changed() <-chan struct{} { return s.changed }

// Look returns what is known of a tracked script, file or process. What is not watched is pending.
func (s *Set) Look(t *config.Track) Reading {
	if t.Kind == config.TrackScript {
		status, ok := s.scripts.Status(key(t))
		if !ok {
			return Reading{}
		}
		return readingOf(status)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.readings[key(t)]
}

// Update makes the tracks of the instances those that are looked at. One that was looked at before, in the same way,
// is so without a break. It waits for Run.
func (s *Set) Update(ctx context.Context, instances []config.Instance) error {
	u := update{tracks: make(map[string]config.Track), done: make(chan struct{})}
	var checks []healthcheck.Check
	for i := range instances {
		for j := range instances[i].Tracks {
			t := &instances[i].Tracks[j]
			id := key(t)
			if _, dup := u.tracks[id]; dup {
				continue
			}
			switch t.Kind {
			case config.TrackScript:
				checks = append(checks, scriptCheck(t))
			case config.TrackFile, config.TrackProcess:
			default:
				continue
			}
			u.tracks[id] = *t
		}
	}
	if err := s.scripts.Update(ctx, checks); err != nil {
		return fmt.Errorf("scripts: %w", err)
	}
	select {
	case s.updates <- u:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.stopped:
		return errStopped
	}
	<-u.done
	s.wake()
	return nil
}

// Run looks until ctx ends, and returns when everybody who looked has.
func (s *Set) Run(ctx context.Context) error {
	defer close(s.stopped)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.scripts.Run(ctx) })
	g.Go(func() error { return s.directories.Run(ctx) })
	g.Go(func() error {
		for range s.scripts.Changes() {
			s.wake()
		}
		return nil
	})
	g.Go(func() error { return s.watch(ctx) })
	return g.Wait()
}

// stopGrace bounds the wait for those who look, at the end: one may read a file of a server that does not answer.
const stopGrace = time.Second

// watch owns the goroutines that look at files and processes.
func (s *Set) watch(ctx context.Context) error {
	watchers := make(map[string]context.CancelFunc)
	var running sync.WaitGroup
	for {
		var u update
		select {
		case <-ctx.Done():
			ended := make(chan struct{})
			go func() { running.Wait(); close(ended) }()
			select {
			case <-ended:
			case <-time.After(stopGrace):
			}
			return nil
		case u = <-s.updates:
		}
		for id, stop := range watchers {
			if _, stays := u.tracks[id]; stays {
				continue
			}
			delete(watchers, id)
			s.mu.Lock()
			stop()
			delete(s.readings, id)
			s.mu.Unlock()
		}
		for id, t := range u.tracks {
			if _, runs := watchers[id]; runs || t.Kind == config.TrackScript {
				continue
			}
			ctx, stop := context.WithCancel(ctx)
			watchers[id] = stop
			running.Go(func() {
				show := func(r Reading) { s.show(ctx, id, r) }
				if t.Kind == config.TrackFile {
					watchFile(ctx, t.Target, s.directories, show)
				} else {
					watchProcess(ctx, "/proc", t.Target, show)
				}
			})
		}
		close(u.done)
	}
}

// show keeps a reading of somebody who still looks. One that says what was said before is as old as that.
func (s *Set) show(ctx context.Context, id string, r Reading) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.readings[id]
	if ctx.Err() != nil || r.same(old) {
		return
	}
	if r.State == old.State && r.Weight == old.Weight {
		r.Since = old.Since // it is only explained in other words
	}
	s.readings[id] = r
	s.wake()
}

// wake says that somebody should look.
func (s *Set) wake() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}
