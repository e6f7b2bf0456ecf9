package observe

import (
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
	mu   sync.Mutex
	ring []Event
	next uint64 // sequence number of the next event; they start at 1
}

// NewJournal makes a journal that keeps the newest size events.
func NewJournal(size int) *Journal { return &Journal{ring: make([]Event, size), next: 1} }

// Add numbers e and keeps it.
func (j *Journal) Add(e Event) Event {
	j.mu.Lock()
	defer j.mu.Unlock()
	e.Seq = j.next
	j.ring[e.Seq%uint64(len(j.ring))] = e
	j.next++
	return e
}

// Since returns the events kept with a sequence number above seq, oldest first, at most limit of the newest ones.
func (j *Journal) Since(seq uint64, limit int) []Event {
	j.mu.Lock()
	defer j.mu.Unlock()
	oldest := uint64(1)
	if size := uint64(len(j.ring)); j.next > size {
		oldest = j.next - size
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
