// Package drive starts, breaks and asks directors: lbha, or keepalived or FRR's vrrpd as the ones to compare with.
//
// A [Director] is one host of the lab with one daemon. It hides what differs between the daemons (configuration, process names,
// how to reload, how to ask) and nothing else: killing is a signal to processes found in /proc, so that no daemon is asked to
// die. What is the same for all is a [Router]: one virtual router, in no daemon's words.
package drive
