// Package elector is the VRRP process: it owns all virtual routers, their addresses with the leases, and their
// announcements, and nothing else. It keeps its committed configuration in a memory file of the supervisor's and needs
// nobody to go on.
//
// # One loop
//
// Everything happens on one locked thread, in one epoll loop: VRRP sockets, listeners for announcements, rtnetlink, the
// link to the director, and one timerfd on the absolute monotonic schedule of the earliest deadline. Before a timer is
// judged its sockets are empty: what was said while this process slept is heard before it decides.
//
// What it costs must not grow with the number of virtual routers that have nothing to do. The schedule is a heap;
// deadlines that are close to one another share a wake-up; leases are renewed together; packets are read in batches;
// what is saved and reported is put off while many instances change at once; and nothing is allocated for an advert.
//
// Nothing slow is called here. Names, files, scripts and logs belong to the director; what there is to say goes to it
// as messages that are dropped, and counted, rather than waited for.
//
// # Groups, tracks, announcements, peers
//
// Every virtual router is stepped through a vrrp.Group: its sync group's, or one of its own. A reload that forms or
// enlarges a group puts running routers together when they have come to one state, so that a new member does not take
// the others out of theirs.
//
// Tracked interfaces and instances are looked at here; of everything else the director tells, and is believed for a
// minute after it was heard last.
//
// Announcements are paced on each interface, first ones before repeats, and cancelled with the role that they are of.
//
// Whose adverts are refused is remembered, in bounds, and is a finding while it lasts, as are the peers whose adverts are
// accepted and differ from ours.
//
// # What follows the master
//
// Beside its addresses a master has routes and rules, and perhaps a virtual MAC. Routes and rules are added after the
// addresses and removed before them; what of them cannot be had is a finding, never a fault, and so is a route in whose
// place somebody put his own. The link of a virtual MAC is made with the instance and goes with it; it is up while the
// instance is master. Adverts leave the interface below as whole frames, so that the first of them need not wait for that
// link. All of it is in the kernel with our mark: a process that returns goes on with it, one that knows nothing of it
// sweeps it away.
//
// # Real time
//
// In Go the scarce thing is the P, not the thread: this process has nothing busy in it, four Ps at least, its threads in
// the real-time class where permitted, locked memory, and its garbage collected by another thread right after an
// advertisement.
package elector
