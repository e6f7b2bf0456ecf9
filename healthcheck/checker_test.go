package healthcheck

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
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

func newServer(f proberFunc) *server             { s := &server{}; s.set(f); return s }
func (s *server) set(f proberFunc)               { s.now.Store(&f) }
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

func TestVerdictsInTime(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, c *Checker) {
		srv := newServer(healthy)
		mustUpdate(t, c, check("a", srv), check("b", proberFunc(silent)), check("c", proberFunc(refusing)))
		pass(10 * time.Second)
		same(t, `
a up: passed +10 -0 of 10
b down: failed +0 -10 of 10, timeout: silent after 500ms
c down: failed +0 -10 of 10, refused: nobody there after 0s
`, picture(c))
		srv.set(silent)
		died := time.Now()
		var changes []Change
		for len(changes) == 0 || changes[len(changes)-1].To != Down || changes[len(changes)-1].ID != "a" {
			changes = append(changes, <-c.Changes()...)
		}
		limit := everySecond.Interval + 2*everySecond.Interval + everySecond.Timeout
		if took := time.Since(died); took > limit {
			t.Errorf("out after %v, want at most %v", took, limit)
		}
		var order strings.Builder
		for _, ch := range changes {
			fmt.Fprintf(&order, "%s %v-%v %s %v\n", ch.ID, ch.From, ch.To, ch.Reason, ch.Cause.Failure)
		}
		if got := order.String(); !strings.HasSuffix(got, "a up-down failed timeout\n") || strings.Count(got, "\n") != 4 {
			t.Errorf("changes\n%s", got)
		}
	})
}

// TestTenThousandChecks: a virtual hour with a twentieth of the servers silent.
// Starts are spread, the rate is exact, no check starves or overlaps itself.
func TestTenThousandChecks(t *testing.T) {
	const checks, minutes, rounds, slot = 10000, 60, 10, 5 * time.Second
	bubble(t, Options{}, func(t *testing.T, c *Checker) {
		var perSlot [(minutes + 1) * time.Minute / slot]int32
		begin := time.Now()
		var peak, now atomic.Int32
		set := make([]Check, checks)
		for i := range set {
			var busy atomic.Bool
			answer := proberFunc(healthy)
			if i%20 == 0 {
				answer = silent
			}
			set[i] = check(fmt.Sprintf("www/10.0.%d.%d:80", i/250, i%250), proberFunc(func(ctx context.Context) Result {
				if !busy.CompareAndSwap(false, true) {
					t.Error("a check overlaps itself")
				}
				defer busy.Store(false)
				if n := now.Add(1); n > peak.Load() {
					peak.Store(n)
				}
				defer now.Add(-1)
				atomic.AddInt32(&perSlot[time.Since(begin)/slot], 1)
				return answer(ctx)
			}))
			set[i].Spec = Spec{Interval: minutes / rounds * time.Minute, Timeout: 2 * time.Second, Policy: Policy{Rise: 1, Fall: 3}}
		}
		mustUpdate(t, c, set...)
		pass(minutes * time.Minute)

		want := uint64(checks * (rounds + 1)) // the first starts do not wait for the grid
		if s := c.Stats(); s.Started < want*94/100 || s.Started > want || s.Skipped+s.Late > 0 || s.Probes != checks {
			t.Errorf("%+v, want %d starts", s, want)
		}
		down := 0
		for _, s := range c.Snapshot() {
			if s.Verdict == Down {
				down++
			}
			if s.Results < rounds-1 {
				t.Errorf("%s starved: %d results", s.ID, s.Results)
			}
		}
		if down != checks/20 {
			t.Errorf("%d down, want %d", down, checks/20)
		}
		even := int32(checks * rounds * slot / (minutes * time.Minute))
		for i, n := range perSlot[len(perSlot)/4 : minutes*time.Minute/slot] {
			if n < even/2 || n > even*3/2 {
				t.Errorf("%d starts in slot %d, want about %d", n, i, even)
			}
		}
		t.Logf("%d probes, %d at once", c.Stats().Started, peak.Load())
	})
}

func TestIdenticalProbesRunOnce(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, c *Checker) {
		var asked atomic.Int32
		srv := proberFunc(func(ctx context.Context) Result { asked.Add(1); return refusing(ctx) })
		shared := func(id string, fall int) Check {
			ck := check(id, srv)
			ck.ProbeKey, ck.Spec.Fall, ck.Spec.Initial = "tcp 10.0.0.1:80", fall, Up
			return ck
		}
		slow := shared("d", 1)
		slow.Spec.Interval = time.Minute
		mustUpdate(t, c, shared("a", 1), shared("b", 3), shared("c", 100), slow)
		pass(5 * time.Second)
		same(t, `
a down: failed +0 -5 of 5, refused: nobody there after 0s
b down: failed +0 -5 of 5, refused: nobody there after 0s
c up: initial +0 -5 of 5, refused: nobody there after 0s
d down: failed +0 -1 of 1, refused: nobody there after 0s
`, picture(c))
		if n := asked.Load(); n != 6 || c.Stats().Probes != 2 {
			t.Errorf("asked %d times, %+v", n, c.Stats())
		}
		mustUpdate(t, c, shared("c", 100)) // the others leave, the probe goes on
		pass(5 * time.Second)
		same(t, "c up: initial +0 -10 of 10, refused: nobody there after 0s\n", picture(c))
	})
}

// TestUpdateKeepsState: what an update does not concern it does not disturb.
func TestUpdateKeepsState(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, c *Checker) {
		var starts []time.Duration
		begin := time.Now()
		a := check("a", proberFunc(func(ctx context.Context) Result {
			starts = append(starts, time.Since(begin))
			return healthy(ctx)
		}))
		b := check("b", proberFunc(healthy))
		b.ProbeKey = "http 10.0.0.2:80 /"
		mustUpdate(t, c, a, b)
		for range 40 { // a reload each 250 ms, each with another neighbour
			pass(250 * time.Millisecond)
			mustUpdate(t, c, a, b, check(fmt.Sprint("other", time.Now()), proberFunc(silent)))
		}
		mustUpdate(t, c, a, b)
		for i := 1; i < len(starts); i++ {
			if gap := starts[i] - starts[i-1]; gap != time.Second {
				t.Errorf("gap of %v between starts %d and %d", gap, i-1, i)
			}
		}
		same(t, "a up: passed +10 -0 of 10\nb up: passed +10 -0 of 10\n", picture(c))

		a.Spec.Interval = 2 * time.Second                                  // other timing: the row goes on
		b.ProbeKey, b.Prober = "http 10.0.0.2:80 /x", proberFunc(refusing) // other probe: another row
		mustUpdate(t, c, a, b)
		same(t, "a up: passed +10 -0 of 10\nb up: passed +0 -0 of 10\n", picture(c))
		pass(2 * time.Second)
		same(t, "a up: passed +11 -0 of 11\nb up: passed +0 -2 of 12, refused: nobody there after 0s\n", picture(c))
		pass(2 * time.Second)
		same(t, "a up: passed +12 -0 of 12\nb down: failed +0 -4 of 14, refused: nobody there after 0s\n", picture(c))

		b.ProbeKey, b.Prober = "http 10.0.0.2:80 /y", proberFunc(healthy) // one that failed comes back
		mustUpdate(t, c, a, b)
		pass(2 * time.Second)
		same(t, "a up: passed +13 -0 of 13\nb up: passed +2 -0 of 16\n", picture(c))

		b.Spec.Fall = 0
		if err := c.Update(t.Context(), []Check{b}); err == nil {
			t.Error("invalid update accepted")
		}
		if err := c.Update(t.Context(), []Check{a, a}); err == nil {
			t.Error("double ID accepted")
		}
		pass(time.Second)
		if got := c.Stats().Checks; got != 2 {
			t.Errorf("%d checks after refused updates", got)
		}
		mustUpdate(t, c)
		same(t, "", picture(c))
		if s := c.Stats(); s.Checks+s.Probes+s.Running != 0 {
			t.Errorf("after the empty update: %+v", s)
		}
		if c.Verdict("a") != Unknown {
			t.Error("a verdict on a check that is gone")
		}
	})
}

// Who adds a server waits for it to serve: its first probe does not wait for the end of a span of starts.
func TestAFewNewChecksStartAtOnce(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, c *Checker) {
		slow := func(id string) Check {
			s := check(id, proberFunc(healthy))
			s.Spec.Interval = 10 * time.Second
			return s
		}
		set := []Check{slow("old")}
		mustUpdate(t, c, set...)
		for n := range 20 { // whenever in a span
			pass(time.Second + time.Duration(n)*time.Millisecond)
			set = append(slices.Clone(set), slow(fmt.Sprint("new", n)))
			mustUpdate(t, c, set...)
			pass(time.Millisecond) // in which it answers
			if st, _ := c.Status(set[len(set)-1].ID); st.Results != 1 {
				t.Errorf("%d ms into a span: %d results", n, st.Results)
			}
		}
	})
}

func TestWhereAChecksStarts(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, c *Checker) {
		adopted, saved, initial := check("adopted", proberFunc(silent)), check("saved", proberFunc(silent)), check("up", proberFunc(silent))
		adopted.Adopted = true
		saved.Saved, saved.Adopted = &Saved{Verdict: Down, Since: time.Now()}, true
		initial.Spec.Initial = Up
		nothing := check("nothing", proberFunc(silent))
		nothing.Saved = &Saved{}
		mustUpdate(t, c, adopted, saved, initial, nothing)
		same(t, `
adopted up: adopted +0 -0 of 0
nothing unknown: initial +0 -0 of 0
saved down: restored +0 -0 of 0
up up: initial +0 -0 of 0
`, picture(c))
		select {
		case <-c.Ready():
			t.Error("ready before the first results")
		default:
		}
		pass(1500 * time.Millisecond)
		<-c.Ready()
		same(t, `
adopted up: adopted +0 -1 of 1, timeout: silent after 500ms
nothing down: failed +0 -1 of 1, timeout: silent after 500ms
saved down: restored +0 -1 of 1, timeout: silent after 500ms
up up: initial +0 -1 of 1, timeout: silent after 500ms
`, picture(c))
		if got := c.Saved()["adopted"].Verdict; got != Up {
			t.Errorf("saved as %v", got)
		}
		// Already known: where it started is of no interest any more.
		saved.Saved = &Saved{Verdict: Up}
		mustUpdate(t, c, saved)
		if got := c.Verdict("saved"); got != Down {
			t.Errorf("an update with a saved verdict made a known check %v", got)
		}
	})
}

// TestFastInterval: a verdict in doubt is settled faster; one that is settled,
// up or down, is not.
func TestFastInterval(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, c *Checker) {
		srv := newServer(healthy)
		ck := check("a", srv)
		ck.Spec.Interval, ck.Spec.FastInterval = 10*time.Second, 200*time.Millisecond
		mustUpdate(t, c, ck)
		pass(3 * time.Second)
		same(t, "a up: passed +2 -0 of 2\n", picture(c)) // 0.2 s after the first
		pass(30 * time.Second)
		same(t, "a up: passed +5 -0 of 5\n", picture(c))
		srv.set(refusing)
		pass(10 * time.Second)
		same(t, "a down: failed +0 -3 of 8, refused: nobody there after 0s\n", picture(c))
		srv.set(func(context.Context) Result { return Failed(FailureLocal, "no ports") })
		pass(20 * time.Second)
		same(t, "a down: failed +0 -3 of 10, 2 ignored, local: no ports after 0s\n", picture(c))
	})
}

// TestTimeoutOfTheInterval: the silence of a server takes the whole interval, and
// does not halve the rate.
func TestTimeoutOfTheInterval(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, c *Checker) {
		ck := check("a", proberFunc(silent))
		ck.Spec.Timeout = ck.Spec.Interval
		mustUpdate(t, c, ck)
		pass(60 * time.Second)
		if s, _ := c.Status("a"); s.Results < 52 || s.Results > 60 {
			t.Errorf("%d results in 60 s", s.Results)
		}
	})
}

// TestProbeThatIgnoresItsDeadline is a timeout at the deadline, again and again,
// with one goroutine.
func TestProbeThatIgnoresItsDeadline(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, c *Checker) {
		var running atomic.Int32
		ck := check("a", proberFunc(func(context.Context) Result {
			if running.Add(1) > 1 {
				t.Error("overlap")
			}
			time.Sleep(5 * time.Second)
			running.Add(-1)
			return Passed("at last")
		}))
		ck.Spec.Initial = Up
		mustUpdate(t, c, ck, check("b", proberFunc(healthy)))
		pass(1700 * time.Millisecond)
		first, _ := c.Status("a")
		if r := first.Recent()[0]; r.Failure != FailureTimeout || r.Latency != ck.Spec.Timeout {
			t.Errorf("result %v after %v", r, r.Latency)
		}
		if s := c.Stats(); s.Lingering != 1 {
			t.Errorf("%+v", s)
		}
		pass(2500 * time.Millisecond)
		if got, _ := c.Status("a"); got.Verdict != Down || got.Failures < 3 {
			t.Errorf("%v after %d failures", got.Verdict, got.Failures)
		}
		pass(6 * time.Second)
		if s := c.Stats(); s.Lingering > 1 || c.Verdict("b") != Up {
			t.Errorf("%+v, the other is %v", s, c.Verdict("b"))
		}
		mustUpdate(t, c)
		pass(5 * time.Second)
		if s := c.Stats(); s.Lingering != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// TestStall: the director is stopped for 10 s. No silence of that time counts,
// and what was missed is not caught up in a burst.
func TestStall(t *testing.T) {
	const checks = 1000
	var stall atomic.Bool
	o := Options{OnResult: func(string, Result) {
		if stall.CompareAndSwap(true, false) {
			time.Sleep(10 * time.Second) // on the loop's own goroutine
		}
	}}
	bubble(t, o, func(t *testing.T, c *Checker) {
		servers := make([]*server, checks)
		set := make([]Check, checks)
		begin := time.Now()
		var perSecond [60]atomic.Int32
		for i := range set {
			servers[i] = newServer(healthy)
			set[i] = check(fmt.Sprintf("%04d", i), proberFunc(func(ctx context.Context) Result {
				perSecond[int(time.Since(begin)/time.Second)].Add(1)
				return servers[i].Probe(ctx)
			}))
			set[i].Spec.Fall = 1
		}
		mustUpdate(t, c, set...)
		pass(10 * time.Second)
		if n := c.Stats().Late; n != 0 {
			t.Fatalf("%d results late before the stall", n)
		}
		for _, s := range servers { // nobody is heard while we are stopped
			s.set(silent)
		}
		pass(10 * time.Millisecond)
		stall.Store(true)
		pass(9 * time.Second)
		for _, s := range servers {
			s.set(healthy)
		}
		pass(11 * time.Second)
		var failed []string
		for _, s := range c.Snapshot() {
			if s.Verdict != Up {
				failed = append(failed, s.ID)
			}
		}
		if len(failed) > 0 {
			t.Errorf("%d servers went down for our own stall: %v …", len(failed), failed[0])
		}
		s := c.Stats()
		if s.Late == 0 || s.Skipped < checks/2 || s.Lateness < 9*time.Second {
			t.Errorf("%+v", s)
		}
		for second := 20; second < 25; second++ {
			if n := perSecond[second].Load(); n > checks*3/2 {
				t.Errorf("%d starts in second %d", n, second)
			}
		}
	})
}

// TestTimeoutToldLate: a probe that learns of its deadline long after it was
// starved, whatever the loop felt.
func TestTimeoutToldLate(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, c *Checker) {
		ck := check("a", proberFunc(func(ctx context.Context) Result {
			<-ctx.Done()
			time.Sleep(40 * time.Millisecond)
			return Failed(FailureTimeout, "silent")
		}))
		ck.Spec.Timeout, ck.Spec.Fall, ck.Spec.Initial = 50*time.Millisecond, 1, Up
		mustUpdate(t, c, ck)
		pass(2 * time.Second)
		same(t, "a up: initial +0 -0 of 2, 2 ignored, timeout (late): silent after 90ms\n", picture(c))
	})
}

// TestStarvedProbe: one that returns only some time after its deadline was not run,
// and says nothing about the server.
func TestStarvedProbe(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, c *Checker) {
		ck := check("a", proberFunc(func(ctx context.Context) Result {
			<-ctx.Done()
			time.Sleep(judgeGrace + 50*time.Millisecond)
			return Failed(FailureTimeout, "silent")
		}))
		ck.Spec.Fall, ck.Spec.Initial = 1, Up
		mustUpdate(t, c, ck)
		pass(10 * time.Second)
		if s, _ := c.Status("a"); s.Verdict != Up || s.Results < 9 || s.Ignored != s.Results {
			t.Errorf("%v after %d results, %d of which did not count", s.Verdict, s.Results, s.Ignored)
		}
	})
}

// TestAlwaysLate: a loop that can never keep its times still probes.
func TestAlwaysLate(t *testing.T) {
	o := Options{OnResult: func(string, Result) { time.Sleep(400 * time.Millisecond) }}
	bubble(t, o, func(t *testing.T, c *Checker) {
		var set []Check
		for i := range 10 {
			set = append(set, check(fmt.Sprint(i), proberFunc(refusing)))
		}
		mustUpdate(t, c, set...)
		pass(time.Minute)
		for _, s := range c.Snapshot() {
			if s.Verdict != Down {
				t.Errorf("%s is %v after %d results", s.ID, s.Verdict, s.Results)
			}
		}
	})
}

// TestConcurrencyIsBoundedAndFair: 100 silent servers, 10 probes at once, which
// is a fifth of what the interval asks for. All get their turn.
func TestConcurrencyIsBoundedAndFair(t *testing.T) {
	bubble(t, Options{Concurrency: 10}, func(t *testing.T, c *Checker) {
		var now, peak atomic.Int32
		var set []Check
		for i := range 100 {
			set = append(set, check(fmt.Sprint(i), proberFunc(func(ctx context.Context) Result {
				n := now.Add(1)
				defer now.Add(-1)
				for p := peak.Load(); n > p && !peak.CompareAndSwap(p, n); p = peak.Load() {
				}
				return silent(ctx)
			})))
		}
		mustUpdate(t, c, set...)
		pass(100 * time.Second)
		if peak.Load() != 10 {
			t.Errorf("%d at once, want 10", peak.Load())
		}
		for _, s := range c.Snapshot() {
			if s.Results < 18 || s.Results > 22 || s.Ignored > 0 {
				t.Errorf("%s: %d results (%d ignored), want 20", s.ID, s.Results, s.Ignored)
			}
		}
	})
}

// TestSlowReaderOfChanges blocks nobody and loses nothing.
func TestSlowReaderOfChanges(t *testing.T) {
	var mu sync.Mutex
	results := 0
	o := Options{OnResult: func(string, Result) { mu.Lock(); results++; mu.Unlock() }}
	bubble(t, o, func(t *testing.T, c *Checker) {
		n := 0
		ck := check("a", proberFunc(func(context.Context) Result {
			if n++; n%2 == 0 {
				return Failed(FailureReset, "")
			}
			return Passed("")
		}))
		ck.Spec.Rise, ck.Spec.Fall = 1, 1
		mustUpdate(t, c, ck)
		pass(100 * time.Second)
		batch := <-c.Changes()
		if len(batch) != 100 || results != 100 {
			t.Fatalf("%d changes, %d results", len(batch), results)
		}
		last := Unknown
		for i, ch := range batch {
			if ch.From != last || ch.To == ch.From || i > 0 && !ch.At.After(batch[i-1].At) {
				t.Errorf("change %d: %+v", i, ch)
			}
			last = ch.To
		}
	})
}

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

func TestSnapshotIsOrdered(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, c *Checker) {
		mustUpdate(t, c, check("c", proberFunc(healthy)), check("a", proberFunc(healthy)), check("b", proberFunc(healthy)))
		var ids []string
		for _, s := range c.Snapshot() {
			ids = append(ids, s.ID)
		}
		if !slices.Equal(ids, []string{"a", "b", "c"}) {
			t.Errorf("order %v", ids)
		}
	})
}

// BenchmarkChecker is the scheduler's share of the cost of one probe: checks that
// are always due, of servers that answer at once.
func BenchmarkChecker(b *testing.B) {
	var results atomic.Int64
	all := make(chan struct{})
	c := NewChecker(Options{OnResult: func(string, Result) {
		if results.Add(1) == int64(b.N) {
			close(all)
		}
	}})
	var set []Check
	for i := range 10000 {
		set = append(set, check(fmt.Sprint(i), proberFunc(func(context.Context) Result { return Passed("fine") })))
		set[i].Spec.Interval = time.Microsecond
	}
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error)
	go func() { done <- c.Run(ctx) }()
	b.ReportAllocs()
	b.ResetTimer()
	if err := c.Update(ctx, set); err != nil {
		b.Fatal(err)
	}
	<-all
	b.StopTimer()
	cancel()
	<-done
}
