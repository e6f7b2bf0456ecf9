// Package scale measures a director with very many servers, lbha beside keepalived in turn on one kernel: how long it takes from the start to a
// full table, how long a reload takes that adds one server, what memory that costs, and when a table that somebody cleared is whole again.
//
// Every real server is an address of its own that answers its TCP checks: 10.20.0.0/16 belongs to one host, which listens on all of it. Times
// are those of the netlink messages that write the table, so that looking costs the daemons nothing; that the table is right in the end is read
// from the kernel.
package scale
