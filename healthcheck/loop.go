package healthcheck

import (
	"context"
	"fmt"
	"time"
)

const (
	// judgeGrace is how long after its deadline a probe is given up. The prober's
	// own word ("timeout in tls handshake") says more than the loop's could, so it
	// gets the time to be heard; the result carries the deadline all the same.
	judgeGrace = 100 * time.Millisecond

	// leastBeat bounds from below how often the loop wakes only to see whether it
	// can: a stall in the middle of a probe shows in nothing else.
	leastBeat = 50 * time.Millisecond

	// startTick gathers the starts of so long a span into one waking: at a thousand
	// probes a second a good part of their cost is to wake for each.
	startTick = 20 * time.Millisecond

	// atOnce is how many checks that are new start without waiting for the end of such a span:
	// somebody has added a server, and waits for it to serve.
	atOnce = 16

	// stopGrace is how long Run waits for canceled probes to return.
	stopGrace = 2 * time.Second
)

// A loop is the one goroutine of a [Checker]: it owns schedule and trackers.
type loop struct {
	c      *Checker
	ctx    context.Context // of all probes
	cancel context.CancelFunc
	epoch  time.Time

	members map[string]*member
	jobs    map[jobKey]*job
	timings map[timing]*timing // each once
	paces   map[string]Pace    // by group
	starts  queue              // jobs that wait for their start, by its time
	judging queue              // jobs that run, by the time at which they are given up

	planned   time.Time     // when the timer is to wake the loop; zero: never
	beat      time.Time     // when it is to wake at the latest while probes run
	tolerance time.Duration // lateness that casts doubt on the strictest timeout
	lag       time.Duration // the worst lateness of late
	lagged    time.Time     // when it was
	running   int
	lingering int
	pending   []Change
	unheard   int  // members without a result
	ready     bool // the first round is complete
}

// A flight is one probe on its way.
type flight struct {
	job             *job
	start, deadline time.Time
	cancel          context.CancelFunc
	asking          Asking        // nil: a goroutine of its own asks, or the asking was ended
	late            time.Duration // worst lateness of the loop meanwhile
	given           bool          // given up: its result is of no interest
}

func newLoop(ctx context.Context, c *Checker) *loop {
	l := &loop{c: c, epoch: time.Now(), members: map[string]*member{}, jobs: map[jobKey]*job{}, timings: map[timing]*timing{}}
	l.ctx, l.cancel = context.WithCancel(ctx)
	return l
}

func (l *loop) run(ctx context.Context) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		changes := l.c.changes
		if len(l.pending) == 0 {
			changes = nil
		}
		select {
		case <-ctx.Done():
			return l.stop()
		case u := <-l.c.updates:
			l.apply(u.set, time.Now())
			close(u.done)
		case l.paces = <-l.c.paces:
			l.hasten(time.Now())
		case h := <-l.c.told:
			l.takeOver(h, time.Now())
		case changes <- l.pending:
			l.pending = nil
		case <-l.c.outcomes.wake:
		case <-timer.C:
		}
		now := time.Now()
		l.turn(now)
		if next := l.next(now); !next.Equal(l.planned) {
			l.planned = next
			if next.IsZero() {
				timer.Stop()
			} else {
				timer.Reset(next.Sub(now))
			}
		}
	}
}

// turn takes in all answers and does what is due, deadlines, then starts: no probe is
// given up whose answer is here. The plan stands until then, for lateness to be measured
// by.
func (l *loop) turn(now time.Time) {
	late := l.noteLateness(now)
	for collected := false; ; {
		for _, o := range l.c.outcomes.take() {
			l.land(o, now)
		}
		if len(l.judging) == 0 || l.judging[0].at.After(now) {
			break
		}
		if !collected && l.c.options.Starter != nil {
			l.c.options.Starter.Collect()
			collected = true
			continue
		}
		l.giveUp(l.judging[0], now)
	}
	// Whatever woke the loop, starts are of a whole span, the same in each round: one that came
	// earlier for once would make the next one late.
	for len(l.starts) > 0 && !l.tick(l.starts[0].at).After(now) {
		j := l.starts[0]
		switch {
		case j.flight != nil:
			// The former probe ignores its deadline: no answer is no answer.
			l.starts.remove(j)
			j.started = now
			l.conclude(j, now, timeout(j.flight, now))
		case l.running >= l.c.options.Concurrency:
			return // starts go on as probes return, the longest due first
		case late > j.key.timing.interval/4 && !j.at.Before(l.planned) && !j.skipped:
			// Missed in a stall. Not twice in a row: who is always late must still look.
			l.starts.remove(j)
			j.skipped = true
			l.c.stats.skipped.Add(1)
			l.startAt(j, l.schedule(j).Skip(now))
		default:
			l.starts.remove(j)
			l.launch(j, now, late)
		}
	}
}

// next returns when the loop must wake; zero if only an event can make it.
func (l *loop) next(now time.Time) time.Time {
	var next time.Time
	if len(l.judging) > 0 {
		if !l.beat.After(now) {
			l.beat = now.Add(max(l.tolerance/4, leastBeat))
		}
		next = l.judging[0].at
		if l.beat.Before(next) {
			next = l.beat
		}
	}
	if len(l.starts) > 0 && l.running < l.c.options.Concurrency {
		at := l.tick(l.starts[0].at)
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	return next
}

// tick returns the end of the span of startTick in which t is.
func (l *loop) tick(t time.Time) time.Time {
	return l.epoch.Add((t.Sub(l.epoch) + startTick - 1).Truncate(startTick))
}

// launch starts a probe.
func (l *loop) launch(j *job, now time.Time, late time.Duration) {
	f := &flight{job: j, start: now, deadline: now.Add(l.patience(j.key.timing.timeout, now)), late: late}
	j.flight, j.started, j.skipped = f, now, false
	l.count(+1, 0)
	l.c.stats.started.Add(1)
	if l.begin(f) {
		j.at = f.deadline
		if j.key.timing.timeout >= 10*startTick {
			j.at = l.tick(j.at) // silent servers, too, are told of together
		}
	} else {
		var ctx context.Context
		ctx, f.cancel = context.WithDeadline(l.ctx, f.deadline)
		j.at = f.deadline.Add(judgeGrace)
		go l.c.fly(ctx, f)
	}
	l.judging.add(j)
}

// begin lets the Starter run a probe, if it can.
func (l *loop) begin(f *flight) bool {
	if l.c.options.Starter == nil {
		return false
	}
	asking, ok := l.c.options.Starter.Start(f.job.prober, func(r Result) { l.c.report(f, r) })
	if !ok {
		return false
	}
	f.asking, f.cancel = asking, func() { asking.End(FailureCanceled) }
	return true
}

// fly runs one probe, in a goroutine of its own.
func (c *Checker) fly(ctx context.Context, f *flight) {
	begin := time.Now()
	r := f.job.prober.Probe(ctx)
	r.At = time.Now()
	r.Latency = r.At.Sub(begin)
	c.report(f, r)
}

// report hands in a result.
func (c *Checker) report(f *flight, r Result) {
	r.Detail = clip(r.Detail)
	// Who began late, or was told of the deadline late, is a sign of a stall that the
	// loop may not have felt.
	lag := max(r.At.Add(-r.Latency).Sub(f.start), r.At.Sub(f.deadline))
	r.Late = r.excusable() && lag > f.job.key.timing.timeout/2
	c.outcomes.add(outcome{f, r})
}

// land takes the result of a probe that has returned.
func (l *loop) land(o outcome, now time.Time) {
	f, j := o.flight, o.flight.job
	f.cancel()
	if f.given {
		l.count(0, -1)
		if j.flight == f {
			j.flight = nil
		}
		return
	}
	l.count(-1, 0)
	j.flight = nil
	l.judging.remove(j)
	if o.result.excusable() {
		o.result.Late = o.result.Late || f.isLate()
	}
	l.conclude(j, now, o.result)
}

// giveUp judges a probe that has not returned by its deadline. Its goroutine
// lingers, at most one a job: none is started before it has returned.
//
// That is our own affair, for a prober needs nobody to return: it is starved, and
// proves nothing. If it has still not returned when its next start is due, it hangs,
// on something that has to do with the server for all we know.
func (l *loop) giveUp(j *job, now time.Time) {
	l.judging.remove(j)
	if a := j.flight.asking; a != nil {
		j.flight.asking = nil
		j.at = j.flight.deadline.Add(judgeGrace)
		l.judging.add(j)
		a.End(FailureTimeout)
		return
	}
	j.flight.given = true
	l.count(-1, +1)
	r := timeout(j.flight, j.flight.deadline)
	r.Late = true
	l.conclude(j, now, r)
}

// timeout is the loop's own verdict on a probe that does not return.
func timeout(f *flight, at time.Time) Result {
	took := at.Sub(f.start)
	r := Failed(FailureTimeout, fmt.Sprintf("the probe has not returned after %v", took.Round(time.Millisecond)))
	r.At, r.Latency, r.Late = at, took, f.isLate()
	return r
}

// isLate reports whether the director was late enough to have caused the failure.
func (f *flight) isLate() bool { return f.late > f.job.key.timing.timeout/2 }

// conclude tells the members of a job a result and schedules its next start.
func (l *loop) conclude(j *job, now time.Time, r Result) {
	settled := true
	if r.Late {
		l.c.stats.late.Add(1)
	}
	for _, m := range j.members {
		l.observe(m, r)
		settled = settled && (m.tracker.Settled() || !r.Counts()) // no hurry to fail for lack of descriptors again
	}
	l.plan(j, now, settled)
	l.checkReady()
}

// observe tells one member a result.
func (l *loop) observe(m *member, r Result) {
	was, first := m.tracker.verdict, m.tracker.results == 0
	if m.observe(r) {
		l.pending = append(l.pending, Change{
			ID: m.check.ID, From: was, To: m.tracker.verdict,
			Reason: m.tracker.reason, Cause: r, At: r.At,
		})
	}
	if first {
		l.unheard--
	}
	if l.c.options.OnResult != nil {
		l.c.options.OnResult(m.check.ID, r)
	}
}

func (l *loop) startAt(j *job, at time.Time) {
	j.at = at
	l.starts.add(j)
}

// count changes the number of probes that run and that linger.
func (l *loop) count(running, lingering int) {
	l.running += running
	l.lingering += lingering
	l.c.stats.running.Store(int64(l.running))
	l.c.stats.lingering.Store(int64(l.lingering))
}

func (l *loop) checkReady() {
	if !l.ready && l.unheard == 0 {
		l.ready = true
		close(l.c.ready)
	}
}

// stop cancels all probes and waits for their goroutines.
func (l *loop) stop() error {
	l.cancel()
	for _, j := range l.judging {
		j.flight.cancel()
	}
	grace := time.NewTimer(stopGrace)
	defer grace.Stop()
	for {
		for _, o := range l.c.outcomes.take() {
			o.flight.cancel()
			if o.flight.given {
				l.count(0, -1)
			} else {
				l.count(-1, 0)
			}
		}
		if l.running+l.lingering == 0 {
			return nil
		}
		select {
		case <-l.c.outcomes.wake:
		case <-grace.C:
			return fmt.Errorf("checker: probes that ignored the end of their context: %d", l.running+l.lingering)
		}
	}
}
