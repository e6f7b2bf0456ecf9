// Package herald tells the outside of transitions: it starts a command for each, writes a line to a stream, or both.
//
// # In order, whatever happens
//
// The elector tells of each transition by an event, and a message can be lost; it tells of the state that each instance
// is in again and again. A [Chronicle] makes one story of both: every transition that was heard of, and in the place of
// those that were not, one that leads to where things are. The transitions of an instance are told in that order, one
// after the other: a command has ended, or was killed at its deadline, before the next one starts.
//
// # At nobody's cost
//
// Nobody waits for a command or a reader. Each instance has a queue with an end: when it is full, the oldest that waits
// is left out, and the next one says so (LBHA_MISSED); the newest is never left out. A stream is written only as far as
// its reader reads, or the pipe has room: what does not fit is left out, but for the newest line of each instance, which
// waits for a reader to return.
//
// A transition counts as told when its command has ended: one whose command was at work when the director was killed is
// told again by its successor.
//
// At a stop what waits is told before [Herald.Run] returns, within a bound.
//
// # What a command is told
//
// After its configured arguments, five: the instance, the old state, the new state, the reason in one word, the
// priority. In its environment the same and more:
//
//	LBHA_INSTANCE   web
//	LBHA_OLD_STATE  backup; initialize, backup, master or fault
//	LBHA_NEW_STATE  master
//	LBHA_REASON     master-down, …
//	LBHA_DETAIL     more about the reason, for people, or nothing
//	LBHA_PRIORITY   150
//	LBHA_TIME       2026-03-01T12:00:00.123Z
//	LBHA_MISSED     0; the transitions before this one that were not told
//
// A line of a stream has eight words: "TRANSITION", then time, instance, old state, new state, reason, priority and
// missed.
package herald
