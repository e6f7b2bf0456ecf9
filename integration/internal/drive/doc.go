// Package drive starts, breaks and asks directors: lbha, or keepalived as the one to compare with.
//
// A [Director] is one host of the lab with one daemon. It hides what differs between the two daemons (configuration, process names,
// how to reload, how to ask) and nothing else: killing is a signal to processes found in /proc, so that no daemon is asked to
// die.
package drive
