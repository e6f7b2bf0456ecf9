package healthcheck

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A proberFunc is a server of our own making.
type proberFunc func(ctx context.Context) Result

func (f proberFunc) Probe(ctx context.Context) Result { return f(ctx) }

// healthy answers after a millisecond, silent never, refusing at once.
func healthy(context.Context) Result { time.Sleep(time.Millisecond); return Passed("fine") }

func silent(ctx context.Context) Result {
	<-ctx.Done()
	return Failed(FailureTimeout, "silent")
}

func refusing(context.Context) Result { return Failed(FailureRefused, "nobody there") }

// A server can be switched between the three.
type server struct{ now atomic.Pointer[proberFunc] }

func newServer(f proberFunc) *server { s := &server{}; s.set(f); return s }

func (s *server) set(f proberFunc) { s.now.Store(&f) }

func (s *server) Probe(c context.Context) Result { return (*s.now.Load())(c) }

// everySecond is the usual spec of these tests.
var everySecond = Spec{Interval: time.Second, Timeout: 500 * time.Millisecond, Policy: Policy{Rise: 2, Fall: 3}}

func check(id string, p Prober) Check { return Check{ID: id, Target: id, Spec: everySecond, Prober: p} }

// bubble runs test with a running checker in virtual time, and stops it.
func bubble(t *testing.T, o Options, test func(t *testing.T, c *Checker)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := NewChecker(o)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- c.Run(ctx) }()
		test(t, c)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		if s := c.Stats(); s.Running+s.Lingering > 0 {
			t.Errorf("after Run: %+v", s)
		}
	})
}

func mustUpdate(t *testing.T, c *Checker, set ...Check) {
	t.Helper()
	if err := c.Update(t.Context(), set); err != nil {
		t.Fatal(err)
	}
}

// pass lets virtual time go by, and the checker come to rest.
func pass(d time.Duration) { time.Sleep(d); synctest.Wait() }

// picture renders the states of all checks.
func picture(c *Checker) string {
	var b strings.Builder
	for _, s := range c.Snapshot() {
		fmt.Fprintf(&b, "%s %v: %s +%d -%d of %d", s.ID, s.Verdict, s.Reason, s.Successes, s.Failures, s.Results)
		if s.Ignored > 0 {
			fmt.Fprintf(&b, ", %d ignored", s.Ignored)
		}
		if !s.Last.OK() {
			fmt.Fprintf(&b, ", %v after %v", s.Last, s.Last.Latency)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func same(t *testing.T, want, got string) {
	t.Helper()
	if diff := cmp.Diff(strings.TrimPrefix(want, "\n"), got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
