package disk

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestWhatHangsIsLeftAloneAndNotOvertaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWorker()
		within := func(limit time.Duration, f func()) (error, time.Duration) {
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			begin := time.Now()
			return w.Do(ctx, f), time.Since(begin)
		}
		var ran []string
		note := func(what string) func() { return func() { ran = append(ran, what) } }
		if err, took := within(time.Second, note("quick")); err != nil || took != 0 {
			t.Fatalf("%v after %v", err, took)
		}
		answer := make(chan struct{})
		if err, took := within(time.Second, func() { <-answer; ran = append(ran, "slow") }); !errors.Is(err, ErrHangs) || took != time.Second {
			t.Fatalf("%v after %v, want ErrHangs after 1s", err, took)
		}
		if err, took := within(2*time.Second, note("never")); !errors.Is(err, ErrHangs) || took != 2*time.Second {
			t.Fatalf("%v after %v, want ErrHangs after 2s", err, took)
		}
		time.AfterFunc(time.Second, func() { close(answer) })
		if err, took := within(3*time.Second, note("after it")); err != nil || took != time.Second {
			t.Fatalf("%v after %v, want nil after 1s", err, took)
		}
		if len(ran) != 3 || ran[1] != "slow" || ran[2] != "after it" {
			t.Errorf("%q ran", ran)
		}
	})
}
