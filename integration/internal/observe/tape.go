package observe

import (
	"sync"

	"github.com/lbha/lbha/integration/internal/mono"
)

// Tape is a log in order of time, appended to by one observer and read by the drill.
type Tape[T any] struct {
	mu      sync.Mutex
	at      []mono.Time
	entries []T
}

func (t *Tape[T]) add(at mono.Time, entry T) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.at = append(t.at, at)
	t.entries = append(t.entries, entry)
}

// Between copies the entries of [from, to).
func (t *Tape[T]) Between(from, to mono.Time) []T {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []T
	for i, at := range t.at {
		if at >= from && at < to {
			out = append(out, t.entries[i])
		}
	}
	return out
}

// Before returns the last entry that is earlier than at and that keep accepts.
func (t *Tape[T]) Before(at mono.Time, keep func(T) bool) (last T, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := len(t.entries) - 1; i >= 0; i-- {
		if t.at[i] < at && keep(t.entries[i]) {
			return t.entries[i], true
		}
	}
	return last, false
}
