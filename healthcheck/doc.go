// Package healthcheck decides which real servers are fit to serve.
//
// It is pure of the operating system: it opens no socket and logs nothing. How
// a server is asked belongs to a [Prober] (package probe has those of this
// program); this package decides when to ask, what the answers mean, and who
// is told.
//
// # The parts
//
//   - [Result]: the outcome of one probe. A [Failure] is typed, so that the same
//     word ("refused", "timeout", …) stands in the log, the metric and the test.
//   - [Tracker]: results in, [Verdict] out. rise successes in a row make a server
//     up, fall failures in a row make it down. One that falls too often stays out
//     until it has found its peace ([Damping]). No clock, no goroutine.
//   - [Need]: the verdict on a server with several checks: all, any, or at least so
//     many of them must pass.
//   - [Schedule]: when the next probe starts. Starts of different checks are
//     spread over the interval by a hash of their identity, lie on a fixed grid
//     (no drift), each moved by a little if one likes ([Schedule.Jitter]), and a start
//     that was missed is skipped, never caught up.
//   - [Checker]: the actor that owns all checks of a director. One goroutine owns
//     the schedule and the trackers; probes run in goroutines of their own, in
//     bounded number, and answer with results; or a [Starter] runs them, without.
//
// # Whose failure is it?
//
// A server is removed only for failures that are its own. Two kinds of results
// are counted but never held against it:
//
//   - [FailureLocal]: the probe never left this host, for lack of descriptors,
//     ports or memory, or was forbidden by it;
//   - a timeout, or a connection that the server has given up, while the director
//     itself was late ([Result.Late]): a process that was stopped, starved or swapped
//     out cannot accuse others of being slow. After it was late, its probes get as
//     much more time for a while ([Stats.Lag]).
//
// For [Policy.Grace] after a check began no failure counts: who boots, or is just being
// deployed, is not yet himself.
//
// # Restart and reload
//
// A server that the kernel's table already carries when the director starts is
// adopted: it stays up until it fails. [Saved] carries verdicts over a restart.
// An update keeps schedule and state of every check whose identity stays; one
// whose probe changed keeps its verdict and must earn a new one.
//
// # On a standby
//
// Who does not send traffic to a server may ask it less often, or not at all ([Pace]):
// verdicts are kept, and nobody rests before he has one. When it matters again, all are
// asked anew within half a second, and whoever answers otherwise than his verdict says
// is asked in quick succession until it is certain.
//
// What another director holds of a check ([PeerVerdict], see package exchange) can be taken
// over where it is fresher than what we know ourselves: [Checker.TakeOver].
//
// # Driving a Checker
//
//	c := healthcheck.NewChecker(healthcheck.Options{})
//	g.Go(func() error { return c.Run(ctx) })
//	err := c.Update(ctx, checks)        // now every check has a Status
//	for changes := range c.Changes() {  // closed when Run ends
//		…
//	}
package healthcheck
