// Package vrrp is the Virtual Router Redundancy Protocol as a pure state
// machine: version 3 (RFC 9568) and version 2 (RFC 3768), any address family.
//
// A [Machine] is one virtual router on one interface. It opens no socket, reads
// no clock, starts no goroutine and writes no log. Events go in, with the time
// at which they happened; effects come out, as data. Whoever drives it owns the
// sockets, the addresses and the timer:
//
//	m := vrrp.New(config)
//	run(m.Step(now(), vrrp.Started{}))
//	for {
//		if at, ok := m.Deadline(); ok {
//			arm(timer, at)
//		} else {
//			disarm(timer)
//		}
//		select {
//		case advert := <-socket: // always before the timer: see below
//			run(m.Step(now(), advert))
//		case <-timer:
//			drain(socket)
//			run(m.Step(now(), vrrp.TimerFired{}))
//		case ...
//		}
//	}
//
// # The contract with the driver
//
//   - Effects are carried out in the order of the slice, all of them, and only
//     then are their outcomes delivered, each by a Step of its own, in the same
//     order: [AdvertSent], [Claimed], [Renewed], [Released], [Announced]. The
//     slice is valid until the next Step. The machine never assumes that the
//     kernel obeyed: a VIP is announced, and its lease renewed, only as the
//     consequence of an outcome.
//   - Each Step may move the deadline: read [Machine.Deadline] again after it.
//     There is one timer to arm. A timer that fires early, or twice, is harmless.
//   - Link, source and tracked state are reported before Started, or a resumed
//     master would begin in Fault; [Machine.Saved] is read after each Step, and
//     what it returned before a crash is read before the first.
//   - Adverts that wait in a socket are delivered before TimerFired. A router
//     that was asleep must hear what was said meanwhile before it judges a
//     silence (this is what keeps a paused backup from a false takeover).
//   - Time is an [Instant] on CLOCK_MONOTONIC, so that a step of the wall clock
//     can never cause a failover. It must not run backwards.
//   - Only packets that passed the decoder and its authentication become events.
//     Still the machine refuses what would corrupt its timers.
//
// # The states
//
//	              Started                    lost election
//	Initialize ------------> Backup <------------------------- Master
//	     ^                   |   ^ master-down timer expired     |
//	     |                   |   +-----------------------------> |
//	     |                   v                                   v
//	     +------ Stopped --- Fault <---- link, source, tracker, refused address
//
// Backup and Master are the RFC's. Fault is keepalived's: a router that cannot
// or must not serve hears nothing and sends nothing, and says why. It is left by
// events, and, where no event can be expected (the kernel refused an address, a
// send failed), by a bounded retry.
//
// Promotion is advert, addresses, announcements, sync role: the old master must
// give the addresses up before others hear of us. Demotion is addresses out,
// announcements cancelled, sync role.
//
// # Sync groups
//
// A [Group] makes several machines of one node be in one state: see there. Its
// driver does the same, with the group's Step and Deadline in place of the
// machines', and MemberEffects in place of effects.
//
// # Where it goes beyond the RFC
//
//   - A packet that is refused or ignored changes no timer and no state, and the
//     refusal has a name ([Reject]). Priority 0 counts only from the router that
//     is believed to be master. The answer to a losing advert is sent at most
//     once an interval and moves no timer.
//   - A master that finds itself later than the quickest possible takeover drops
//     its addresses and listens before it claims them again. A backup that wakes
//     late waits one interval more, once: the silence may have been its own.
//   - Addresses may be leased: the kernel removes them by itself unless they are
//     renewed, and they are renewed only with an advert that was really sent. So
//     holding an address and sending adverts are the same thing even for a
//     process that was killed.
//   - The loser of an election sends one last advert before it yields. After a
//     partition the winner may never have heard it, and would not know that the
//     clients have to be told again. Any master answers a losing advert. That last
//     word may be lost: as a backup it goes on answering the winner with priority 1,
//     which wins nothing, until it has heard it announce an address (concede.go).
//   - Who announces an address of a master is answered, the last word being the
//     master's, and is a finding with its evidence while it may be there still.
//   - Of two masters that are heard in the same time, the better is the current
//     one. An advert that its sender's resignation overtook revives nobody.
//   - A planned leave is make before break ([HandOver], [Stopped]): the master
//     advertises priority 1 and goes on forwarding until a backup has taken
//     over by the protocol's own rules.
//
// A Machine is not safe for concurrent use: one goroutine owns it. A change of
// VRID, version, address family or interface is another virtual router, hence a
// new Machine.
package vrrp
