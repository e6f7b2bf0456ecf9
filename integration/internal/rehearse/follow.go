package rehearse

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/lbha/lbha/integration/internal/mono"
	"github.com/lbha/lbha/integration/internal/observe"
)

const (
	// askPeriod is how often a director is asked.
	askPeriod = 200 * time.Millisecond
	// deaf is how long a director may say nothing before it is not master, as far as anybody can tell.
	deaf = 3 * time.Second
	// unseen is how long a silence may be before the report tells of it.
	unseen = time.Second
)

// watcher hears what both directors say of themselves.
type watcher struct {
	mu       sync.Mutex
	begun    bool // changes count
	views    map[string]*view
	holdings []observe.Holding
	notes    []string
	from     mono.Time
}

// view is what is known of one director.
type view struct {
	at     mono.Time // of its last answer; zero: none yet
	runs   bool      // its daemon answered
	master bool
}

func newWatcher() *watcher {
	return &watcher{views: map[string]*view{"d1": {}, "d2": {}}}
}

// hear takes an answer.
func (w *watcher) hear(director string, s remote, at mono.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	v := w.views[director]
	w.silence(director, v, at)
	v.at, v.runs = at, len(s.Instances) > 0
	w.set(director, v, s.master(), at)
}

// silence notes that a director was not seen.
func (w *watcher) silence(director string, v *view, at mono.Time) {
	if silent := at.Sub(max(v.at, w.from)); w.begun && silent > unseen {
		w.notes = append(w.notes, fmt.Sprintf("%s was not seen from %.1f s to %.1f s", director, max(v.at, w.from).Sub(w.from).Seconds(), at.Sub(w.from).Seconds()))
	}
}

func (w *watcher) set(director string, v *view, master bool, at mono.Time) {
	if v.master != master && w.begun {
		w.holdings = append(w.holdings, observe.Holding{At: at, Host: director, Holds: master})
	}
	v.master = master
}

// miss finds who has said nothing for too long.
func (w *watcher) miss(now mono.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for director, v := range w.views {
		if now.Sub(v.at) > deaf {
			v.runs = false
			w.set(director, v, false, now)
		}
	}
}

// begin makes changes count from now on, and returns who is master. It is not ok while a director has not answered yet.
func (w *watcher) begin(now mono.Time) (masters map[string]bool, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	masters = map[string]bool{}
	for director, v := range w.views {
		if v.at == 0 {
			return nil, false
		}
		masters[director] = v.master
	}
	w.begun, w.from = true, now
	return masters, true
}

// answers reports whether a director's daemon answers.
func (w *watcher) answers(director string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.views[director].runs
}

// end returns what was heard until now.
func (w *watcher) end(now mono.Time) (holdings []observe.Holding, notes []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for director, v := range w.views {
		w.silence(director, v, now)
	}
	slices.Sort(w.notes)
	slices.SortStableFunc(w.holdings, func(a, b observe.Holding) int { return int(a.At - b.At) })
	w.begun = false
	return w.holdings, w.notes
}

// follow hears both directors until the context ends, and waits for the connections to end.
func (r *SSH) follow(ctx context.Context, w *watcher, length time.Duration) (wait func()) {
	var all sync.WaitGroup
	for director := range w.views {
		all.Go(func() {
			for ctx.Err() == nil {
				r.listen(ctx, director, length, func(s remote) { w.hear(director, s, mono.Now()) })
				sleep(ctx, askPeriod)
			}
		})
	}
	all.Go(func() {
		for ctx.Err() == nil {
			w.miss(mono.Now())
			sleep(ctx, askPeriod)
		}
	})
	return all.Wait
}

// loopMargin is by how much the loop on a host may outlast the window: steps may take long.
const loopMargin = 2 * time.Minute

// listen is one connection, which asks all the time: to make one may take longer than what is to be seen.
func (r *SSH) listen(ctx context.Context, director string, length time.Duration, see func(remote)) {
	// The loop ends by itself where nobody ends it: when its time is over, or nobody reads what it prints.
	loop := fmt.Sprintf("end=$(($(date +%%s)+%d)); while [ $(date +%%s) -lt $end ]; do %s || echo {}; sleep %g; done",
		int((length + loopMargin).Seconds()), r.may("lbha status --json"), askPeriod.Seconds())
	cmd := r.command(ctx, r.host(director), loop)
	answers, out := io.Pipe()
	cmd.Stdout = out
	read := make(chan struct{})
	go func() {
		defer close(read)
		for d := json.NewDecoder(answers); ; {
			var s remote
			if d.Decode(&s) != nil {
				break
			}
			see(s)
		}
		_, _ = io.Copy(io.Discard, answers)
	}()
	_ = cmd.Run() // why it ended is told by whatever else is asked there
	out.Close()
	<-read
}

// sleep waits, if nobody ends that.
func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
