// Package harm does what a scenario says to the hosts of a network and to the kernel that they share, rather than to a daemon as a whole: it
// breaks cables, floods, claims addresses, starves and stops single processes, fills disks, turns the clock, removes IPVS.
//
// It is the same wherever the hosts are network namespaces of this kernel, whoever made those and whatever else is around their processes: the
// lab's own network, or the containers of a topology.
package harm
