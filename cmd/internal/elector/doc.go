// Package elector is the VRRP process: it owns all virtual routers, their addresses with the leases, and their
// announcements, and nothing else. It keeps its committed configuration in a memory file of the supervisor's and needs
// nobody to go on.
//
// # One loop
//
// Everything happens on one locked thread, in one epoll loop: VRRP sockets, listeners for announcements, rtnetlink, the
// link to the director, and one timerfd on the absolute monotonic schedule of the earliest deadline. Before a timer is
// judged all sockets are drained: what was said while this process slept is heard before it decides.
//
// Nothing slow is called here. Names, files, scripts and logs belong to the director; what there is to say goes to it
// as messages that are dropped, and counted, rather than waited for.
//
// # What follows the master
//
// Beside its addresses a master has routes and rules, and perhaps a virtual MAC. Routes and rules are added after the
// addresses and removed before them; what of them cannot be had is a finding, never a fault. The link of a virtual MAC is
// made with the instance and goes with it; it is up while the instance is master. Adverts leave the interface below as
// whole frames, so that the first of them need not wait for that link. All of it is in the kernel with our mark: a process
// that returns goes on with it, one that knows nothing of it sweeps it away.
//
// # Real time
//
// In Go the scarce thing is the P, not the thread: this process has nothing busy in it, four Ps at least, a thread in
// the real-time class where permitted, locked memory, and its garbage collected by another thread right after an
// advertisement.
package elector
