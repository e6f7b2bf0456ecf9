package healthcheck

import (
	"cmp"
	"slices"
	"sync/atomic"
	"time"
)

// A member is one check: its own verdict, on the results of a job.
type member struct {
	check   Check
	tracker *Tracker
	job     *job
	state   atomic.Pointer[State] // what observers see of tracker
}

// A job is one distinct probe, and the checks that want its results.
type job struct {
	key      jobKey
	prober   Prober
	schedule Schedule
	members  []*member
	flight   *flight   // the probe that runs, or lingers
	started  time.Time // the last start
	skipped  bool      // the last start was skipped
	pace     Pace      // by which the next start was chosen
	hurried  bool      // it runs as always again, and is not sure of its verdict yet

	queue *queue // starts or judging; nil while it rests, and once retired
	at    time.Time
	place int
}

// A jobKey tells which checks may share a probe.
type jobKey struct {
	probe, id               string // id: for those without a probe key
	interval, fast, timeout time.Duration
	jitter                  time.Duration
}

// publish shows the state of the tracker to observers.
func (m *member) publish() *State {
	s := m.tracker.show()
	m.state.Store(s)
	return s
}

// apply makes set the checks that run.
func (l *loop) apply(set []Check, now time.Time) {
	members := make(map[string]*member, len(set))
	entries := make([]entry, 0, len(set))
	var joining []*member // with another job than before, or their first
	for _, check := range set {
		m := l.members[check.ID]
		if m == nil {
			m = newMember(check, now)
		} else if m.check.ProbeKey != check.ProbeKey {
			m.tracker.BreakRow()
		}
		m.tracker.SetPolicy(check.Spec.Policy)
		m.check = check
		m.publish()
		if m.job == nil || m.job.key != keyOf(&check) {
			joining = append(joining, m)
		}
		members[check.ID] = m
		entries = append(entries, entry{check.ID, check.Target, check.Spec, &m.state})
	}
	for _, m := range joining {
		l.leave(m)
		l.join(m, now, len(joining))
	}
	for id, m := range l.members {
		if members[id] == nil {
			l.leave(m)
		}
	}
	l.members = members
	l.unheard = 0
	for _, m := range members {
		if m.state.Load().Results == 0 {
			l.unheard++
		}
	}
	l.tolerance = time.Duration(1<<63 - 1)
	for key := range l.jobs {
		l.tolerance = min(l.tolerance, key.timeout/2)
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.id, b.id) })
	place := make(map[string]int, len(entries))
	for i := range entries {
		place[entries[i].id] = i
	}
	l.c.index.Store(&index{entries, place})
	l.c.stats.checks.Store(int64(len(members)))
	l.c.stats.probes.Store(int64(len(l.jobs)))
	l.checkReady()
}

func newMember(check Check, now time.Time) *member {
	m := &member{tracker: NewTracker(check.Spec.Policy, now)}
	switch {
	case check.Saved != nil && check.Saved.Verdict != Unknown:
		m.tracker.Restore(*check.Saved)
	case check.Adopted:
		m.tracker.Adopt(now)
	}
	return m
}

func keyOf(c *Check) jobKey {
	k := jobKey{probe: c.ProbeKey, interval: c.Spec.Interval, fast: c.Spec.FastInterval, timeout: c.Spec.Timeout, jitter: c.Spec.Jitter}
	if k.probe == "" {
		k.id = c.ID
	}
	return k
}

// join adds a member to the job of its check, made if there is none. It is one of n
// that join.
func (l *loop) join(m *member, now time.Time, n int) {
	key := keyOf(&m.check)
	j := l.jobs[key]
	if j == nil {
		j = &job{key: key, prober: m.check.Prober, schedule: Schedule{
			Epoch:    l.epoch,
			Phase:    Phase(key.probe+key.id, key.interval),
			Interval: key.interval,
			Fast:     key.fast,
			Jitter:   key.jitter,
		}}
		l.jobs[key] = j
		l.startAt(j, j.schedule.First(now, n))
	}
	if j.queue == nil { // it rests, which a new member cannot afford
		l.startAt(j, j.schedule.First(now, n))
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
