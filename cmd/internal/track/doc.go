// Package track looks at the things that an instance's priority, or its eligibility, is tied to: scripts, files,
// processes and services. (Interfaces and other instances are the elector's to look at.)
//
//	script   run on a schedule, with rise and fall: a [healthcheck.Checker] of its own
//	file     inotify on its directory, and a slow look all the same: events are hints
//	process  a scan of /proc finds those of a name, pidfds tell at once when they end
//	service  the healthy share of its weight, seen through a [Window] so that no storm begins
//
// A [Set] runs the first three, each in a goroutine of its own that may block as long as it likes, and holds a [Reading]
// of each for whoever looks. It tells nobody what changed, only that something did: its owner looks at everything again,
// and [Sum] adds up what that means for an instance.
//
// # Known and not known
//
// "No result yet" is not "failed". A reading is Pending until something was found out for the first time; the sum of an
// instance with a pending reading is not known, and the elector goes by what it knew. What cannot be found out (a script
// that cannot be started, a /proc that cannot be read) is Unknown, with the reason, and weighs nothing; what was known
// before stays. A script that succeeded, but not yet as often in a row as it has to, is Undecided, and weighs nothing
// either. Only what was found to be bad is Bad.
//
// # Why a service is no reason for FAULT, and how no storm begins
//
// Both directors look at the same servers. If all of these fail, both directors notice, a check apart; if that were a
// fault, nobody would hold the address, and if it only moved priorities as soon as each noticed, the addresses would
// move to the one that noticed last and back. So a service changes the preference only, and what a director advertises
// of it depends on its role: a master reports the best that it saw within one detection time of the service, a backup
// the worst. A master is slow to get worse and quick to get better, a backup the other way round: who notices an outage
// first is of no importance, and if both see the same, nothing moves. An outage that only the master sees moves the
// address one detection time later than it could be noticed.
package track
