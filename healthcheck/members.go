package healthcheck

import (
	"slices"
	"sync"
	"time"
)

// A member is one check: its own verdict, on the results of a job.
type member struct {
	job *job

	mu      sync.Mutex // for the loop to change what is below, and for others to look at it
	check   *Check     // of the set that runs
	tracker Tracker
}

// A job is one distinct probe, and the checks that want its results.
type job struct {
	key     jobKey
	prober  Prober
	phase   time.Duration // of its schedule
	members []*member
	alone   [1]*member // the members of nearly every job
	flight  *flight    // the probe that runs, or lingers
	started time.Time  // the last start
	skipped bool       // the last start was skipped
	pace    Pace       // by which the next start was chosen
	hurried bool       // it runs as always again, and is not sure of its verdict yet

	queue *queue // starts or judging; nil while it rests, and once retired
	at    time.Time
	place int
}

// A jobKey tells which checks may share a probe.
type jobKey struct {
	probe, id string // id: for those without a probe key
	timing    *timing
}

// timing is how often a job runs and how long it may take: the same for thousands.
type timing struct{ interval, fast, timeout, jitter time.Duration }

// schedule is when j runs.
func (l *loop) schedule(j *job) Schedule {
	t := j.key.timing
	return Schedule{Epoch: l.epoch, Phase: j.phase, Interval: t.interval, Fast: t.fast, Jitter: t.jitter}
}

// take makes m the member of a check of the set that runs from now on, and reports whether
// that asks the same, as often, as the one before.
func (m *member) take(check *Check) (same bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.check
	m.check = check
	if before != nil && before.ProbeKey == check.ProbeKey && before.Spec == check.Spec {
		return true
	}
	if before != nil && before.ProbeKey != check.ProbeKey {
		m.tracker.BreakRow()
	}
	m.tracker.SetPolicy(check.Spec.Policy)
	return false
}

// observe takes in a result. Only the loop does, which may look at m without the lock.
func (m *member) observe(r Result) (changed bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.tracker.Observe(r)
}

// status is a picture of m.
func (m *member) status() Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	return Status{ID: m.check.ID, Target: m.check.Target, Spec: m.check.Spec, State: m.tracker.State()}
}

// saved is what is to survive a restart.
func (m *member) saved() Saved {
	m.mu.Lock()
	defer m.mu.Unlock()
	state := m.tracker.State()
	return state.Saved()
}

// apply makes set the checks that run.
func (l *loop) apply(set []Check, now time.Time) {
	x := make(index, len(set))
	var joining []*member // with another job than before, or their first
	l.unheard = 0
	for i := range set {
		check := &set[i]
		m := l.members[check.ID]
		if m == nil {
			m = newMember(check, now)
		}
		// Of thousands of checks nearly all are as they were.
		if !m.take(check) && (m.job == nil || m.job.key != l.keyOf(check)) {
			joining = append(joining, m)
		}
		if m.tracker.results == 0 {
			l.unheard++
		}
		x[check.ID] = m
	}
	for _, m := range joining {
		l.leave(m)
		l.join(m, now, len(joining))
	}
	for id, m := range l.members {
		if x[id] == nil {
			l.leave(m)
		}
	}
	l.members = x
	l.tolerance, l.timings = time.Duration(1<<63-1), map[timing]*timing{}
	for key := range l.jobs {
		l.tolerance = min(l.tolerance, key.timing.timeout/2)
		l.timings[*key.timing] = key.timing
	}
	l.c.index.Store(&x)
	l.c.stats.checks.Store(int64(len(set)))
	l.c.stats.probes.Store(int64(len(l.jobs)))
	l.checkReady()
}

func newMember(check *Check, now time.Time) *member {
	m := &member{tracker: *NewTracker(check.Spec.Policy, now)}
	switch {
	case check.Saved != nil && check.Saved.Verdict != Unknown:
		m.tracker.Restore(*check.Saved)
	case check.Adopted:
		m.tracker.Adopt(now)
	}
	return m
}

func (l *loop) keyOf(c *Check) jobKey {
	t := timing{interval: c.Spec.Interval, fast: c.Spec.FastInterval, timeout: c.Spec.Timeout, jitter: c.Spec.Jitter}
	if l.timings[t] == nil {
		l.timings[t] = &t
	}
	k := jobKey{probe: c.ProbeKey, timing: l.timings[t]}
	if k.probe == "" {
		k.id = c.ID
	}
	return k
}

// join adds a member to the job of its check, made if there is none. It is one of n
// that join.
func (l *loop) join(m *member, now time.Time, n int) {
	key := l.keyOf(m.check)
	j := l.jobs[key]
	if j == nil {
		j = &job{key: key, prober: m.check.Prober, phase: Phase(key.probe+key.id, key.timing.interval)}
		j.members = j.alone[:0]
		l.jobs[key] = j
	}
	if j.queue == nil { // it is new, or rests, which a new member cannot afford
		// Those that begin on the grid are better on it from the first: each gap is the interval.
		few := n <= atOnce && key.timing.interval > gridClose
		if few && j.flight == nil && l.running < l.c.options.Concurrency {
			l.launch(j, now, 0)
		} else {
			l.startAt(j, l.schedule(j).First(now, n))
		}
	}
	j.members = append(j.members, m)
	m.job = j
}

// leave takes a member out of its job. A job without members is retired: a probe
// of it that still runs is canceled and its result is lost.
func (l *loop) leave(m *member) {
	j := m.job
	if j == nil {
		return
	}
	m.job = nil
	i := slices.Index(j.members, m)
	j.members = slices.Delete(j.members, i, i+1)
	if len(j.members) > 0 {
		return
	}
	delete(l.jobs, j.key)
	if j.queue != nil {
		j.queue.remove(j)
	}
	if f := j.flight; f != nil {
		f.cancel()
		if !f.given {
			f.given = true
			l.count(-1, +1)
		}
	}
}
