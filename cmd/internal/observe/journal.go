package observe

import (
	"math"
	"sync"
	"time"
)

// Event is one entry of the journal: what happened, to what, and why. Kind and Reason are drawn from the fixed
// vocabularies of the packages that decide (vrrp.Reason, wire.Drop, healthcheck.Failure, …), so that a log line, a
// metric, the status and a test say the same word.
type Event struct {
	Seq     uint64    `json:"seq"`
	Time    time.Time `json:"time"`
	Kind    string    `json:"kind"`             // transition, server, reload, drift, finding, operation, process
	Object  string    `json:"object"`           // instance, service/server, file
	Message string    `json:"message"`          // one line for a person
	Reason  string    `json:"reason,omitempty"` // the word for it
	Warn    bool      `json:"warn,omitempty"`   // worth waking somebody
}

// Journal is a bounded ring of events. The oldest go first. It is safe for use by several goroutines: one writes, the
// readers of the API copy.
type Journal struct {
	mu    sync.Mutex
	ring  []Event
	first uint64 // sequence number of the first event that was ever kept
	next  uint64 // of the next one; they start at 1
}

// NewJournal makes a journal that keeps the newest size events.
func NewJournal(size int) *Journal { return &Journal{ring: make([]Event, size), first: 1, next: 1} }

// Restore begins an empty journal with events of a former process, oldest first. The newest keeps its number, so that who asks
// for what is new after it goes on; those before it count down from there.
func (j *Journal) Restore(events []Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	events = events[max(0, len(events)-len(j.ring)):]
	n := uint64(len(events))
	if n == 0 {
		return
	}
	last := events[n-1].Seq
	if last < n || last > math.MaxInt64 { // never a number of ours
		last = n
	}
	j.first, j.next = last-n+1, last+1
	for i, e := range events {
		e.Seq = j.first + uint64(i)
		j.ring[e.Seq%uint64(len(j.ring))] = e
	}
}

// Add numbers e and keeps it.
func (j *Journal) Add(e Event) Event {
	j.mu.Lock()
	defer j.mu.Unlock()
	e.Seq = j.next
	j.ring[e.Seq%uint64(len(j.ring))] = e
	j.next++
	return e
}

// Next is the number that the next event will have.
func (j *Journal) Next() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.next
}

// Since returns the events kept with a sequence number above seq, oldest first, at most limit of the newest ones.
func (j *Journal) Since(seq uint64, limit int) []Event {
	j.mu.Lock()
	defer j.mu.Unlock()
	oldest := j.first
	if size := uint64(len(j.ring)); j.next > size {
		oldest = max(oldest, j.next-size)
	}
	from := max(seq+1, oldest)
	if limit > 0 && j.next > from && j.next-from > uint64(limit) {
		from = j.next - uint64(limit)
	}
	events := []Event{}
	for s := from; s < j.next; s++ {
		events = append(events, j.ring[s%uint64(len(j.ring))])
	}
	return events
}
