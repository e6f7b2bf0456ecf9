package healthcheck

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestStop: a canceled probe of a removed check says nothing; Run waits for the
// probes; an update afterwards is refused; nothing leaks (see TestMain).
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewChecker(Options{})
		early, cancel := context.WithTimeout(t.Context(), time.Second)
		if err := c.Update(early, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("update before Run: %v", err)
		}
		cancel()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- c.Run(ctx) }()
		mustUpdate(t, c)
		<-c.Ready() // no checks, no first results to wait for
		slow := check("slow", proberFunc(silent))
		slow.Spec.Timeout = time.Hour
		mustUpdate(t, c, slow)
		pass(2 * time.Second)
		if c.Stats().Running != 1 {
			t.Fatalf("%+v", c.Stats())
		}
		mustUpdate(t, c) // cancels it
		mustUpdate(t, c, slow)
		pass(2 * time.Second)
		same(t, "slow unknown: initial +0 -0 of 0\n", picture(c))
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if _, ok := <-c.Changes(); ok {
			t.Error("a change after the end")
		}
		if err := c.Update(t.Context(), nil); !errors.Is(err, ErrStopped) {
			t.Errorf("update after the end: %v", err)
		}
		if err := c.Run(t.Context()); err == nil {
			t.Error("Run twice")
		}
	})
}

func TestStopWithAProbeThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewChecker(Options{})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- c.Run(ctx) }()
		release := make(chan struct{})
		mustUpdate(t, c, check("a", proberFunc(func(context.Context) Result { <-release; return Result{} })))
		pass(1200 * time.Millisecond)
		cancel()
		if err := <-done; err == nil || !strings.Contains(err.Error(), "ignored the end of their context: 1") {
			t.Errorf("Run: %v", err)
		}
		close(release)
	})
}
