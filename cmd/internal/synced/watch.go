package synced

import (
	"context"
	"slices"
	"sync/atomic"
	"time"
)

// Source is what [Listen] returns, as the actor needs it.
type Source interface {
	Packets() <-chan Packet
	Close()
}

// Options of a [Watch]. All are needed.
type Options struct {
	Self   func() Self                         // as it is now; safe for use by another goroutine
	Listen func(ifname string) (Source, error) // on the interface of our daemons
	Tell   func(f Finding, gone bool)          // of each that comes, and that is gone
}

// Watch is the actor: it listens while there is something to listen for.
type Watch struct {
	options Options
	found   atomic.Pointer[[]Finding]
}

// New makes a watch, which does nothing before [Watch.Run].
func New(o Options) *Watch { return &Watch{options: o} }

// Findings is what is wrong now. It is safe for use by any goroutine.
func (w *Watch) Findings() []Finding {
	if found := w.found.Load(); found != nil {
		return *found
	}
	return nil
}

const (
	period = time.Second
	// relisten is how often the interfaces are looked at anew: some come and go.
	relisten = 5 * time.Minute
)

// Run works until ctx ends.
func (w *Watch) Run(ctx context.Context) error {
	tick := time.NewTicker(period)
	defer tick.Stop()
	judge := NewJudge()
	var source Source
	var packets <-chan Packet
	hangUp := func() {
		if source != nil {
			source.Close()
			source, packets = nil, nil
		}
	}
	defer hangUp()
	var ifname string
	var since time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case p := <-packets:
			judge.Hear(p, time.Now())
		case now := <-tick.C:
			self := w.options.Self()
			if self.Interface != ifname || now.Sub(since) >= relisten {
				hangUp()
				ifname, since = self.Interface, now
			}
			if source == nil && ifname != "" {
				if s, err := w.options.Listen(ifname); err == nil { // else at the next tick: the pair forwards without us
					source, packets = s, s.Packets()
				}
			}
			w.publish(judge.Findings(self, now))
		}
	}
}

// publish shows what is wrong, and tells of what has changed. A finding is the same while its interface and its word
// are.
func (w *Watch) publish(found []Finding) {
	before := w.Findings()
	w.found.Store(&found)
	like := func(f Finding) func(Finding) bool {
		return func(g Finding) bool { return g.Object == f.Object && g.Reason == f.Reason }
	}
	for i, f := range found {
		if !slices.ContainsFunc(before, like(f)) && !slices.ContainsFunc(found[:i], like(f)) {
			w.options.Tell(f, false)
		}
	}
	for i, f := range before {
		if !slices.ContainsFunc(found, like(f)) && !slices.ContainsFunc(before[:i], like(f)) {
			w.options.Tell(f, true)
		}
	}
}
