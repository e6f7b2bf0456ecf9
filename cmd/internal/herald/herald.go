package herald

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/lbha/lbha/cmd/internal/program"
	"github.com/lbha/lbha/config"
	"github.com/lbha/lbha/vrrp"
)

const (
	// maxWaiting bounds the transitions of one instance that wait for its command.
	maxWaiting = 64
	// maxRunning bounds the commands that run at once: a thousand instances that move together start no thousand
	// programs in one moment. The others wait their turn.
	maxRunning = 32
	// drainLimit bounds how long what waits is still told at a stop.
	drainLimit = 7 * time.Second
	// killLimit bounds the wait for those who were killed then.
	killLimit = time.Second
)

// Event is something about the telling that an operator should know.
type Event struct {
	Instance, Reason, Message string
}

// Status is how the telling of one instance goes. Counters count since the process began.
type Status struct {
	Waiting  int           // transitions that wait for the command, the one that runs among them
	Running  time.Duration // how long the command has run that runs now; 0: none does
	Ran      uint64        // commands that ended
	Failed   uint64        // of these, with another exit status than 0, or at their deadline
	NotRun   uint64        // commands that could not be started
	Dropped  uint64        // transitions that were left out, because too many waited, or their command was taken away
	Last     string        // how the last command ended
	Lines    uint64        // written to the stream
	Lost     uint64        // lines left out, because nobody read
	Unread   int           // lines that wait for a reader
	LastLine string        // why the stream cannot be written now; empty: it can
}

// Herald tells of the transitions of all instances. Its methods may be called from any goroutine, and return at once.
type Herald struct {
	report func(Event)
	ctx    context.Context // of all commands
	stop   context.CancelFunc
	slots  chan struct{}
	busy   sync.WaitGroup // of whoever tells

	mu      sync.Mutex
	queues  map[string]*queue  // by instance
	streams map[string]*stream // by path
	closed  bool
}

// queue is what waits for the command of one instance. Whoever tells it is there only while something waits.
type queue struct {
	notify  config.Notify
	program *program.Program // nil: no command
	stream  *stream          // nil: no stream
	waiting []Transition     // the first of them is being told
	began   time.Time        // when its command was started; zero: it was not
	told    vrrp.State       // as its command, or the stream if it has none, was told last
	gone    bool             // the configuration has no such instance any more
	status  Status
}

// New makes a herald that tells of nothing yet, after one that had told the states last that it returned from
// [Herald.Told]. Its report is called, from any goroutine, when a command fails.
func New(told map[string]vrrp.State, report func(Event)) *Herald {
	h := &Herald{report: report, slots: make(chan struct{}, maxRunning), queues: make(map[string]*queue), streams: make(map[string]*stream)}
	h.ctx, h.stop = context.WithCancel(context.Background())
	for name, state := range told {
		h.queues[name] = &queue{told: state}
	}
	return h
}

// Update makes the instances those that are told of. One that is no longer among them is told of, as it was configured
// to be, until the next update: its last words may be on their way.
func (h *Herald) Update(instances []config.Instance) {
	h.mu.Lock()
	defer h.mu.Unlock()
	maps.DeleteFunc(h.queues, func(_ string, q *queue) bool { return q.gone && len(q.waiting) == 0 })
	there := make(map[string]bool)
	for i := range instances {
		in := &instances[i]
		if in.Notify == nil {
			continue
		}
		there[in.Name] = true
		q := h.queues[in.Name]
		if q == nil {
			q = new(queue)
			h.queues[in.Name] = q
		}
		q.notify, q.program, q.stream = *in.Notify, nil, nil
		if len(in.Notify.Command) > 0 {
			q.program = program.New(in.Notify.Command, in.Notify.User)
		}
		if path := in.Notify.Stream; path != "" {
			if h.streams[path] == nil {
				h.streams[path] = newStream(path)
			}
			q.stream = h.streams[path]
		}
		if n := len(q.waiting); q.program == nil && n > 0 {
			// There is no command any more that what waits could be told by; one that runs may end.
			q.told = q.waiting[n-1].To
			q.status.Dropped += uint64(n - 1)
			q.waiting = slices.Delete(q.waiting, 1, n)
		}
	}
	used := make(map[*stream]bool)
	for name, q := range h.queues {
		q.gone = !there[name]
		used[q.stream] = true
	}
	for path, s := range h.streams {
		if !used[s] {
			delete(h.streams, path)
			s.abandon()
		}
	}
}

// Tell has a transition told.
func (h *Herald) Tell(t Transition) {
	h.mu.Lock()
	defer h.mu.Unlock()
	q := h.queues[t.Instance]
	if q == nil || h.closed {
		return
	}
	if s := q.stream; s != nil {
		s.add(t)
		if !s.busy {
			s.busy = true
			h.busy.Go(func() { h.write(s) })
		}
	}
	if q.program == nil {
		q.told = t.To
		return
	}
	if len(q.waiting) > maxWaiting {
		// The first is being told, and the newest is never left out.
		q.waiting[2].Missed += q.waiting[1].Missed + 1
		q.waiting = slices.Delete(q.waiting, 1, 2)
		q.status.Dropped++
	}
	q.waiting = append(q.waiting, t)
	if len(q.waiting) == 1 {
		h.busy.Go(func() { h.run(q) })
	}
}

// run tells what waits for the command of an instance, until nothing does.
func (h *Herald) run(q *queue) {
	for {
		h.slots <- struct{}{} // who has one gives it back at its deadline at the latest
		if h.ctx.Err() != nil {
			<-h.slots
			return // what waits is reported as not told
		}
		h.mu.Lock()
		t, p, timeout := q.waiting[0], q.program, q.notify.Timeout
		if p == nil { // it was taken away while the first waited for its turn
			q.waiting = nil
			q.status.Dropped++
			h.mu.Unlock()
			<-h.slots
			return
		}
		q.began = time.Now()
		h.mu.Unlock()
		end, err := runCommand(h.ctx, p, t, timeout)
		<-h.slots

		h.mu.Lock()
		reason := ""
		switch {
		case err != nil:
			reason, q.status.Last = "not-run", err.Error()
			q.status.NotRun++
		case end.Err != nil:
			reason, q.status.Last = "failed", end.String()
			q.status.Ran++
			q.status.Failed++
		default:
			q.status.Last = end.String()
			q.status.Ran++
		}
		message := fmt.Sprintf("%s for %s → %s: %s", p, t.From, t.To, q.status.Last)
		q.waiting, q.began = slices.Delete(q.waiting, 0, 1), time.Time{}
		if q.program != nil {
			q.told = t.To
		}
		done := len(q.waiting) == 0
		h.mu.Unlock()
		if reason != "" {
			h.report(Event{Instance: t.Instance, Reason: reason, Message: message})
		}
		if done {
			return
		}
	}
}

func runCommand(ctx context.Context, p *program.Program, t Transition, timeout time.Duration) (program.End, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	env := []string{
		"LBHA_INSTANCE=" + t.Instance,
		"LBHA_OLD_STATE=" + t.From.String(),
		"LBHA_NEW_STATE=" + t.To.String(),
		"LBHA_REASON=" + t.Reason,
		"LBHA_DETAIL=" + t.Detail,
		"LBHA_PRIORITY=" + strconv.Itoa(t.Priority),
		"LBHA_TIME=" + t.stamp(),
		"LBHA_MISSED=" + strconv.FormatUint(t.Missed, 10),
	}
	return p.Run(ctx, env, t.Instance, t.From.String(), t.To.String(), t.Reason, strconv.Itoa(t.Priority))
}

// stamp is the time of the transition, in milliseconds and UTC.
func (t Transition) stamp() string { return t.Time.UTC().Format("2006-01-02T15:04:05.000Z") }

// Finish tells what waits, within a bound, and nothing after it. What was not told by then it reports.
func (h *Herald) Finish() {
	h.mu.Lock()
	h.closed = true
	for _, s := range h.streams {
		s.hurry()
	}
	h.mu.Unlock()
	told := make(chan struct{})
	go func() { h.busy.Wait(); close(told) }()
	select {
	case <-told:
	case <-time.After(drainLimit):
	}
	h.mu.Lock()
	var untold []Event
	for _, name := range slices.Sorted(maps.Keys(h.queues)) {
		if n := len(h.queues[name].waiting); n > 0 {
			untold = append(untold, Event{Instance: name, Reason: "not-told", Message: fmt.Sprintf("%d transitions were not told before the end", n)})
		}
	}
	for _, s := range h.streams {
		s.abandon()
	}
	h.mu.Unlock()
	for _, e := range untold {
		h.report(e)
	}
	h.stop() // kills the commands that run
	select {
	case <-told:
	case <-time.After(killLimit):
	}
}

// Told returns the state of each instance that was told last, for a successor.
func (h *Herald) Told() map[string]vrrp.State {
	h.mu.Lock()
	defer h.mu.Unlock()
	told := make(map[string]vrrp.State, len(h.queues))
	for name, q := range h.queues {
		told[name] = q.told
	}
	return told
}

// Status returns how the telling of an instance goes; false: it is not told of.
func (h *Herald) Status(instance string) (Status, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	q := h.queues[instance]
	if q == nil || q.gone || q.program == nil && q.stream == nil {
		return Status{}, false
	}
	st := q.status
	st.Waiting = len(q.waiting)
	if !q.began.IsZero() {
		st.Running = time.Since(q.began)
	}
	if s := q.stream; s != nil {
		st.Lines, st.Lost, st.LastLine = s.written[instance], s.lost[instance], s.trouble
		for _, t := range s.lines {
			if t.Instance == instance {
				st.Unread++
			}
		}
	}
	return st, true
}
