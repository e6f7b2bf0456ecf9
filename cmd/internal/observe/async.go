package observe

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// logQueue is how many records may wait for a slow reader of the log: some seconds of the worst that happens.
const logQueue = 1024

// async takes a handler off the path of those who log: a full disk, a blocked pipe or a stuck journald delays nobody.
// When the queue is full records are dropped, and the next one that finds room is preceded by their number.
type async struct {
	next  slog.Handler
	queue *queue
}

type queue struct {
	records chan queued
	dropped atomic.Uint64
}

type queued struct {
	handler slog.Handler
	record  slog.Record
	flushed chan struct{} // not nil: tell when everything before has been written
}

// newAsync starts the writer of next. It lives as long as the process.
func newAsync(next slog.Handler) *async {
	q := &queue{records: make(chan queued, logQueue)}
	go q.write(next)
	return &async{next: next, queue: q}
}

func (q *queue) write(h slog.Handler) {
	ctx := context.Background()
	for item := range q.records {
		if item.flushed != nil {
			close(item.flushed)
			continue
		}
		if n := q.dropped.Swap(0); n > 0 {
			r := slog.NewRecord(time.Now(), slog.LevelWarn, "log records were dropped, because the log was not read", 0)
			r.AddAttrs(slog.Uint64("dropped", n))
			_ = h.Handle(ctx, r)
		}
		_ = item.handler.Handle(ctx, item.record) // there is nowhere left to say that the log is broken
	}
}

// flush waits until what was logged has been written, but not for long.
func (q *queue) flush(limit time.Duration) {
	done := make(chan struct{})
	timeout := time.After(limit)
	select {
	case q.records <- queued{flushed: done}:
	case <-timeout:
		return
	}
	select {
	case <-done:
	case <-timeout:
	}
}

func (a *async) Enabled(ctx context.Context, l slog.Level) bool { return a.next.Enabled(ctx, l) }

func (a *async) Handle(_ context.Context, r slog.Record) error {
	select {
	case a.queue.records <- queued{handler: a.next, record: r.Clone()}:
	default:
		a.queue.dropped.Add(1)
	}
	return nil
}

func (a *async) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &async{next: a.next.WithAttrs(attrs), queue: a.queue}
}

func (a *async) WithGroup(name string) slog.Handler {
	return &async{next: a.next.WithGroup(name), queue: a.queue}
}
