// Package vrrptest is a simulated LAN for virtual routers: an event heap, no
// goroutine, no clock. A [LAN] carries adverts and announcements between [Node]s
// with loss, delay, reordering and duplication; a Node drives one machine as the
// real driver does, over a kernel that holds leased addresses. The nodes of a host
// may form a sync group: then each is on a segment of its own, and one process
// drives them through a vrrp.Group ([LAN.AddGroup]). Everything follows from the
// seed: the same calls give the same run.
//
// Faults are methods: [LAN.Cut], [Node.Pause], [Node.Kill], [Node.SetLink],
// [Node.RemoveAddress], [Node.Inject] and so on. What must be true whatever
// happens is checked after every event by the LAN itself: see [LAN.Violations].
//
// A transcript is a script of verbs with the expected output, in the format of
// cockroachdb/datadriven; testdata holds them. They are read in review: a
// transcript that changed is committed by someone who understands, and wants,
// the change. To rewrite them:
//
//	go test ./vrrp/vrrptest -run TestTranscripts -rewrite
//
// The random schedules are of two kinds: two to five machines alone, and groups. In
// a quarter of them adverts are signed and wall clocks are set. Of each kind, 10,000
// are run by default, and 1,000 under the race detector; and a tenth as many harsh ones,
// with networks that lose adverts and not announcements, or the other way round, hosts
// whose clocks stand still, and blows in the instant of a transition. To run more, or one
// of them with its transcript:
//
//	go test ./vrrp/vrrptest -run TestProperties -seeds 100000
//	go test ./vrrp/vrrptest -run TestProperties/grouped -seed 4711
package vrrptest
