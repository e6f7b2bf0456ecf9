package interop

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/lbha/lbha/integration/internal/drive"
	"github.com/lbha/lbha/integration/internal/mono"
	"github.com/lbha/lbha/integration/internal/suite"
	"github.com/lbha/lbha/integration/internal/witness"
)

// Options is what the caller may choose. It crosses into the world as JSON.
type Options struct {
	Binary string        `json:"binary"` // path of lbha
	Cells  []string      `json:"cells"`  // only the cells whose names have all of these words; empty: all
	Busy   time.Duration `json:"busy"`   // how long the busy pair is watched; 0: not at all
	Slow   bool          `json:"slow"`   // the world has one slow processor: fewer cells at once, and more time for each
}

const (
	// Version 2 waits for whole seconds: all of its cells go at once. Of the quick ones only so many that they do not disturb each other.
	atOnce, slowAtOnce           = 32, 6
	quickAtOnce, slowQuickAtOnce = 4, 1
	stagger                      = 150 * time.Millisecond
	// A lab that stands still for so long may have failed a cell by itself.
	stallLimit = 40 * time.Millisecond
)

// Run plays the matrix, then the busy pair.
func Run(ctx context.Context, o Options, say func(string, ...any)) (*Report, error) {
	// Observers block in system calls, and must not wait for one of Go's processors when they return.
	runtime.GOMAXPROCS(16)
	if err := os.MkdirAll("/run/lab", 0o755); err != nil {
		return nil, err
	}
	var cells []Cell
	for _, c := range Matrix() {
		if c.matches(o.Cells) {
			cells = append(cells, c)
		}
	}
	say("interop: %d cells of lbha beside keepalived and FRR, side by side", len(cells))
	seen := witness.Start()
	defer seen.Stop()
	r := &Report{Cells: make([]*Result, len(cells))}
	once := func(i int, prefix string) {
		begin := mono.Now()
		r.Cells[i] = play(ctx, prefix, cells[i], o)
		r.Cells[i].Stall = seen.Longest(begin, mono.Now())
		say("  %s: %s in %.0f s", cells[i], suite.Verdict(r.Cells[i].OK()), mono.Now().Sub(begin).Seconds())
	}
	var all sync.WaitGroup
	places := map[bool]chan struct{}{false: make(chan struct{}, atOnce), true: make(chan struct{}, quickAtOnce)}
	if o.Slow {
		places = map[bool]chan struct{}{false: make(chan struct{}, slowAtOnce), true: make(chan struct{}, slowQuickAtOnce)}
	}
	for i := range cells {
		place := places[cells[i].Version == 3]
		all.Go(func() {
			place <- struct{}{}
			defer func() { <-place }()
			once(i, fmt.Sprintf("c%02d", i))
		})
		time.Sleep(stagger)
	}
	if len(o.Cells) == 0 {
		r.Trickles = make([]*Trickle, 2)
		for i, kind := range []drive.Kind{drive.LBHA, drive.Keepalived} {
			all.Go(func() {
				var err error
				if r.Trickles[i], err = playTrickle(ctx, kind, o.Binary); err != nil {
					say("  %s beside a forger: %v", kind, err)
					r.Trickles[i] = &Trickle{Kind: kind}
				}
			})
		}
	}
	all.Wait()
	for i := range cells {
		again := 0
		suite.Repeat(func() suite.Play {
			if again > 0 { // the first play was above
				once(i, fmt.Sprintf("r%d%02d", again, i))
			}
			again++
			became, why := r.Cells[i].became()
			if became != suite.Held {
				say("  %s: %s", cells[i], why)
			}
			return became
		})
		r.Cells[i].Again = again - 1
	}
	if o.Busy > 0 {
		say("lbha at %v for %v, every processor busy", busyInterval, o.Busy)
		var err error
		if r.Busy, err = PlayBusy(ctx, drive.LBHA, o.Binary, Compute, o.Busy); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// became says what a play of a cell is worth. All that a cell demands is about times.
func (r *Result) became() (suite.Play, string) {
	var failures []suite.Failure
	for _, f := range r.Findings {
		if !f.OK {
			failures = append(failures, suite.Failure{What: f.What + ": " + f.Measured, Figure: true})
		}
	}
	switch {
	case len(r.Findings) == 0:
		return suite.Broken, "nothing was seen"
	case len(failures) > 0 && r.Stall > stallLimit:
		// What was measured then is the machine. A director cannot bring that about.
		return suite.Spoiled, fmt.Sprintf("it failed, but the lab stood still for %s ms", ms(r.Stall))
	}
	return suite.Weigh(failures)
}
