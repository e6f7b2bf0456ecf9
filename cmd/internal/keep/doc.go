// Package keep gives a process a memory that outlives it.
//
// The supervisor has one memory file for each of its two processes, holds it open for its own lifetime and passes it to
// every incarnation of that process. A process that dies by SIGKILL finds, in its next life, what it had saved: roles,
// the instant of the last advertisement, verdicts, ownership.
//
// A file that has no name ([Create], memfd_create(2)) ends with the supervisor. One on a tmpfs ([File]) is found by a
// successor of the supervisor too, after a crash of all three, a restart or an upgrade. It is of one boot, because
// instants are.
//
// A region has two parts. Clocks are 64-bit words, stored with one atomic instruction each: cheap enough for every
// advertisement. The record is one JSON document, written into whichever of two slots is not current and made
// current by one atomic store, so that a death in the middle of a write leaves the previous record whole.
//
// What is saved often and what is large go into records of their own: a region can be used as two halves, each of which
// is a region ([Region.Halves]).
//
// A region has one writer. It is never on a disk, which could make a write to it slow.
package keep
