// Package synced finds out whether the directors of a pair synchronise their connections with each other: on the same
// interface, and under the same ID.
//
// The kernel does not tell. Its daemon drops what is under another ID without a count, and knows nothing of what
// arrives on another interface; the first that anybody notices is a failover after which every connection is gone. So
// we listen to what is sent, beside the kernel: to the header of a datagram, about one a second, and to none while
// nobody sends.
//
// [Judge] is pure, and says what is wrong; the time is an argument. [Watch] is the actor around it and around a
// [Listener], the socket.
//
// That nothing is heard says nothing: the kernel sends when connections begin and after so many packets of each, and a
// pair without traffic is silent.
package synced
