package elector

import (
	"io"
	"slices"
	"sync"
	"time"

	"github.com/lbha/lbha/vrrp/address"
)

// links takes links down, and away, beside the loop: for either the kernel waits until every processor has let go of the
// link, tens of milliseconds in which adverts would be late. To bring one up is quick, and the loop's own business.
type links struct {
	conn *address.Conn // the worker's

	mu      sync.Mutex
	changed sync.Cond
	jobs    []linkJob
	atHand  []linkJob
	err     error // the last, until it is asked for
}

// linkJob is what is to become of a link: down, or gone.
type linkJob struct {
	name  string
	index int
	gone  bool
}

// newLinks starts the worker, which lives as long as the process.
func newLinks() (*links, error) {
	conn, err := address.Dial()
	if err != nil {
		return nil, err
	}
	l := &links{conn: conn}
	l.changed.L = &l.mu
	go l.work()
	return l, nil
}

// retire takes links down, or away, soon. None of them has a job yet.
func (l *links) retire(jobs []linkJob) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.jobs = append(l.jobs, jobs...)
	l.changed.Broadcast()
}

// keep takes a retirement back. What has begun it waits for: a link is wanted again within some milliseconds only where
// something flaps.
func (l *links) keep(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	same := func(j linkJob) bool { return j.name == name }
	l.jobs = slices.DeleteFunc(l.jobs, same)
	for slices.ContainsFunc(l.atHand, same) {
		l.changed.Wait()
	}
}

// trouble returns the last error, once.
func (l *links) trouble() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.err
	l.err = nil
	return err
}

// finish waits until all is done, but not for ever.
func (l *links) finish(timeout time.Duration) {
	late := false
	timer := time.AfterFunc(timeout, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		late = true
		l.changed.Broadcast()
	})
	defer timer.Stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.jobs)+len(l.atHand) > 0 && !late {
		l.changed.Wait()
	}
}

func (l *links) work() {
	l.mu.Lock()
	for {
		for len(l.jobs) == 0 {
			l.changed.Wait()
		}
		l.take()
		l.mu.Unlock()
		err := l.carryOut()
		l.mu.Lock()
		if err != nil {
			l.err = err
		}
		l.atHand = nil
		l.changed.Broadcast()
	}
}

// take picks what is next: one link to take down, since another director may have its MAC by now; then all that are to go,
// at the price of one.
func (l *links) take() {
	gone := func(j linkJob) bool { return j.gone }
	if k := slices.IndexFunc(l.jobs, func(j linkJob) bool { return !j.gone }); k >= 0 {
		l.atHand = []linkJob{l.jobs[k]}
		l.jobs = slices.Delete(l.jobs, k, k+1)
		return
	}
	l.atHand = l.jobs
	l.jobs = slices.DeleteFunc(slices.Clone(l.jobs), gone)
}

func (l *links) carryOut() error {
	if !l.atHand[0].gone {
		return l.conn.SetUp(l.atHand[0].index, false)
	}
	indexes := make([]int, len(l.atHand))
	for k, j := range l.atHand {
		indexes[k] = j.index
	}
	return l.conn.DeleteLinks(indexes)
}

// closeLater closes a packet socket beside the loop: there, too, the kernel waits for every processor.
func (e *elector) closeLater(c io.Closer) {
	if e.closing == nil {
		const most = 4096 // which wait; beyond, each gets a thread
		e.closing = make(chan io.Closer, most)
		go func(closing <-chan io.Closer) {
			for c := range closing {
				c.Close()
			}
		}(e.closing)
	}
	select {
	case e.closing <- c:
	default:
		go c.Close()
	}
}
