// Package director is the service process: it owns the configuration, the health checks, the wanted IPVS table, the
// control socket, metrics and journal. One loop owns its state; everything that blocks runs beside it and answers with
// events.
//
//	config ──┐
//	checks ──┼─► intents ─► ipvs.Desired ─► ipvs.Reconciler ─► kernel
//	saved  ──┘
//
// The elector is a process of its own (package elector). The director gives it the instances and hears of roles; it is
// not in the path of any advertisement. When this process dies, the addresses and the table stay as they are; when it
// returns it adopts both: servers that the kernel's table carries stay until a check fails, others come in after their
// first success.
//
// Every director checks the servers itself, whatever its role; standby_checks lets it do less while another is master.
// Where a channel to the others is configured (global.peers, package peers), directors tell each other what they find.
// One that becomes master, and whose own checks had rested, takes over what it was told where that is fresher, before it
// does anything else; else, and without a channel, ours stand. In either case they are fresh half a second later.
//
// What the instances track (package track) goes the other way: the loop adds up what the trackers, and the verdicts of a
// tracked service, mean for each instance, and tells the elector the sum: at every change, and again and again. What the
// elector tells of transitions is told on, to commands and streams (package herald).
//
// Beside the loop a runner looks once a minute at what the host is like (package ground): the loop only hears of it.
//
// A reload goes the same way whoever asks (SIGHUP, the API): read once, validate, compare, prepare in both processes,
// commit, keep it for a successor, verify against the kernel. An error before the commit changes nothing. Work is done for
// what differs only: who has a thousand services and adds a server waits for that server.
//
// With `--confirm` the new configuration is on trial (trial.go decides, confirm.go does): unless somebody confirms it in time,
// the former one is put in force again, which is a reload, too. The trial is kept in the same record as the configuration, for
// a successor of this process; and, where the state directory is in memory, in a file, for a successor of the whole daemon.
//
// What happens goes into the journal, a ring, and from there, beside the loop, into a file: a director that is started begins
// with what the one before it wrote.
package director
