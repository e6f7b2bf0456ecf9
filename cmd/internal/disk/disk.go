package disk

import (
	"context"
	"errors"
)

// ErrHangs is returned for work that is not done, or not begun, in its time.
var ErrHangs = errors.New("the disk does not answer")

// Worker does work on files. Any goroutine may use it.
type Worker struct{ free chan struct{} } // holds a token while nothing is done

// NewWorker makes a worker.
func NewWorker() *Worker {
	w := &Worker{free: make(chan struct{}, 1)}
	w.free <- struct{}{}
	return w
}

// Do runs f, when what was asked for before is done, and returns nil when f has returned. When ctx ends before that it returns
// ErrHangs: f was not run then, or goes on alone, and what it shares with the caller is no longer the caller's. It is always run
// if nothing else is being done, even if ctx has ended.
func (w *Worker) Do(ctx context.Context, f func()) error {
	select {
	case <-w.free:
	default:
		select {
		case <-w.free:
		case <-ctx.Done():
			return ErrHangs
		}
	}
	done := make(chan struct{})
	go func() {
		f()
		w.free <- struct{}{}
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ErrHangs
	}
}
