package healthcheck

import "sync"

// A Starter runs probes that need no goroutine each: thousands can wait for their
// answers in one place. The Checker calls it from its own goroutine and waits for it: it
// must return at once.
type Starter interface {
	// Start begins to ask what the prober would, and reports whether it can; if not,
	// [Prober.Probe] is called. done is called once, from any goroutine and perhaps before
	// Start returns, with a result that has its time and its latency.
	Start(p Prober, done func(Result)) (Asking, bool)
	// Collect calls done for all whose answer is here.
	Collect()
}

// An Asking is a probe that a [Starter] began.
type Asking interface {
	// End ends it, unless it has ended: with a timeout ([FailureTimeout]), since its
	// deadline is now, or canceled ([FailureCanceled]). done is called soon.
	End(f Failure)
}

type outcome struct {
	flight *flight
	result Result
}

// outcomes are those on their way to the loop. Who brings one never waits.
type outcomes struct {
	wake chan struct{} // holds a token when there may be any

	mu   sync.Mutex
	list []outcome
}

func (o *outcomes) add(one outcome) {
	o.mu.Lock()
	o.list = append(o.list, one)
	first := len(o.list) == 1
	o.mu.Unlock()
	if !first {
		return // whoever brought the first has said so
	}
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// take returns all.
func (o *outcomes) take() []outcome {
	o.mu.Lock()
	defer o.mu.Unlock()
	list := o.list
	o.list = nil
	return list
}
