// Package link is how elector and director speak: small JSON messages over one SOCK_SEQPACKET pair that the
// supervisor holds, so that either end may die and return without the other noticing more than silence.
//
// The messages are level-triggered. Prepare carries the complete list of instances, State the complete state of each:
// a process that has just returned needs one message to be up to date, and a message that was lost in a full buffer
// is made good by the next one. Only Happened is an event; it feeds logs and the journal, and a lost one is counted.
//
// Sending never blocks. The elector must not wait for anybody; the director has nothing to gain from it.
//
// A configuration goes to the elector in two steps, so that a reload is applied in both processes or in none:
// Prepare (open what is new, change nothing) → Prepared; Commit → Committed.
package link
