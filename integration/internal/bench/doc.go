// Package bench measures lbha beside keepalived: the same network, the same kernel, the same configuration, one run after the other in turn.
//
// A figure is the ratio of two medians, given with both ranges. Absolute times depend on the machine and its load; a ratio of times
// that were taken in turn does so much less. Faults happen at stratified phases of the advertisement interval, the same for both daemons: a crash
// right after an advertisement costs an interval more than one right before it.
//
// What concerns VRRP alone ([RunVRRP]) needs no IPVS and runs on any kernel, keepalived with the same real-time class as lbha. What
// clients of a service lose ([RunOutage]) needs IPVS, so it may have to run in a slower world.
//
// The crash is that of a machine: every process is killed and the cable is out. Killing the processes alone would measure
// something else in each case: keepalived's VIP stays, and the dead director's kernel goes on forwarding for ever.
package bench
